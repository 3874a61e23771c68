from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from paddock.core.placement import Launch, Placement
from paddock.core.planning.draft import Draft
from paddock.model.fleet import FleetSnapshot, Zone
from paddock.model.ids import SubnetId
from paddock.model.states import EnvironmentPhase, InstancePhase
from tests.core.fleets import NOON, R1, SMALL, ZONES, CountingIds, a_snapshot, a_type, key
from tests.core.planning.rounds import SETTINGS, changed, serving


def draft_of(snapshot: FleetSnapshot) -> Draft:
    return Draft(snapshot, NOON, CountingIds(), SETTINGS)


def test_every_instance_that_may_still_run_counts_against_the_ceiling() -> None:
    snapshot = serving(max_vcpu_count=20)
    for phase, left in [
        (InstancePhase.PENDING, 8),
        (InstancePhase.STOPPING, 8),
        (InstancePhase.LOST, 8),
        (InstancePhase.TERMINATED, 12),
    ]:
        assert draft_of(changed(snapshot, 0, phase=phase)).budget == left


def test_a_ceiling_lowered_below_what_runs_leaves_nothing_and_not_less() -> None:
    snapshot = serving()

    assert draft_of(replace(snapshot, scaling=replace(snapshot.scaling, max_vcpu_count=2))).budget == 0


def test_a_launch_is_charged_before_the_next_decision() -> None:
    draft = draft_of(a_snapshot(max_vcpu_count=10))

    draft.accept(Placement((), (Launch(a_type("c7i.xlarge"), ZONES[0].zone, 2),), 0, True, ()), key(), R1, SMALL)

    assert draft.budget == 6
    assert len(draft.members(key(), R1)) == 2
    (room,) = draft.rooms(key(), R1)
    assert (room.vcpu, room.memory_mb, room.members, room.ready) == (1, 7 * 1024 - 2 * 2048, 2, False)


def test_launches_take_the_subnets_of_a_zone_in_turn() -> None:
    zone = ZONES[0].zone
    draft = draft_of(a_snapshot(zones=(Zone(SubnetId("s1"), zone), Zone(SubnetId("s2"), zone))))

    for _ in range(4):
        draft.accept(Placement((), (Launch(a_type("c7i.xlarge"), zone, 1),), 0, True, ()), key(), R1, SMALL)

    assert [launch.subnet_id for launch in draft.finish().launches] == ["s1", "s2", "s1", "s2"]


def test_a_dropped_environment_is_no_longer_assigned_but_holds_its_room_until_its_end_is_reported() -> None:
    draft = draft_of(serving())
    environment = draft.members(key(), R1)[0]
    before = {room.instance_id: room.vcpu for room in draft.rooms()}

    draft.drop(environment)

    assert environment not in draft.members(key(), R1)
    assert {room.instance_id: room.vcpu for room in draft.rooms()} == before
    assert not draft.is_bare(environment.instance_id)
    assert not draft.on_instance(environment.instance_id)


def test_what_an_agent_reports_as_draining_drains_also_when_that_was_not_asked() -> None:
    snapshot = serving()
    first, *others = snapshot.environments
    draft = draft_of(replace(snapshot, environments=(replace(first, phase=EnvironmentPhase.DRAINING), *others)))

    assert len(draft.members(key(), R1)) == 2
    (assigned,) = [each for one in draft.finish().assignments for each in one.environments if each.draining]
    assert assigned.environment_id == first.environment_id


def test_environments_of_unknown_or_ended_instances_do_not_count() -> None:
    snapshot = serving()

    assert draft_of(replace(snapshot, instances=snapshot.instances[1:])).members(key(), R1) != []
    assert len(draft_of(replace(snapshot, instances=snapshot.instances[1:])).members(key(), R1)) == 2
    assert len(draft_of(changed(snapshot, 0, phase=InstancePhase.STOPPING)).members(key(), R1)) == 2


def test_a_terminated_instance_leaves_the_books_with_all_it_had() -> None:
    draft = draft_of(serving())
    instance_id = draft.snapshot.instances[0].instance_id

    draft.terminate(instance_id, "a test")

    plan = draft.finish()
    assert [each.instance_id for each in plan.terminations] == [instance_id]
    assert instance_id not in {each.instance_id for each in plan.assignments}
    assert len(draft.members(key(), R1)) == 2


def test_the_earliest_wake_wins_and_is_never_at_once() -> None:
    draft = draft_of(a_snapshot())
    assert draft.finish().wake_after is None

    draft.wake_at(NOON + timedelta(minutes=2))
    draft.wake_at(NOON + timedelta(minutes=1))
    draft.wake_at(NOON + timedelta(minutes=3))
    assert draft.finish().wake_after == timedelta(minutes=1)

    draft.wake_at(NOON - timedelta(minutes=1))
    assert draft.finish().wake_after == timedelta(seconds=1)


def test_a_plan_without_any_reason_says_that_there_is_nothing_to_do() -> None:
    (reason,) = draft_of(a_snapshot()).finish().reasons

    assert reason.subject == "provider"
