from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from paddock.core.planning import PlanningSettings, plan
from paddock.model.capacity_provider import Architecture, InstanceRequirements
from paddock.model.fleet import (
    EnvironmentFailure,
    EnvironmentShape,
    FleetSnapshot,
    LaunchFailure,
    Plan,
    RevisionFailed,
    RevisionServed,
    VersionDeactivated,
    VersionRemoved,
)
from paddock.model.ids import AvailabilityZone
from paddock.model.states import EnvironmentPhase, InstancePhase, StateReasonCode
from tests.core.fleets import (
    NOON,
    R1,
    R2,
    R3,
    ZONES,
    CountingIds,
    a_snapshot,
    a_version,
    carried_out,
    key,
    settled,
    steady_loads,
)

SETTINGS = PlanningSettings()
IDS = CountingIds()


def planned(snapshot: FleetSnapshot, now: datetime = NOON) -> Plan:
    made = plan(snapshot, now=now, ids=IDS, settings=SETTINGS)
    assert made.reasons
    return made


def after(snapshot: FleetSnapshot, now: datetime = NOON) -> FleetSnapshot:
    """One round: planned, carried out, arrived."""
    return settled(carried_out(snapshot, planned(snapshot, now), now), now)


def serving(*names: str, **limits: int) -> FleetSnapshot:
    """A fleet in steady state: each version's minimum of three, ready and serving."""
    snapshot = a_snapshot(*(a_version(name) for name in names or ("f",)), **limits)
    for _ in range(3):
        snapshot = after(snapshot)
    assert all(version.serving == R1 for version in snapshot.versions)
    return idle(snapshot)


def idle(snapshot: FleetSnapshot, now: datetime = NOON) -> FleetSnapshot:
    """Samples of no load at all, up to now."""
    loads = steady_loads(now, busy=0, environments=3)
    return replace(snapshot, versions=tuple(replace(version, loads=loads) for version in snapshot.versions))


def republished(snapshot: FleetSnapshot, **changes: object) -> FleetSnapshot:
    first, *others = snapshot.versions
    return replace(snapshot, versions=(replace(first, revision=R2, **changes), *others))


def changed(snapshot: FleetSnapshot, index: int, **changes: object) -> FleetSnapshot:
    instances = list(snapshot.instances)
    instances[index] = replace(instances[index], **changes)
    return replace(snapshot, instances=tuple(instances))


def vcpu(snapshot: FleetSnapshot, made: Plan) -> int:
    used = sum(each.instance_type.vcpu for each in snapshot.instances if each.phase is not InstancePhase.TERMINATED)
    return used + sum(launch.instance_type.vcpu for launch in made.launches)


def assigned(made: Plan, *, draining: bool) -> int:
    return sum(each.draining is draining for assignment in made.assignments for each in assignment.environments)


# Publishing


def test_a_provider_without_versions_launches_nothing() -> None:
    made = planned(a_snapshot())

    assert not made.launches
    assert not made.assignments
    assert made.wake_after is None


def test_a_first_publish_launches_three_instances_in_three_zones_with_one_environment_each() -> None:
    made = planned(a_snapshot(a_version()))

    assert [launch.instance_type.name for launch in made.launches] == ["c7i.xlarge"] * 3
    assert {launch.zone for launch in made.launches} == {zone.zone for zone in ZONES}
    assert [len(each.environments) for each in made.assignments] == [1, 1, 1]
    assert not made.outcomes


def test_the_version_serves_once_its_minimum_is_ready() -> None:
    snapshot = after(a_snapshot(a_version()))

    made = planned(snapshot)

    assert made.outcomes == (RevisionServed(key(), R1),)
    assert made.wake_after is not None


def test_a_second_version_uses_the_room_of_the_instances_that_run() -> None:
    snapshot = serving()

    made = planned(replace(snapshot, versions=(*snapshot.versions, a_version("g"))))

    assert not made.launches
    assert [len(each.environments) for each in made.assignments] == [2, 2, 2]


def test_a_minimum_beyond_three_is_packed() -> None:
    made = planned(a_snapshot(a_version(minimum=9)))

    assert len(made.launches) == 3
    assert [len(each.environments) for each in made.assignments] == [3, 3, 3]


def test_one_zone_still_gets_three_instances() -> None:
    made = planned(a_snapshot(a_version(), zones=ZONES[:1]))

    assert len(made.launches) == 3


