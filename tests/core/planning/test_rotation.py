from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from paddock.model.fleet import FleetSnapshot
from paddock.model.states import EnvironmentPhase, InstancePhase
from tests.core.fleets import NOON, a_snapshot, a_version, carried_out, settled, steady_loads
from tests.core.planning.rounds import assigned, changed, idle, planned, serving, vcpu


def patched(fleet: FleetSnapshot) -> FleetSnapshot:
    return replace(fleet, instances=tuple(replace(each, replace_reason="patched") for each in fleet.instances))


def rotated(fleet: FleetSnapshot, *, rounds: int, cap: int, busy: int = 0) -> FleetSnapshot:
    """Round after round at a steady load; no version is ever below its minimum, the ceiling always holds."""
    now: datetime = NOON
    minimums = {version.key: version.bounds.minimum for version in fleet.versions}
    for _ in range(rounds):
        made = planned(fleet, now)
        assert vcpu(fleet, made) <= cap
        for name, minimum in minimums.items():
            going = {e.environment_id for one in made.assignments for e in one.environments if e.draining}
            ready = [
                each
                for each in fleet.environments
                if each.key == name and each.phase is EnvironmentPhase.READY and each.environment_id not in going
            ]
            assert len(ready) >= minimum
        now += timedelta(minutes=6)
        fleet = settled(carried_out(fleet, made, now), now)
        versions = tuple(
            replace(each, loads=steady_loads(now, busy=busy, environments=len(fleet.environments)))
            for each in fleet.versions
        )
        fleet = replace(fleet, versions=versions)
    return fleet


@pytest.mark.parametrize(("cap", "names"), [(400, "fgh"), (16, "fgh"), (12, "f"), (12, "fg")])
def test_a_patch_of_everything_replaces_every_instance_without_going_below_a_minimum(cap: int, names: str) -> None:
    fleet = patched(serving(*names, max_vcpu_count=cap))
    old = {each.instance_id for each in fleet.instances}

    fleet = rotated(fleet, rounds=40, cap=cap)

    assert not old & {each.instance_id for each in fleet.instances}
    assert len({each.zone for each in fleet.instances}) == 3


def test_at_most_a_fifth_is_replaced_at_once() -> None:
    fleet = patched(serving(*(f"f{number}" for number in range(24))))
    assert len(fleet.instances) == 24

    made = planned(fleet)

    assert sum(each.draining for each in made.assignments) == 4
    assert len(made.launches) <= 4
    assert sum("others go first" in reason.text for reason in made.reasons) == 20


def full(*, minimum: int, environments: int, busy: int) -> FleetSnapshot:
    """Three instances at the ceiling without any room left, all serving one version."""
    fleet = a_snapshot(a_version(minimum=environments), max_vcpu_count=12)
    for _ in range(3):
        fleet = settled(carried_out(fleet, planned(fleet), NOON), NOON)
    version = fleet.versions[0]
    loads = steady_loads(NOON, busy=busy, environments=environments)
    return replace(fleet, versions=(replace(version, bounds=replace(version.bounds, minimum=minimum), loads=loads),))


def test_at_a_full_ceiling_headroom_above_the_minimum_is_lent_one_instance_at_a_time() -> None:
    fleet = patched(full(minimum=3, environments=9, busy=60))
    old = {each.instance_id for each in fleet.instances}

    made = planned(fleet)
    assert not made.launches
    assert assigned(made, draining=True) == 3
    assert sum(each.draining for each in made.assignments) == 1
    assert any("headroom is lent" in reason.text for reason in made.reasons)

    fleet = rotated(fleet, rounds=40, cap=12, busy=60)
    assert not old & {each.instance_id for each in fleet.instances}


@pytest.mark.parametrize(("minimum", "busy"), [(9, 0), (3, 110)])
def test_what_the_minimum_or_the_load_needs_is_not_lent_and_the_instance_says_why_it_waits(
    minimum: int, busy: int
) -> None:
    fleet = patched(full(minimum=minimum, environments=9, busy=busy))

    made = planned(fleet)

    assert assigned(made, draining=True) == 0
    assert any("the ceiling leaves no room" in reason.text for reason in made.reasons)


def test_no_turn_is_taken_while_a_minimum_is_lacking() -> None:
    fleet = changed(patched(serving()), 0, phase=InstancePhase.LOST)

    made = planned(fleet)

    assert not any(each.draining for each in made.assignments)
    assert assigned(made, draining=False) == 3


def test_an_instance_begun_to_be_emptied_is_taken_back_when_a_minimum_needs_its_room() -> None:
    fleet = serving(max_vcpu_count=12)
    fleet = changed(changed(fleet, 0, draining=True), 1, phase=InstancePhase.LOST)
    fleet = changed(fleet, 2, phase=InstancePhase.LOST)

    made = planned(idle(fleet))
    assert any("is kept for now" in reason.text for reason in made.reasons)

    then = planned(idle(carried_out(fleet, made, NOON)))
    assert assigned(then, draining=False) == 3


def test_a_flagged_instance_without_environments_ends_at_once() -> None:
    fleet = serving()
    bare = a_snapshot(instances=[replace(fleet.instances[0], replace_reason="too old")])

    assert len(planned(bare).terminations) == 1
