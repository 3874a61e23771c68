"""What the simulated server keeps on disk of one capacity provider: it survives every crash, and nothing else does.

Builds the snapshot that planning sees from it and from what agents have said since the server started.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from paddock.model.capacity_provider import CapacityProviderScalingConfig, InstanceRequirements
from paddock.model.fleet import (
    Environment,
    EnvironmentAssignment,
    EnvironmentFailure,
    FleetSnapshot,
    InstanceAssignment,
    LaunchFailure,
    LaunchInstance,
    LoadSample,
    ManagedInstance,
    VersionTarget,
    Zone,
)
from paddock.model.ids import CapacityProviderName, EnvironmentId, FunctionVersionKey, InstanceId, RevisionId
from paddock.model.instance_types import InstanceType
from paddock.model.states import EnvironmentPhase, InstancePhase
from paddock.simulator.words import Behaviour, Configuration, EnvironmentState

KEPT_FAILURES = timedelta(minutes=5)
"""Failures older than this say nothing of the next try."""


@dataclass(slots=True)
class InstanceRecord:
    """`configuration` is what the agent should hold; its generation grows with every change of its contents."""

    instance: ManagedInstance
    launch: LaunchInstance
    configuration: Configuration = field(default_factory=lambda: Configuration(0, ()))


@dataclass(slots=True)
class EnvironmentRecord:
    """`dropped`: told to end at once; it is waited for but never assigned again."""

    environment: Environment
    dropped: bool = False


@dataclass(slots=True)
class ProviderRecords:
    """One capacity provider. `behaviours` stand for the code of each publish."""

    name: CapacityProviderName
    scaling: CapacityProviderScalingConfig
    requirements: InstanceRequirements
    zones: tuple[Zone, ...]
    offered_types: tuple[InstanceType, ...]
    versions: dict[FunctionVersionKey, VersionTarget] = field(default_factory=dict)
    behaviours: dict[tuple[FunctionVersionKey, RevisionId], Behaviour] = field(default_factory=dict)
    instances: dict[InstanceId, InstanceRecord] = field(default_factory=dict)
    environments: dict[EnvironmentId, EnvironmentRecord] = field(default_factory=dict)
    failed: list[Environment] = field(default_factory=list)
    launch_failures: list[LaunchFailure] = field(default_factory=list)

    def snapshot(
        self,
        now: datetime,
        states: Mapping[EnvironmentId, EnvironmentState],
        loads: Mapping[FunctionVersionKey, tuple[LoadSample, ...]],
    ) -> FleetSnapshot:
        self.failed = [each for each in self.failed if now - (each.ended_at or now) < KEPT_FAILURES]
        self.launch_failures = [each for each in self.launch_failures if now - each.at < KEPT_FAILURES]
        return FleetSnapshot(
            provider=self.name,
            requirements=self.requirements,
            scaling=self.scaling,
            zones=self.zones,
            offered_types=self.offered_types,
            versions=tuple(replace(version, loads=loads.get(version.key, ())) for version in self.versions.values()),
            instances=tuple(record.instance for record in self.instances.values()),
            environments=(*(_seen(each, states) for each in self.environments.values()), *self.failed),
            launch_failures=tuple(self.launch_failures),
        )

    def assign(self, assignment: InstanceAssignment, now: datetime) -> Configuration | None:
        """Write down what an instance should run; the new configuration when it differs from the last."""
        record = self.instances[assignment.instance_id]
        record.instance = replace(record.instance, draining=assignment.draining)
        named = {each.environment_id: each for each in assignment.environments}
        for environment_id in [each.environment_id for each in record.configuration.environments]:
            if environment_id not in named and environment_id in self.environments:
                self.environments[environment_id].dropped = True
        for environment_id, assigned in named.items():
            self._write(assignment.instance_id, environment_id, assigned, now)
        kept = tuple(each for each in assignment.environments if not self.environments[each.environment_id].dropped)
        if kept == record.configuration.environments:
            return None
        record.configuration = Configuration(record.configuration.generation + 1, kept)
        return record.configuration

    def _write(
        self, instance_id: InstanceId, environment_id: EnvironmentId, assigned: EnvironmentAssignment, now: datetime
    ) -> None:
        known = self.environments.get(environment_id)
        if known is None:
            environment = Environment(
                environment_id,
                instance_id,
                assigned.key,
                assigned.revision,
                assigned.shape,
                EnvironmentPhase.ASSIGNED,
                now,
                assigned.draining,
                draining_since=now if assigned.draining else None,
            )
            self.environments[environment_id] = EnvironmentRecord(environment)
        elif assigned.draining and not known.environment.draining:
            known.environment = replace(known.environment, draining=True, draining_since=now)

    def ended(self, environment_id: EnvironmentId, failure: EnvironmentFailure | None, now: datetime) -> None:
        record = self.environments.pop(environment_id, None)
        if record is not None and failure is not None and not record.dropped:
            ended = replace(record.environment, phase=EnvironmentPhase.ENDED, failure=failure, ended_at=now)
            self.failed.append(ended)

    def forget_instance(self, instance_id: InstanceId) -> None:
        del self.instances[instance_id]
        for environment_id, record in list(self.environments.items()):
            if record.environment.instance_id == instance_id:
                del self.environments[environment_id]

    def set_phase(self, instance_id: InstanceId, phase: InstancePhase) -> None:
        record = self.instances[instance_id]
        record.instance = replace(record.instance, phase=phase)

    def mark_empty(self, now: datetime) -> None:
        used = {record.environment.instance_id for record in self.environments.values()}
        for instance_id, record in self.instances.items():
            since = None if instance_id in used else record.instance.empty_since or now
            if since != record.instance.empty_since:
                record.instance = replace(record.instance, empty_since=since)


def _seen(record: EnvironmentRecord, states: Mapping[EnvironmentId, EnvironmentState]) -> Environment:
    state = states.get(record.environment.environment_id)
    if state is None:
        return record.environment
    return replace(
        record.environment, phase=state.phase, in_flight=state.in_flight, cpu_utilization=state.cpu_utilization
    )
