from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from paddock.model.fleet import FleetSnapshot
from paddock.model.states import InstancePhase
from tests.core.fleets import NOON, a_snapshot, a_version, carried_out, settled
from tests.core.planning.rounds import changed, grown, planned, republished, serving


def test_a_provider_without_versions_launches_nothing() -> None:
    made = planned(a_snapshot())

    assert not made.launches
    assert not made.assignments
    assert made.wake_after is None


def test_deleting_the_provider_ends_all_instances_at_once() -> None:
    made = planned(replace(serving(), deleting=True))

    assert len(made.terminations) == 3
    assert not made.assignments


@pytest.mark.parametrize(
    "fleet",
    [
        lambda: a_snapshot(a_version()),
        serving,
        lambda: serving("f", "g", "h", "k"),
        lambda: republished(serving()),
        lambda: changed(serving(), 1, phase=InstancePhase.LOST),
        lambda: changed(serving(), 1, replace_reason="patch"),
        lambda: grown(100),
        lambda: a_snapshot(a_version(), max_vcpu_count=2),
    ],
)
def test_planning_again_changes_nothing(fleet: Callable[[], FleetSnapshot]) -> None:
    snapshot = fleet()
    for _ in range(3):
        first = planned(snapshot)
        snapshot = carried_out(snapshot, first, NOON)
        if not first.outcomes:
            second = planned(snapshot)
            assert not second.launches
            assert not second.terminations
            assert {(each.instance_id, frozenset(each.environments)) for each in second.assignments} == {
                (each.instance_id, frozenset(each.environments)) for each in first.assignments
            }
        snapshot = settled(snapshot, NOON)
