from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta

from paddock.model.fleet import LaunchFailure
from paddock.model.states import EnvironmentPhase, InstancePhase, StateReasonCode
from tests.core.fleets import NOON, ZONES, a_snapshot, a_version, carried_out, settled, steady_loads
from tests.core.planning.rounds import SETTINGS, after, assigned, changed, grown, idle, planned, serving, vcpu


def test_a_lost_instance_is_ended_and_its_environment_started_elsewhere_at_once() -> None:
    snapshot = changed(serving(max_vcpu_count=12), 0, phase=InstancePhase.LOST)

    made = planned(snapshot)

    assert [each.instance_id for each in made.terminations] == [snapshot.instances[0].instance_id]
    assert not made.launches, "the ceiling leaves no room, so it goes beside the others"
    assert assigned(made, draining=False) == 3


def test_a_lost_instance_is_replaced_in_its_zone_when_the_ceiling_allows() -> None:
    snapshot = changed(serving(), 0, phase=InstancePhase.LOST)

    made = planned(snapshot)

    assert [launch.zone for launch in made.launches] == [snapshot.instances[0].zone]


def test_an_environment_that_ended_is_replaced() -> None:
    snapshot = serving()

    made = planned(replace(snapshot, environments=snapshot.environments[1:]))

    assert not made.launches
    assert assigned(made, draining=False) == 3


def test_a_replacement_comes_first_then_the_drain_then_the_end() -> None:
    snapshot = changed(serving(), 0, replace_reason="end of lifetime")
    old = snapshot.instances[0].instance_id

    first = planned(snapshot)
    assert len(first.launches) == 1
    assert assigned(first, draining=True) == 0
    assert not first.terminations

    snapshot = settled(carried_out(snapshot, first, NOON), NOON)
    second = planned(snapshot)
    assert not second.launches
    draining = {one.instance_id for one in second.assignments for each in one.environments if each.draining}
    assert draining == {old}
    assert not second.terminations

    third = planned(settled(carried_out(snapshot, second, NOON), NOON))
    assert [each.instance_id for each in third.terminations] == [old]


def test_a_replacement_at_the_ceiling_goes_through_the_room_of_the_others_and_the_spread_is_mended() -> None:
    snapshot = changed(serving(max_vcpu_count=12), 0, replace_reason="patched")
    old = snapshot.instances[0]

    now = NOON
    for _ in range(8):
        made = planned(snapshot, now)
        assert vcpu(snapshot, made) <= 12
        ready = sum(each.phase is EnvironmentPhase.READY for each in snapshot.environments)
        assert ready - assigned(made, draining=True) >= 3
        now += timedelta(minutes=6)
        snapshot = idle(settled(carried_out(snapshot, made, now), now), now)

    assert old.instance_id not in {each.instance_id for each in snapshot.instances}
    assert len({each.zone for each in snapshot.instances}) == 3
    assert Counter(each.instance_id for each in snapshot.environments).most_common(1)[0][1] == 1


def test_an_instance_whose_agent_never_reports_is_given_up_after_the_deadline() -> None:
    snapshot = carried_out(a_snapshot(a_version()), planned(a_snapshot(a_version())), NOON)

    late = NOON + SETTINGS.launch_deadline
    made = planned(snapshot, late)

    assert [each.launch_failed for each in made.terminations] == [True] * 3
    assert not made.launches, "all three failed: whatever it was, it may still be"
    assert made.wake_after == SETTINGS.launch_backoff
    code = StateReasonCode.INTERNAL_ERROR
    failures = tuple(LaunchFailure("c7i.xlarge", zone.zone, late, code, "never came") for zone in ZONES)
    gone = replace(snapshot, instances=(), environments=(), launch_failures=failures)
    assert len(planned(gone, late + SETTINGS.launch_backoff).launches) == 3


