"""Environments whose credentials end are replaced in time, the provisioned without a gap."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from paddock.model.fleet import Environment
from tests.core.fleets import NOON
from tests.core.on_demand.test_plan import SETTINGS, STARTING, drained, environment, idle, planned, started, version

SOON = NOON + SETTINGS.credentials_left
LATER = SOON + timedelta(minutes=10)


def ending(made: Environment, at: datetime) -> Environment:
    return replace(made, credentials_end_at=at)


@pytest.mark.parametrize(("ends_at", "goes"), [(SOON, {"e1"}), (LATER, set())])
def test_a_busy_environment_drains_before_its_credentials_end(ends_at: datetime, goes: set[str]) -> None:
    plan = planned([version()], [ending(environment(1, in_flight=1), ends_at)])
    assert drained(plan) == goes
    if goes:
        assert "its credentials end soon" in str(plan.reasons)


def test_it_is_planned_again_when_the_first_will_have_to_go() -> None:
    there = [
        ending(environment(1, in_flight=1), LATER),
        ending(environment(2, in_flight=1), LATER + timedelta(hours=1)),
    ]
    assert planned([version()], there).wake_after == timedelta(minutes=10)


def test_credentials_that_do_not_end_are_no_reason() -> None:
    assert not drained(planned([version()], [environment(1, in_flight=1)]))


def test_a_provisioned_one_goes_when_another_is_ready_in_its_place() -> None:
    old = ending(idle(1, 0, provisioned=True), SOON)
    first = planned([version(provisioned=1)], [old])
    assert len(started(first, [old])) == 1
    assert not drained(first)
    new = ending(idle(2, 0, provisioned=True), LATER)
    assert not drained(planned([version(provisioned=1)], [old, replace(new, phase=STARTING)]))
    second = planned([version(provisioned=1)], [old, new])
    assert (drained(second), started(second, [old, new])) == ({"e1"}, [])


def test_all_provisioned_ones_of_one_age_are_replaced_and_no_more_are_started_than_are_asked_for() -> None:
    there = [ending(idle(number, 0, provisioned=True), SOON) for number in (1, 2)]
    plan = planned([version(provisioned=2)], there)
    assert len(started(plan, there)) == 2
    assert not drained(plan)


def test_where_provisioned_ones_fill_all_the_room_one_goes_before_its_successor_is_there() -> None:
    there = [ending(idle(number, 0, provisioned=True), SOON) for number in range(SETTINGS.most_environments)]
    plan = planned([version(provisioned=len(there))], there)
    assert (len(drained(plan)), started(plan, there)) == (1, [])
