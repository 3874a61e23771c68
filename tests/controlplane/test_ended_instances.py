"""What is kept of instances that have ended: for an hour, without what opened them, and not without end."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from paddock.controlplane import ended_instances as module
from paddock.controlplane.ended_instances import ENDED_SHOWN, ended_instances, keep_ended
from paddock.model.ids import DEFAULT_LAMBDA, InstanceId
from paddock.ports.store import InstanceIntent
from paddock.stores.memory import MemoryStore
from tests.controlplane.ec2.fleet_in_memory import instance_id, intent
from tests.controlplane.harness import NOON


class Kept:
    def __init__(self) -> None:
        self._store = MemoryStore()

    def end(self, ended: InstanceIntent, minutes: float) -> None:
        asyncio.run(self._store.write(lambda tx: keep_ended(tx, ended, NOON + timedelta(minutes=minutes))))

    @property
    def ids(self) -> list[InstanceId]:
        return [each.intent.instance_id for each in asyncio.run(self._store.read(ended_instances))]

    @property
    def tokens(self) -> set[str]:
        return {each.intent.token for each in asyncio.run(self._store.read(ended_instances))}


def test_what_ended_is_kept_in_order_and_without_its_token() -> None:
    kept = Kept()
    for number, minutes in ((1, 5.0), (3, 7.0), (2, 6.0)):
        kept.end(intent(number, NOON), minutes)
    assert kept.ids == [instance_id(1), instance_id(2), instance_id(3)]
    assert kept.tokens == {""}


def test_it_is_forgotten_after_its_hour() -> None:
    kept = Kept()
    kept.end(intent(1, NOON), 0)
    kept.end(intent(2, NOON), 30)
    kept.end(intent(3, NOON), ENDED_SHOWN.total_seconds() / 60)
    assert kept.ids == [instance_id(2), instance_id(3)]


def test_the_oldest_go_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ENDED_AT_MOST", 3)
    kept = Kept()
    for number in range(1, 6):
        kept.end(intent(number, NOON), number)
    assert kept.ids == [instance_id(3), instance_id(4), instance_id(5)]


def test_default_lambdas_instance_is_shown_to_nobody() -> None:
    kept = Kept()
    kept.end(replace(intent(1, NOON), provider=DEFAULT_LAMBDA), 0)
    assert kept.ids == []