def test_one_instance_that_never_comes_is_replaced_at_once_by_another_type() -> None:
    snapshot = carried_out(a_snapshot(a_version()), planned(a_snapshot(a_version())), NOON)
    hung, *others = snapshot.instances
    came = tuple(replace(each, phase=InstancePhase.RUNNING) for each in others)

    made = planned(replace(snapshot, instances=(hung, *came)), NOON + SETTINGS.launch_deadline)

    assert [each.instance_id for each in made.terminations] == [hung.instance_id]
    assert [(each.zone, each.instance_type.name) for each in made.launches] == [(hung.zone, "c6i.xlarge")]


def test_an_idle_instance_is_ended_only_after_the_grace_and_can_be_used_before() -> None:
    snapshot = serving()
    idle = tuple(replace(each, empty_since=NOON) for each in snapshot.instances)
    empty = a_snapshot(instances=idle)

    made = planned(empty)
    assert not made.terminations
    assert made.wake_after == SETTINGS.idle_grace

    used = planned(a_snapshot(a_version(), instances=idle), NOON + SETTINGS.idle_grace)
    assert not used.launches
    assert not used.terminations


def test_a_drain_that_never_ends_is_cut_short() -> None:
    snapshot = serving()
    stuck = replace(snapshot.environments[0], draining=True, phase=EnvironmentPhase.DRAINING, draining_since=NOON)
    snapshot = replace(snapshot, environments=(stuck, *snapshot.environments[1:]))

    assert assigned(planned(snapshot), draining=True) == 1
    assert assigned(planned(snapshot, NOON + SETTINGS.drain_timeout), draining=True) == 0


def test_a_falling_load_drains_from_the_emptier_instances_and_consolidates() -> None:
    snapshot = grown(busy=180)
    snapshot = after(snapshot)
    wide = len(snapshot.instances)
    now = NOON
    for _ in range(60):
        now += timedelta(minutes=1)
        version = snapshot.versions[0]
        count = sum(not each.draining for each in snapshot.environments)
        loads = steady_loads(now, busy=4, environments=count)
        snapshot = after(replace(snapshot, versions=(replace(version, loads=loads),)), now)

    assert wide > 3
    assert len(snapshot.environments) == 3
    assert len(snapshot.instances) == 3
    assert len({each.zone for each in snapshot.instances}) == 3


def test_an_instance_whose_environments_fit_elsewhere_is_emptied_replacement_first() -> None:
    snapshot = serving("f", "g")
    extra = replace(snapshot, versions=(*snapshot.versions, a_version("h", minimum=6)))
    for _ in range(3):
        extra = after(extra)
    assert len(extra.instances) > 3
    now = NOON + SETTINGS.consolidate_after
    shrunk = replace(extra, versions=(*snapshot.versions, replace(extra.versions[2], deleting=True)))
    for _ in range(8):
        made = planned(idle(shrunk, now), now)
        shrunk = settled(carried_out(shrunk, made, now), now)
        now += SETTINGS.idle_grace

    assert len(shrunk.instances) == 3


def test_what_no_agent_has_reported_yet_is_dropped_and_not_drained() -> None:
    """An agent never starts what it first hears of as draining, so nobody would ever report its end."""
    snapshot = serving()
    unreported = replace(snapshot.environments[0], phase=EnvironmentPhase.ASSIGNED)
    deleted = replace(
        snapshot,
        environments=(unreported, *snapshot.environments[1:]),
        versions=tuple(replace(version, deleting=True) for version in snapshot.versions),
    )

    made = planned(deleted)

    left = {each.environment_id: each.draining for one in made.assignments for each in one.environments}
    assert unreported.environment_id not in left
    assert set(left.values()) == {True}


def test_a_drain_that_was_asked_for_too_early_is_mended() -> None:
    snapshot = serving()
    stuck = replace(snapshot.environments[0], phase=EnvironmentPhase.ASSIGNED, draining=True)

    made = planned(replace(snapshot, environments=(stuck, *snapshot.environments[1:])))

    assert stuck.environment_id not in {each.environment_id for one in made.assignments for each in one.environments}
