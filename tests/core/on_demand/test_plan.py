from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.core.on_demand import OnDemandSettings, OnDemandSnapshot, OnDemandVersion, plan_on_demand
from paddock.model.fleet import (
    Environment,
    EnvironmentFailure,
    EnvironmentShape,
    LaunchFailure,
    ManagedInstance,
    Plan,
    RevisionServed,
)
from paddock.model.ids import EnvironmentId, InstanceId
from paddock.model.states import EnvironmentPhase, InstancePhase, StateReasonCode
from tests.core.fleets import NOON, R1, R2, ZONES, CountingIds, a_type, key

SHAPE = EnvironmentShape(memory_mb=128, vcpu=0.07, max_concurrency=1)
TYPE = a_type("m7i.large")
INSTANCE = ManagedInstance(
    InstanceId("i-1"), TYPE, ZONES[0].zone, ZONES[0].subnet_id, InstancePhase.RUNNING, launched_at=NOON
)
SETTINGS = OnDemandSettings(idle=timedelta(minutes=5), most_environments=4)
READY, STARTING, ENDED = EnvironmentPhase.READY, EnvironmentPhase.STARTING, EnvironmentPhase.ENDED


def version(name: str = "f", **changes: object) -> OnDemandVersion:
    return replace(OnDemandVersion(key(name), R1, R1, SHAPE), **changes)  # type: ignore[arg-type]


def environment(number: int, name: str = "f", phase: EnvironmentPhase = READY, **changes: object) -> Environment:
    made = Environment(EnvironmentId(f"e{number}"), INSTANCE.instance_id, key(name), R1, SHAPE, phase, NOON)
    return replace(made, **changes)  # type: ignore[arg-type]


def idle(number: int, minutes: float, name: str = "f", *, provisioned: bool = False) -> Environment:
    return environment(number, name, idle_since=NOON - timedelta(minutes=minutes), provisioned=provisioned)


def planned(
    versions: Iterable[OnDemandVersion],
    environments: Iterable[Environment] = (),
    instances: Iterable[ManagedInstance] = (INSTANCE,),
    *,
    failures: tuple[LaunchFailure, ...] = (),
    now: datetime = NOON,
) -> Plan:
    snapshot = OnDemandSnapshot(TYPE, ZONES[0], tuple(versions), tuple(instances), tuple(environments), failures)
    plan = plan_on_demand(snapshot, now=now, ids=CountingIds(), settings=SETTINGS)
    assert plan.reasons
    return plan


def started(plan: Plan, before: Iterable[Environment] = ()) -> list[str]:
    known = {each.environment_id for each in before}
    return [
        str(each.key.function_name)
        for assignment in plan.assignments
        for each in assignment.environments
        if each.environment_id not in known
    ]


def drained(plan: Plan) -> set[str]:
    return {each.environment_id for one in plan.assignments for each in one.environments if each.draining}


@pytest.mark.parametrize(
    ("waiting", "on_their_way", "starts"), [(0, 0, 0), (1, 0, 1), (3, 0, 3), (3, 2, 1), (2, 2, 0), (1, 2, 0), (9, 0, 4)]
)
def test_each_that_waits_gets_a_start_less_those_on_their_way(waiting: int, on_their_way: int, starts: int) -> None:
    there = [environment(number, phase=STARTING) for number in range(on_their_way)]
    assert len(started(planned([version(waiting=waiting)], there), there)) == starts


def test_what_is_busy_or_not_yet_idle_for_long_stays() -> None:
    plan = planned([version()], [environment(1, in_flight=1), idle(2, minutes=4)])
    assert not drained(plan)
    assert plan.wake_after == timedelta(minutes=1)


def test_what_nobody_invoked_for_the_idle_time_ends() -> None:
    plan = planned([version()], [idle(1, minutes=5), idle(2, minutes=1)])
    assert drained(plan) == {"e1"}
    assert any("nobody has invoked it for 300 s" in reason.text for reason in plan.reasons)


def test_an_older_revision_and_a_deleted_version_drain_at_once() -> None:
    there = [environment(1), environment(2, "gone", in_flight=1), environment(3, revision=R2)]
    assert drained(planned([version(revision=R2, serving=R2)], there)) == {"e1", "e2"}


def test_a_new_revision_serves_at_once() -> None:
    plan = planned([version(revision=R2), version("g")])
    assert plan.outcomes == (RevisionServed(key("f"), R2),)


def test_without_room_the_longest_idle_makes_place_whoever_it_belongs_to() -> None:
    there = [idle(1, 1), idle(2, 3, "g"), environment(3, "g", in_flight=1), environment(4, "g", in_flight=1)]
    plan = planned([version(waiting=0), version("g"), version("h", waiting=1)], there)
    assert drained(plan) == {"e2"}
    assert not started(plan, there)


def test_what_already_drains_counts_as_room_to_come() -> None:
    there = [idle(1, 1), idle(2, 3), environment(3, draining=True), environment(4, in_flight=1)]
    plan = planned([version(), version("h", waiting=1)], there)
    assert drained(plan) == {"e3"}


