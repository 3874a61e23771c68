"""A plan in the making: the fleet as it will be, what room is left, and the reasons so far.

Lives within one call of `plan`. It keeps the books (which environments count, what is free, how many vCPU are used) and
decides nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from paddock.core.placement import Placement, Room, subnet_for, usable_memory_mb, usable_vcpu, with_members
from paddock.core.planning.settings import PlanIds, PlanningSettings
from paddock.model.fleet import (
    Environment,
    EnvironmentAssignment,
    EnvironmentShape,
    FleetSnapshot,
    InstanceAssignment,
    LaunchFailure,
    LaunchInstance,
    ManagedInstance,
    Plan,
    Reason,
    TerminateInstance,
    VersionOutcome,
)
from paddock.model.ids import AvailabilityZone, EnvironmentId, FunctionVersionKey, InstanceId, RevisionId, SubnetId
from paddock.model.instance_types import InstanceType
from paddock.model.states import EnvironmentPhase, InstancePhase, StateReasonCode

Revision = tuple[FunctionVersionKey, RevisionId]

_USABLE = frozenset({InstancePhase.PENDING, InstancePhase.RUNNING})
_SHORTEST_WAKE = timedelta(seconds=1)
"""Outcomes and delays that are already over: plan again soon, but never in a busy loop. No setting: who waits for it is
this process, and every change that matters wakes the planner at once.
"""


class Draft:
    def __init__(self, snapshot: FleetSnapshot, now: datetime, ids: PlanIds, settings: PlanningSettings) -> None:
        self.snapshot = snapshot
        self.now = now
        self.settings = settings
        self.launch_failures = snapshot.launch_failures
        self.outcomes: list[VersionOutcome] = []
        self.short: set[Revision] = set()
        """Revisions for which no room was found."""
        self._ids = ids
        self._launches: list[LaunchInstance] = []
        self._terminations: dict[InstanceId, TerminateInstance] = {}
        self._reasons: list[Reason] = []
        self._wake: datetime | None = None
        self.instances: dict[InstanceId, ManagedInstance] = {
            instance.instance_id: instance for instance in snapshot.instances if instance.phase in _USABLE
        }
        self._members: dict[Revision, dict[EnvironmentId, Environment]] = {}
        """Of every revision that has anything here, what neither drains nor is dropped."""
        self._on: dict[InstanceId, dict[EnvironmentId, Environment]] = {each: {} for each in self.instances}
        self._dropped: set[EnvironmentId] = set()
        self._leaving: set[InstanceId] = {each.instance_id for each in self.instances.values() if each.draining}
        self._rooms: dict[InstanceId, Room] = {}
        """Those that were asked for, until something there changes."""
        self._subnets: Counter[SubnetId] = Counter(each.subnet_id for each in self.instances.values())
        self._occupancy: Counter[InstanceId] = Counter()
        self._free: dict[InstanceId, tuple[float, int]] = {
            instance.instance_id: (usable_vcpu(instance.instance_type), usable_memory_mb(instance.instance_type))
            for instance in self.instances.values()
        }
        self._used_vcpu = sum(
            instance.instance_type.vcpu
            for instance in snapshot.instances
            if instance.phase is not InstancePhase.TERMINATED
        )
        for environment in snapshot.environments:
            if environment.phase is not EnvironmentPhase.ENDED and environment.instance_id in self.instances:
                draining = environment.draining or environment.phase is EnvironmentPhase.DRAINING
                self._enter(replace(environment, draining=True) if draining else environment)

    # What there is

    @property
    def budget(self) -> int:
        """How many vCPU may still be launched; what is not yet known to be gone counts as used."""
        return max(0, self.snapshot.scaling.max_vcpu_count - self._used_vcpu)

    def is_leaving(self, instance_id: InstanceId) -> bool:
        """It is being emptied. One that only must be replaced takes part until its turn comes."""
        return instance_id in self._leaving

    @property
    def any_leaving(self) -> bool:
        return bool(self._leaving)

    def members(self, key: FunctionVersionKey, revision: RevisionId) -> list[Environment]:
        """The revision's environments that neither drain nor are dropped, on instances that can be used."""
        return list(self._members.get((key, revision), {}).values())

    def staying(self, members: Sequence[Environment]) -> Sequence[Environment]:
        """Those of them that are not on an instance that is being emptied."""
        if not self._leaving:
            return members
        return [each for each in members if each.instance_id not in self._leaving]

    def revisions_of(self, key: FunctionVersionKey) -> list[RevisionId]:
        return [revision for found, revision in self._members if found == key]

    def keys(self) -> set[FunctionVersionKey]:
        return {key for key, _ in self._members}

    def on_instance(self, instance_id: InstanceId) -> list[Environment]:
        """Everything there that has not been dropped, draining or not."""
        there = self._on[instance_id].values()
        return [each for each in there if each.environment_id not in self._dropped] if self._dropped else list(there)

    def occupancy(self, instance_id: InstanceId) -> int:
        """How many environments are there to stay."""
        return self._occupancy[instance_id]

    def is_bare(self, instance_id: InstanceId) -> bool:
        """Nothing is there any more; a dropped environment counts until its end is reported."""
        return not self._on[instance_id]

    def rooms(self, key: FunctionVersionKey | None = None, revision: RevisionId | None = None) -> list[Room]:
        """What is free on each instance that stays, with how many of the revision it already has."""
        members: Counter[InstanceId] = Counter()
        if key is not None and revision is not None:
            members.update(each.instance_id for each in self.members(key, revision))
        return [
            with_members(self._room(each), members[each]) if each in members else self._room(each)
            for each in self.instances
            if each not in self._leaving
        ]

    def _room(self, instance_id: InstanceId) -> Room:
        room = self._rooms.get(instance_id)
        if room is None:
            instance, (vcpu, memory_mb) = self.instances[instance_id], self._free[instance_id]
            ready = instance.phase is InstancePhase.RUNNING and instance.replace_reason is None
            room = self._rooms[instance_id] = Room(instance_id, instance.zone, vcpu, memory_mb, ready=ready)
        return room

    # What is decided

    def because(self, subject: object, text: str) -> None:
        self._reasons.append(Reason(str(subject), text))

    def wake_at(self, when: datetime) -> None:
        if self._wake is None or when < self._wake:
            self._wake = when

    def accept(
        self, placement: Placement, key: FunctionVersionKey, revision: RevisionId, shape: EnvironmentShape
    ) -> None:
        for instance_id, count in placement.existing:
            self._assign(instance_id, count, key, revision, shape)
        for launch in placement.launches:
            instance_id = self.launch(launch.instance_type, launch.zone)
            self._assign(instance_id, launch.environments, key, revision, shape)

    def launch(self, instance_type: InstanceType, zone: AvailabilityZone) -> InstanceId:
        subnet = subnet_for(zone, self.snapshot.zones, self._subnets)
        self._subnets[subnet.subnet_id] += 1
        launch = LaunchInstance(self._ids.instance_id(), instance_type, subnet.zone, subnet.subnet_id)
        self._launches.append(launch)
        self._used_vcpu += instance_type.vcpu
        self.instances[launch.instance_id] = ManagedInstance(
            instance_id=launch.instance_id,
            instance_type=instance_type,
            zone=subnet.zone,
            subnet_id=subnet.subnet_id,
            phase=InstancePhase.PENDING,
            launched_at=self.now,
        )
        self._on[launch.instance_id] = {}
        self._free[launch.instance_id] = (usable_vcpu(instance_type), usable_memory_mb(instance_type))
        self.because(launch.instance_id, f"{instance_type.name} is launched in {subnet.zone} ({subnet.subnet_id})")
        return launch.instance_id

    def drain(self, environment: Environment) -> None:
        """One that its agent has not reported yet has nothing to finish: it is dropped."""
        if environment.phase is EnvironmentPhase.ASSIGNED:
            self.drop(environment)
            return
        self._leave(environment)
        drained = replace(environment, draining=True)
        self._on[environment.instance_id][environment.environment_id] = drained

    def drop(self, environment: Environment) -> None:
        """Ends at once. Its room stays taken until its end is reported."""
        self._leave(environment)
        self._dropped.add(environment.environment_id)

    def set_draining(self, instance_id: InstanceId, *, draining: bool) -> None:
        self.instances[instance_id] = replace(self.instances[instance_id], draining=draining)
        if draining:
            self._leaving.add(instance_id)
        else:
            self._leaving.discard(instance_id)

    def give_up_launch(self, instance: ManagedInstance, reason: str) -> None:
        """It never came: ended, and for the rest of this plan a failed launch already."""
        kind = instance.instance_type.name
        failure = LaunchFailure(kind, instance.zone, self.now, StateReasonCode.INTERNAL_ERROR, reason)
        self.launch_failures = (*self.launch_failures, failure)
        self.terminate(instance.instance_id, reason)
        self._terminations[instance.instance_id] = TerminateInstance(instance.instance_id, reason, launch_failed=True)

    def terminate(self, instance_id: InstanceId, reason: str) -> None:
        self._terminations[instance_id] = TerminateInstance(instance_id, reason)
        self.because(instance_id, f"is terminated: {reason}")
        instance = self.instances.pop(instance_id, None)
        if instance is None:
            return
        self._subnets[instance.subnet_id] -= 1
        self._leaving.discard(instance_id)
        self._rooms.pop(instance_id, None)
        del self._free[instance_id]
        del self._occupancy[instance_id]
        for environment in self._on.pop(instance_id).values():
            self._members[environment.key, environment.revision].pop(environment.environment_id, None)

    def finish(self) -> Plan:
        if self.outcomes:
            self.wake_at(self.now)
        if not self._reasons:
            self.because(self.snapshot.provider, "no version wants capacity and nothing runs")
        wake_after = None if self._wake is None else max(self._wake - self.now, _SHORTEST_WAKE)
        return Plan(
            provider=self.snapshot.provider,
            launches=tuple(self._launches),
            assignments=tuple(self._assignment(instance_id) for instance_id in self.instances),
            terminations=tuple(self._terminations.values()),
            outcomes=tuple(self.outcomes),
            reasons=tuple(self._reasons),
            wake_after=wake_after,
        )

    # Books

    def _enter(self, environment: Environment) -> None:
        instance_id, shape = environment.instance_id, environment.shape
        members = self._members.setdefault((environment.key, environment.revision), {})
        self._on[instance_id][environment.environment_id] = environment
        vcpu, memory_mb = self._free[instance_id]
        self._free[instance_id] = (vcpu - shape.vcpu, memory_mb - shape.memory_mb)
        self._rooms.pop(instance_id, None)
        if not environment.draining:
            members[environment.environment_id] = environment
            self._occupancy[instance_id] += 1

    def _leave(self, environment: Environment) -> None:
        members = self._members[environment.key, environment.revision]
        if members.pop(environment.environment_id, None) is not None:
            self._occupancy[environment.instance_id] -= 1

    def _assign(
        self,
        instance_id: InstanceId,
        count: int,
        key: FunctionVersionKey,
        revision: RevisionId,
        shape: EnvironmentShape,
    ) -> None:
        for _ in range(count):
            self._enter(
                Environment(
                    environment_id=self._ids.environment_id(),
                    instance_id=instance_id,
                    key=key,
                    revision=revision,
                    shape=shape,
                    phase=EnvironmentPhase.ASSIGNED,
                    assigned_at=self.now,
                )
            )

    def _assignment(self, instance_id: InstanceId) -> InstanceAssignment:
        environments = tuple(_assigned(self.on_instance(instance_id)))
        return InstanceAssignment(instance_id, environments, draining=self.instances[instance_id].draining)


def _assigned(environments: Iterable[Environment]) -> Iterable[EnvironmentAssignment]:
    for each in environments:
        yield EnvironmentAssignment(each.environment_id, each.key, each.revision, each.shape, each.draining)
