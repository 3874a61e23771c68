from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from paddock.model.capacity_provider import Architecture, InstanceRequirements
from paddock.model.fleet import (
    EnvironmentFailure,
    EnvironmentShape,
    FleetSnapshot,
    LaunchFailure,
    RevisionFailed,
    RevisionServed,
)
from paddock.model.states import EnvironmentPhase, InstancePhase, StateReasonCode
from tests.core.fleets import NOON, R1, R2, ZONES, a_snapshot, a_version, carried_out, key, settled
from tests.core.planning.rounds import SETTINGS, after, assigned, grown, planned, republished, serving, vcpu
from tests.core.planning.test_backoff import failures


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


def test_a_minimum_beyond_three_is_packed() -> None:
    made = planned(a_snapshot(a_version(minimum=9)))

    assert len(made.launches) == 3
    assert [len(each.environments) for each in made.assignments] == [3, 3, 3]


def test_one_zone_still_gets_three_instances() -> None:
    made = planned(a_snapshot(a_version(), zones=ZONES[:1]))

    assert len(made.launches) == 3


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


def only_one_type(launch_failures: tuple[LaunchFailure, ...]) -> FleetSnapshot:
    requirements = InstanceRequirements(allowed_instance_types=("c7i.xlarge",))
    return replace(a_snapshot(a_version(), requirements=requirements), launch_failures=launch_failures)


def test_a_publish_waits_while_launches_fail_and_gives_up_with_the_launchers_reason() -> None:
    failed = tuple(each for zone in ZONES for each in failures(4, zone=zone.zone, at=NOON + timedelta(seconds=50)))
    snapshot = only_one_type(launch_failures=failed)

    waiting = planned(snapshot, NOON + timedelta(seconds=55))
    assert not waiting.outcomes
    assert waiting.wake_after is not None

    given_up = planned(snapshot, NOON + SETTINGS.launch_patience)
    assert given_up.outcomes == (RevisionFailed(key(), R1, StateReasonCode.INSUFFICIENT_CAPACITY, "none left"),)


def test_more_load_launches_larger_instances() -> None:
    snapshot = grown(busy=600)
    made = planned(snapshot)

    assert assigned(made, draining=False) == 84
    assert {launch.instance_type.size for launch in made.launches} == {"4xlarge"}
