from __future__ import annotations

from dataclasses import replace

from paddock.model.ids import InstanceId
from paddock.model.states import EnvironmentPhase, InstancePhase
from tests.core.on_demand.test_plan import INSTANCE, drained, environment, idle, planned, started, version

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
