"""What a replay's fleet has, with its counts kept: nobody looks at every environment to know how many are ready.

Every change goes through here. What may change by itself in time (launches, starts, drains, instances that have become
empty) is kept apart, so that a tick costs what changes in it and not what there is.
"""

from __future__ import annotations

from collections.abc import Iterable

from paddock.model.fleet import Environment, ManagedInstance
from paddock.model.ids import EnvironmentId, InstanceId
from paddock.model.states import EnvironmentPhase, InstancePhase


class Inventory:
    """`instances` and `environments` keep the order in which things came. `vcpu` are of all instances.

    `ready` ones do not drain; `starting` are all that are not ready yet, `staying` all that do not drain.
    """

    def __init__(self) -> None:
        self.instances: dict[InstanceId, ManagedInstance] = {}
        self.environments: dict[EnvironmentId, Environment] = {}
        self.launching: dict[InstanceId, ManagedInstance] = {}
        self.changing: dict[EnvironmentId, Environment] = {}
        """Those that start or drain."""
        self.ready = self.starting = self.staying = self.vcpu = 0
        self._on: dict[InstanceId, dict[EnvironmentId, None]] = {}
        self._touched: dict[InstanceId, None] = {}

    @property
    def draining(self) -> int:
        return len(self.environments) - self.staying

    def on(self, instance_id: InstanceId) -> tuple[EnvironmentId, ...]:
        return tuple(self._on[instance_id])

    def put_instance(self, instance: ManagedInstance) -> None:
        """New, or instead of the one with its id."""
        instance_id = instance.instance_id
        if instance_id not in self.instances:
            self._on[instance_id] = {}
            self._touched[instance_id] = None
            self.vcpu += instance.instance_type.vcpu
        self.instances[instance_id] = instance
        if instance.phase is InstancePhase.PENDING:
            self.launching[instance_id] = instance
        else:
            self.launching.pop(instance_id, None)

    def remove_instance(self, instance_id: InstanceId) -> None:
        """With all that runs there."""
        instance = self.instances.pop(instance_id)
        self.vcpu -= instance.instance_type.vcpu
        self.launching.pop(instance_id, None)
        for environment_id in self.on(instance_id):
            self.remove_environment(environment_id)
        del self._on[instance_id]
        self._touched.pop(instance_id, None)

    def put_environment(self, environment: Environment) -> None:
        """New, or instead of the one with its id, which was on the same instance."""
        environment_id = environment.environment_id
        before = self.environments.get(environment_id)
        if before is None:
            self._on[environment.instance_id][environment_id] = None
            self._touched[environment.instance_id] = None
        else:
            self._count(before, -1)
        self.environments[environment_id] = environment
        self._count(environment, 1)
        if environment.draining or environment.phase is EnvironmentPhase.STARTING:
            self.changing[environment_id] = environment
        else:
            self.changing.pop(environment_id, None)

    def remove_environment(self, environment_id: EnvironmentId) -> None:
        environment = self.environments.pop(environment_id)
        self._count(environment, -1)
        self.changing.pop(environment_id, None)
        del self._on[environment.instance_id][environment_id]
        self._touched[environment.instance_id] = None

    def filled_or_emptied(self) -> Iterable[tuple[ManagedInstance, bool]]:
        """Instances on which environments came or went since the last time, and whether any are there now."""
        touched, self._touched = self._touched, {}
        for instance_id in touched:
            yield self.instances[instance_id], bool(self._on[instance_id])

    def _count(self, environment: Environment, sign: int) -> None:
        is_ready = environment.phase is EnvironmentPhase.READY
        self.starting += sign * (not is_ready)
        self.staying += sign * (not environment.draining)
        self.ready += sign * (is_ready and not environment.draining)