def test_a_republish_is_as_wide_as_what_it_replaces_and_leaves_it_alone_until_it_serves() -> None:
    snapshot = after(republished(serving()))

    made = planned(snapshot)
    assert RevisionServed(key(), R2) in made.outcomes
    assert assigned(made, draining=True) == 0

    then = planned(carried_out(snapshot, made, NOON))
    drained = {each.revision for one in then.assignments for each in one.environments if each.draining}
    assert drained == {R1}
    assert assigned(then, draining=False) == 3
    assert not then.launches


def test_a_publish_overtaken_by_another_is_drained() -> None:
    snapshot = carried_out(republished(serving()), planned(republished(serving())), NOON)

    made = planned(replace(snapshot, versions=(replace(snapshot.versions[0], revision=R3),)))

    by_revision = Counter((each.revision, each.draining) for one in made.assignments for each in one.environments)
    assert by_revision[R1, False] == 3
    assert by_revision[R3, False] == 3


def test_environments_that_fail_init_three_times_fail_the_publish_and_spare_what_serves() -> None:
    snapshot = republished(serving())
    snapshot = carried_out(snapshot, planned(snapshot), NOON)
    failure = EnvironmentFailure(StateReasonCode.RUNTIME_INIT_ERROR, "no module named x", init=True)
    snapshot = replace(
        snapshot,
        environments=tuple(
            replace(each, phase=EnvironmentPhase.ENDED, failure=failure) if each.revision == R2 else each
            for each in snapshot.environments
        ),
    )

    made = planned(snapshot)

    assert made.outcomes == (RevisionFailed(key(), R2, StateReasonCode.RUNTIME_INIT_ERROR, "no module named x"),)
    assert assigned(made, draining=False) == 3
    assert assigned(made, draining=True) == 0
    then = carried_out(snapshot, made, NOON)
    assert not planned(then).outcomes


@pytest.mark.parametrize(
    ("code", "failures", "fails"),
    [
        (StateReasonCode.RUNTIME_INIT_ERROR, 1, False),
        (StateReasonCode.INIT_TIMEOUT, 2, False),
        (StateReasonCode.INIT_TIMEOUT, 3, True),
        (StateReasonCode.INVALID_ENTRY_POINT, 1, True),
    ],
)
def test_a_failure_another_try_cannot_mend_fails_at_once_others_after_three(
    code: StateReasonCode, failures: int, fails: bool
) -> None:
    snapshot = a_snapshot(a_version())
    snapshot = carried_out(snapshot, planned(snapshot), NOON)
    failed = tuple(
        replace(each, phase=EnvironmentPhase.ENDED, failure=EnvironmentFailure(code, "text", init=True))
        for each in snapshot.environments[:failures]
    )
    snapshot = replace(snapshot, environments=(*failed, *snapshot.environments[failures:]))

    made = planned(snapshot)

    assert any(isinstance(outcome, RevisionFailed) for outcome in made.outcomes) is fails
    if not fails:
        assert assigned(made, draining=False) == 3


def test_a_failed_first_publish_gives_its_instances_back() -> None:
    snapshot = settled(carried_out(a_snapshot(a_version()), planned(a_snapshot(a_version())), NOON), NOON)
    snapshot = replace(snapshot, versions=(replace(snapshot.versions[0], failed=True),))
    dropped = planned(snapshot)
    assert assigned(dropped, draining=False) == assigned(dropped, draining=True) == 0
    snapshot = settled(carried_out(snapshot, dropped, NOON), NOON)

    later = planned(snapshot, NOON + SETTINGS.idle_grace)

    assert len(later.terminations) == 3


# Guardrails


@pytest.mark.parametrize("cap", [2, 4, 8, 12, 13, 24, 400])
def test_the_ceiling_holds_for_a_burst_of_publishes(cap: int) -> None:
    snapshot = a_snapshot(*(a_version(f"f{number}") for number in range(8)), max_vcpu_count=cap)
    for _ in range(4):
        made = planned(snapshot)
        assert vcpu(snapshot, made) <= cap
        snapshot = settled(carried_out(snapshot, made, NOON), NOON)


