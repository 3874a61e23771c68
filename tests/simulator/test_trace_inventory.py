"""The counts of a replay's fleet against counting: whatever comes, changes and goes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from paddock.model.capacity_provider import Architecture
from paddock.model.fleet import Environment, EnvironmentShape, ManagedInstance
from paddock.model.ids import AvailabilityZone, EnvironmentId, InstanceId, SubnetId
from paddock.model.instance_types import InstanceType
from paddock.model.states import EnvironmentPhase, InstancePhase
from paddock.simulator.trace_fleet import KEY, REVISION
from paddock.simulator.trace_inventory import Inventory

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
LARGE = InstanceType("m7g.large", 2, 8.0, Architecture.ARM64)
SHAPE = EnvironmentShape(2048, 1.0, 16)
INSTANCES = st.builds(
    ManagedInstance,
    instance_id=st.sampled_from([InstanceId(f"i-{number}") for number in range(3)]),
    instance_type=st.just(LARGE),
    zone=st.just(AvailabilityZone("zone-0")),
    subnet_id=st.just(SubnetId("subnet-0")),
    phase=st.sampled_from([InstancePhase.PENDING, InstancePhase.RUNNING]),
    launched_at=st.just(NOON),
)
ENVIRONMENTS = st.builds(
    Environment,
    environment_id=st.sampled_from([EnvironmentId(f"e-{number}") for number in range(6)]),
    instance_id=st.sampled_from([InstanceId(f"i-{number}") for number in range(3)]),
    key=st.just(KEY),
    revision=st.just(REVISION),
    shape=st.just(SHAPE),
    phase=st.sampled_from([EnvironmentPhase.ASSIGNED, EnvironmentPhase.STARTING, EnvironmentPhase.READY]),
    assigned_at=st.just(NOON),
    draining=st.booleans(),
)
GONE = st.sampled_from([InstanceId("i-0"), InstanceId("i-1"), EnvironmentId("e-0"), EnvironmentId("e-1")])


@given(st.lists(INSTANCES | ENVIRONMENTS | GONE, max_size=40))
def test_what_is_counted_is_what_is_there(steps: list[ManagedInstance | Environment | str]) -> None:
    has = Inventory()
    for step in steps:
        take(has, step)

        everything = list(has.environments.values())
        assert has.ready == sum(each.phase is EnvironmentPhase.READY and not each.draining for each in everything)
        assert has.starting == sum(each.phase is not EnvironmentPhase.READY for each in everything)
        assert has.staying == sum(not each.draining for each in everything)
        assert has.draining == sum(each.draining for each in everything)
        assert has.vcpu == sum(each.instance_type.vcpu for each in has.instances.values())
        assert has.launching == {
            name: each for name, each in has.instances.items() if each.phase is InstancePhase.PENDING
        }
        assert has.changing == {
            name: each
            for name, each in has.environments.items()
            if each.draining or each.phase is EnvironmentPhase.STARTING
        }
        for name in has.instances:
            assert set(has.on(name)) == {each.environment_id for each in everything if each.instance_id == name}


def take(has: Inventory, step: ManagedInstance | Environment | str) -> None:
    if isinstance(step, ManagedInstance):
        has.put_instance(step)
    elif isinstance(step, Environment):
        known = has.environments.get(step.environment_id)
        step = step if known is None else replace(step, instance_id=known.instance_id)
        if step.instance_id in has.instances:
            has.put_environment(step)
    elif step in has.instances:
        has.remove_instance(InstanceId(step))
    elif step in has.environments:
        has.remove_environment(EnvironmentId(step))


def test_instances_that_were_filled_or_emptied_are_told_once() -> None:
    has, instance = (
        Inventory(),
        ManagedInstance(
            InstanceId("i-0"), LARGE, AvailabilityZone("zone-0"), SubnetId("subnet-0"), InstancePhase.RUNNING, NOON
        ),
    )
    environment = Environment(
        EnvironmentId("e-0"), instance.instance_id, KEY, REVISION, SHAPE, EnvironmentPhase.READY, NOON
    )
    has.put_instance(instance)
    assert list(has.filled_or_emptied()) == [(instance, False)]
    assert list(has.filled_or_emptied()) == []

    has.put_environment(environment)
    assert list(has.filled_or_emptied()) == [(instance, True)]
    has.put_environment(replace(environment, draining=True))
    assert list(has.filled_or_emptied()) == []

    has.remove_environment(environment.environment_id)
    assert list(has.filled_or_emptied()) == [(instance, False)]
    has.remove_instance(instance.instance_id)
    assert list(has.filled_or_emptied()) == []
