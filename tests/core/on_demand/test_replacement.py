from __future__ import annotations

from dataclasses import replace

import pytest

from paddock.model.fleet import Environment, ManagedInstance
from paddock.model.ids import InstanceId
from paddock.model.states import EnvironmentPhase, InstancePhase
from tests.core.on_demand.test_plan import INSTANCE, SETTINGS, drained, environment, idle, planned, started, version

WORN = replace(INSTANCE, replace_reason="it is patched")
FRESH = replace(INSTANCE, instance_id=InstanceId("i-2"))


def test_a_new_instance_is_launched_before_anything_of_the_old_one_drains() -> None:
    there = [environment(1, in_flight=1)]
    plan = planned([version(waiting=1)], there, [WORN])
    assert len(plan.launches) == 1
    assert not drained(plan)
    assert not plan.terminations
    assert [len(each.environments) for each in plan.assignments if each.instance_id == WORN.instance_id] == [2]


def test_while_the_new_one_comes_the_old_one_works_on_and_nothing_more_is_launched() -> None:
    coming = replace(FRESH, phase=InstancePhase.PENDING)
    plan = planned([version()], [environment(1)], [WORN, coming])
    assert not plan.launches
    assert not drained(plan)
    assert not plan.terminations


def test_once_the_new_one_runs_the_old_one_drains_and_ends_when_it_is_empty() -> None:
    there = [environment(1, in_flight=1)]
    plan = planned([version(waiting=1)], there, [WORN, FRESH])
    assert drained(plan) == {"e1"}
    assert not plan.terminations
    on_fresh = [each.environments for each in plan.assignments if each.instance_id == FRESH.instance_id]
    assert [len(each) for each in on_fresh] == [1]
    assert [each.instance_id for each in planned([version()], [], [WORN, FRESH]).terminations] == [WORN.instance_id]


def test_provisioned_environments_stay_until_as_many_are_ready_on_the_new_instance() -> None:
    old = [replace(idle(1, 0, provisioned=True), instance_id=WORN.instance_id)]
    first = planned([version(provisioned=1)], old, [WORN, FRESH])
    assert len(started(first, old)) == 1
    assert not drained(first)
    new = replace(idle(2, 0, provisioned=True), instance_id=FRESH.instance_id)
    starting = replace(new, phase=EnvironmentPhase.STARTING)
    assert not drained(planned([version(provisioned=1)], [*old, starting], [WORN, FRESH]))
    assert drained(planned([version(provisioned=1)], [*old, new], [WORN, FRESH])) == {"e1"}


def test_provisioned_environments_of_two_worn_instances_leave_room_for_those_to_come() -> None:
    """Both were to be replaced before the first was empty: what is ready twice over goes, what is promised stays."""
    worn = [replace(WORN, instance_id=InstanceId(name)) for name in ("i-1", "i-3")]
    there = [
        replace(idle(number, 0, provisioned=True), instance_id=worn[number % 2].instance_id) for number in range(4)
    ]
    plan = planned([version(provisioned=2)], there, [*worn, FRESH])
    assert len(drained(plan)) == 2
    left = [each for each in there if each.environment_id not in drained(plan)]
    assert len(started(planned([version(provisioned=2)], left, [*worn, FRESH]), left)) == 2


def provisioned(
    number: int, instance: ManagedInstance, phase: EnvironmentPhase = EnvironmentPhase.READY
) -> Environment:
    return replace(idle(number, 0, provisioned=True), instance_id=instance.instance_id, phase=phase)


FULL = [provisioned(number, WORN) for number in range(SETTINGS.most_environments)]
ALL = version(provisioned=len(FULL))


def test_provisioned_environments_that_fill_all_the_room_are_replaced_one_after_the_other() -> None:
    """The environments of a whole patch, plan by plan: what is started gets ready, what drains ends."""
    there, fewest, number = FULL, len(FULL), 100
    while not (plan := planned([ALL], there, [WORN, FRESH])).terminations:
        new = [provisioned(number + each, FRESH) for each in range(len(started(plan, there)))]
        there = [*(each for each in there if each.environment_id not in drained(plan)), *new]
        fewest, number = min(fewest, len(there)), number + 10
        assert number < 300, "it does not end"
    assert [each.instance_id for each in plan.terminations] == [WORN.instance_id]
    assert {each.instance_id for each in there} == {FRESH.instance_id}
    assert len(there) + len(started(plan, there)) == len(FULL)
    assert fewest == len(FULL) - 1


def test_the_one_that_ends_before_its_successor_is_an_idle_one_and_the_plan_says_why() -> None:
    busy = [replace(each, in_flight=1, idle_since=None) for each in FULL[:-1]]
    plan = planned([ALL], [*busy, FULL[-1]], [WORN, FRESH])
    assert drained(plan) == {FULL[-1].environment_id}
    assert "what replaces it needs its place: all 4 that there is room for are provisioned" in str(plan.reasons)


@pytest.mark.parametrize(
    "instead",
    [
        provisioned(9, FRESH, EnvironmentPhase.STARTING),
        replace(provisioned(9, WORN), draining=True),
        replace(environment(9, in_flight=1), instance_id=FRESH.instance_id),
    ],
    ids=["one is on its way", "one drains", "one may become idle"],
)
def test_no_other_one_ends_before_its_successor_while_room_is_to_come(instead: Environment) -> None:
    there = [*FULL[:-1], instead]
    assert drained(planned([ALL], there, [WORN, FRESH])) <= {instead.environment_id}


def test_a_place_that_was_given_up_is_for_who_gave_it_up() -> None:
    left = FULL[:-1]
    plan = planned([version("a", provisioned=4), ALL], left, [WORN, FRESH])
    assert started(plan, left) == ["f"]


def test_where_more_is_provisioned_than_there_is_room_for_nothing_ends_for_it() -> None:
    there = [provisioned(number, FRESH) for number in range(SETTINGS.most_environments)]
    assert not drained(planned([version(provisioned=9)], there, [FRESH]))