def test_a_publish_that_cannot_fit_fails_with_aws_words_and_starts_nothing() -> None:
    made = planned(a_snapshot(a_version(), max_vcpu_count=2))

    assert not made.launches
    (outcome,) = made.outcomes
    assert isinstance(outcome, RevisionFailed)
    assert outcome.reason_code is StateReasonCode.CAPACITY_PROVIDER_SCALING_LIMIT_EXCEEDED
    assert outcome.text == (
        "MinimumExecutionEnvironments can't be provisioned because CapacityProvider has reached maxVCpuCount limit. "
        "Increase maxVCpuCount in the CapacityProvider configuration and try again."
    )


@pytest.mark.parametrize(("cap", "sizes"), [(12, ["xlarge"] * 3), (8, ["large"] * 3), (4, ["xlarge"])])
def test_under_a_low_ceiling_instances_get_smaller_and_then_fewer(cap: int, sizes: list[str]) -> None:
    made = planned(a_snapshot(a_version(), max_vcpu_count=cap))

    assert [launch.instance_type.size for launch in made.launches] == sizes
    assert assigned(made, draining=False) == 3


def test_a_publish_waits_for_vcpu_that_are_being_given_back() -> None:
    snapshot = serving(max_vcpu_count=12)
    stopping = tuple(replace(each, phase=InstancePhase.STOPPING) for each in snapshot.instances)
    waiting = a_snapshot(a_version("g"), instances=stopping, max_vcpu_count=12)

    made = planned(waiting)
    assert not made.outcomes
    assert not made.launches
    assert made.wake_after is not None

    assert len(planned(replace(waiting, instances=())).launches) == 3
    impatient = planned(waiting, NOON + SETTINGS.publish_patience)
    assert isinstance(impatient.outcomes[0], RevisionFailed)


def test_idle_instances_that_are_too_small_are_ended_for_a_publish_that_needs_their_vcpu() -> None:
    snapshot = serving(max_vcpu_count=36)
    idle = tuple(replace(each, empty_since=NOON) for each in snapshot.instances)
    large = EnvironmentShape(memory_mb=16384, vcpu=8.0, max_concurrency=64)

    made = planned(a_snapshot(a_version("g", shape=large), instances=idle, max_vcpu_count=36))

    assert len(made.terminations) == 3
    assert not made.outcomes


def test_when_no_type_is_allowed_the_publish_fails_and_says_what_was_tried() -> None:
    requirements = InstanceRequirements(allowed_instance_types=("x9.*",))

    made = planned(a_snapshot(a_version(), requirements=requirements))

    (outcome,) = made.outcomes
    assert isinstance(outcome, RevisionFailed)
    assert outcome.reason_code is StateReasonCode.INVALID_CONFIGURATION
    assert "c7i.xlarge" in outcome.text
    assert "AllowedInstanceTypes" in outcome.text


def test_when_nothing_is_offered_there_is_insufficient_capacity() -> None:
    made = planned(a_snapshot(a_version(), offered_types=()))

    (outcome,) = made.outcomes
    assert isinstance(outcome, RevisionFailed)
    assert outcome.reason_code is StateReasonCode.INSUFFICIENT_CAPACITY


def test_the_architecture_is_kept() -> None:
    requirements = InstanceRequirements(architecture=Architecture.ARM64)

    made = planned(a_snapshot(a_version(), requirements=requirements))

    assert isinstance(made.outcomes[0], RevisionFailed)


# Launch failures


def failures(count: int, *, zone: AvailabilityZone, at: datetime = NOON) -> tuple[LaunchFailure, ...]:
    code = StateReasonCode.INSUFFICIENT_CAPACITY
    return tuple(LaunchFailure("c7i.xlarge", zone, at, code, "none left") for _ in range(count))


def test_a_type_that_failed_in_a_zone_gives_way_to_another_there() -> None:
    made = planned(replace(a_snapshot(a_version()), launch_failures=failures(1, zone=ZONES[0].zone)))

    types = {launch.zone: launch.instance_type.name for launch in made.launches}
    assert types[ZONES[0].zone] == "c6i.xlarge"
    assert types[ZONES[1].zone] == "c7i.xlarge"


def test_back_off_doubles_and_ends() -> None:
    def types(count: int, later: timedelta) -> set[str]:
        snapshot = replace(a_snapshot(a_version()), launch_failures=failures(count, zone=ZONES[0].zone))
        return {launch.instance_type.name for launch in planned(snapshot, NOON + later).launches}

    assert types(1, SETTINGS.launch_backoff) == {"c7i.xlarge"}
    assert types(2, SETTINGS.launch_backoff) == {"c7i.xlarge", "c6i.xlarge"}
    assert types(2, 2 * SETTINGS.launch_backoff) == {"c7i.xlarge"}
    assert types(12, SETTINGS.launch_backoff_limit) == {"c7i.xlarge"}