def test_provisioned_environments_are_started_unasked_and_never_idle_away() -> None:
    there = [idle(1, 60, provisioned=True)]
    plan = planned([version(provisioned=2)], there)
    assert not drained(plan)
    assert [each.provisioned for each in plan.assignments[0].environments] == [True, True]


def test_provisioned_beyond_the_number_asked_for_end_the_idle_first() -> None:
    there = [environment(1, provisioned=True, in_flight=1), idle(2, 1, provisioned=True)]
    assert drained(planned([version(provisioned=1)], there)) == {"e2"}


def test_a_provisioned_environment_that_cannot_begin_is_tried_again_later() -> None:
    failure = EnvironmentFailure(StateReasonCode.RUNTIME_INIT_ERROR, "no module", init=True)
    failed = environment(1, phase=ENDED, provisioned=True, failure=failure, ended_at=NOON - timedelta(seconds=10))
    plan = planned([version(provisioned=1)], [failed])
    assert not started(plan)
    assert plan.wake_after == timedelta(seconds=20)
    assert started(planned([version(provisioned=1)], [failed], now=NOON + timedelta(seconds=21))) == ["f"]


def test_its_instance_comes_with_the_first_function() -> None:
    assert not planned([], instances=[]).launches
    plan = planned([version(waiting=1)], instances=[])
    assert [launch.instance_type for launch in plan.launches] == [TYPE]
    assert started(plan) == ["f"]


def test_its_instance_ends_when_no_function_was_there_for_the_idle_time() -> None:
    empty = replace(INSTANCE, empty_since=NOON - timedelta(minutes=4))
    plan = planned([], instances=[empty])
    assert not plan.terminations
    assert plan.wake_after == timedelta(minutes=1)
    assert planned([], instances=[empty], now=NOON + timedelta(minutes=1)).terminations


def test_a_lost_instance_is_ended_and_replaced() -> None:
    plan = planned([version()], instances=[replace(INSTANCE, phase=InstancePhase.LOST)])
    assert [(each.instance_id, each.launch_failed) for each in plan.terminations] == [("i-1", False)]
    assert len(plan.launches) == 1


def test_an_instance_that_does_not_come_is_replaced() -> None:
    waiting = replace(INSTANCE, phase=InstancePhase.PENDING)
    assert not planned([version()], instances=[waiting]).terminations
    plan = planned([version()], instances=[waiting], now=NOON + SETTINGS.launch_deadline)
    assert [(each.instance_id, each.launch_failed) for each in plan.terminations] == [("i-1", True)]
    assert (plan.launches, plan.wake_after) == ((), SETTINGS.launch_backoff)
    failure = LaunchFailure(TYPE.name, ZONES[0].zone, NOON, StateReasonCode.INTERNAL_ERROR, "no")
    again = planned([version()], instances=[], failures=(failure,), now=NOON + SETTINGS.launch_backoff)
    assert len(again.launches) == 1


def test_a_failed_launch_is_tried_again_after_a_pause_that_grows() -> None:
    failure = LaunchFailure(TYPE.name, ZONES[0].zone, NOON, StateReasonCode.INTERNAL_ERROR, "no")
    assert planned([version()], instances=[], failures=(failure,)).wake_after == timedelta(seconds=2)
    assert planned([version()], instances=[], failures=(failure,) * 3).wake_after == timedelta(seconds=8)
    assert planned([version()], instances=[], failures=(failure,), now=NOON + timedelta(seconds=2)).launches


ENVIRONMENTS = st.lists(
    st.builds(
        lambda name, phase, minutes, provisioned, draining: (name, phase, minutes, provisioned, draining),
        st.sampled_from(["f", "g", "gone"]),
        st.sampled_from([READY, STARTING]),
        st.one_of(st.none(), st.floats(0, 10)),
        st.booleans(),
        st.booleans(),
    ),
    max_size=6,
)


@given(ENVIRONMENTS, st.integers(0, 6), st.integers(0, 3))
def test_a_plan_keeps_within_the_room_and_disturbs_nobody_who_works(
    drawn: list[tuple[str, EnvironmentPhase, float | None, bool, bool]], waiting: int, provisioned: int
) -> None:
    there = [
        environment(
            number,
            name,
            phase,
            idle_since=None if minutes is None or phase is STARTING else NOON - timedelta(minutes=minutes),
            provisioned=kept,
            draining=draining,
        )
        for number, (name, phase, minutes, kept, draining) in enumerate(drawn)
    ]
    plan = planned([version(waiting=waiting, provisioned=provisioned), version("g")], there)
    assigned = [each.environment_id for one in plan.assignments for each in one.environments]
    assert len(assigned) == len(set(assigned))
    assert {each.environment_id for each in there} <= set(assigned)
    new = started(plan, there)
    assert not new or len(assigned) <= SETTINGS.most_environments
    for each in there:
        if each.environment_id in drained(plan) and not each.draining and not each.provisioned:
            assert each.key == key("gone") or each.idle_since is not None


def test_reasons_count_one_as_one() -> None:
    [reason] = planned([version(waiting=1)]).reasons
    assert reason.text == "1 environment starts: 1 invocation waits and 0 environments are on their way"