def only_one_type(*versions: object, **changes: object) -> FleetSnapshot:
    requirements = InstanceRequirements(allowed_instance_types=("c7i.xlarge",))
    return replace(a_snapshot(a_version(), requirements=requirements), **changes)


def test_a_publish_waits_while_launches_fail_and_gives_up_with_the_launchers_reason() -> None:
    failed = tuple(each for zone in ZONES for each in failures(4, zone=zone.zone, at=NOON + timedelta(seconds=50)))
    snapshot = only_one_type(launch_failures=failed)

    waiting = planned(snapshot, NOON + timedelta(seconds=55))
    assert not waiting.outcomes
    assert waiting.wake_after is not None

    given_up = planned(snapshot, NOON + SETTINGS.launch_patience)
    assert given_up.outcomes == (RevisionFailed(key(), R1, StateReasonCode.INSUFFICIENT_CAPACITY, "none left"),)


# Losses and replacement


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


def test_an_environment_that_keeps_crashing_is_started_more_and_more_slowly() -> None:
    snapshot = serving()
    failure = EnvironmentFailure(StateReasonCode.FUNCTION_ERROR, "exit status 1", init=False)
    ended = replace(snapshot.environments[0], phase=EnvironmentPhase.ENDED, failure=failure, ended_at=NOON)

    def crashed(times: int) -> FleetSnapshot:
        return replace(snapshot, environments=(*([ended] * times), *snapshot.environments[1:]))

    assert assigned(planned(crashed(SETTINGS.free_restarts - 1)), draining=False) == 3
    held = planned(crashed(SETTINGS.free_restarts))
    assert assigned(held, draining=False) == 2
    assert held.wake_after == SETTINGS.restart_backoff
    assert assigned(planned(crashed(3), NOON + SETTINGS.restart_backoff), draining=False) == 3


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

    made = planned(snapshot, NOON + SETTINGS.launch_deadline)

    assert len(made.terminations) == 3
    assert len(made.launches) == 3


# Endings


def test_min_and_max_zero_drain_everything_then_deactivate_then_end_the_instances() -> None:
    snapshot = serving()
    version = replace(snapshot.versions[0], bounds=replace(snapshot.versions[0].bounds, minimum=0, maximum=0))
    snapshot = replace(snapshot, versions=(version,))

    made = planned(snapshot)
    assert assigned(made, draining=True) == 3
    assert not made.outcomes

    snapshot = settled(carried_out(snapshot, made, NOON), NOON)
    assert planned(snapshot).outcomes == (VersionDeactivated(key()),)
    assert len(planned(snapshot, NOON + SETTINGS.idle_grace).terminations) == 3


def test_a_deleted_version_drains_and_is_removed() -> None:
    snapshot = serving("f", "g")
    snapshot = replace(snapshot, versions=(replace(snapshot.versions[0], deleting=True), snapshot.versions[1]))

    made = planned(snapshot)
    assert assigned(made, draining=True) == 3
    assert planned(settled(carried_out(snapshot, made, NOON), NOON)).outcomes == (VersionRemoved(key("f")),)


def test_deleting_the_provider_ends_all_instances_at_once() -> None:
    made = planned(replace(serving(), deleting=True))

    assert len(made.terminations) == 3
    assert not made.assignments


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


# Scaling and consolidation


def grown(busy: int) -> FleetSnapshot:
    snapshot = serving()
    loads = steady_loads(NOON, busy=busy, environments=3)
    return replace(snapshot, versions=(replace(snapshot.versions[0], loads=loads),))


def test_load_starts_environments_on_running_instances_first() -> None:
    made = planned(grown(busy=44))  # 44 of 48 slots ask for seven environments; nine fit on three instances

    assert not made.launches
    assert assigned(made, draining=False) == 7


def test_more_load_launches_larger_instances() -> None:
    snapshot = grown(busy=600)
    made = planned(snapshot)

    assert assigned(made, draining=False) == 84
    assert {launch.instance_type.size for launch in made.launches} == {"4xlarge"}


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
