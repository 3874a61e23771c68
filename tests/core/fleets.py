"""Builders of snapshots, and `carried_out`: the snapshot after a plan, as a perfect executor would leave it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from paddock.model.capacity_provider import Architecture, CapacityProviderScalingConfig, InstanceRequirements
from paddock.model.fleet import (
    Environment,
    EnvironmentShape,
    FleetSnapshot,
    LoadSample,
    ManagedInstance,
    Plan,
    RevisionFailed,
    RevisionServed,
    ScalingBounds,
    VersionTarget,
    Zone,
)
from paddock.model.ids import (
    LATEST_PUBLISHED,
    AvailabilityZone,
    CapacityProviderName,
    EnvironmentId,
    FunctionName,
    FunctionVersionKey,
    InstanceId,
    RevisionId,
    SubnetId,
)
from paddock.model.instance_types import InstanceType
from paddock.model.states import EnvironmentPhase, InstancePhase

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
PROVIDER = CapacityProviderName("provider")
R1, R2, R3 = RevisionId("r1"), RevisionId("r2"), RevisionId("r3")
ZONES = tuple(Zone(SubnetId(f"subnet-{letter}"), AvailabilityZone(f"us-east-1{letter}")) for letter in "abc")
SMALL = EnvironmentShape(memory_mb=2048, vcpu=1.0, max_concurrency=16)

_SIZES = {"large": 2, "xlarge": 4, "2xlarge": 8, "4xlarge": 16, "8xlarge": 32, "16xlarge": 64}


def a_type(name: str, architecture: Architecture = Architecture.X86_64) -> InstanceType:
    """`c7i.xlarge` and the like, with the sizes that EC2 gives C, M and R."""
    vcpu = _SIZES[name.partition(".")[2]]
    return InstanceType(name, vcpu, vcpu * {"c": 2, "m": 4, "r": 8}[name[0]], architecture)


CATALOGUE = tuple(
    a_type(f"{family}.{size}") for family in ("c6i", "c7i", "c7id", "m7i", "m8i", "r7i") for size in _SIZES
)


def key(name: str = "f") -> FunctionVersionKey:
    return FunctionVersionKey(FunctionName(name), LATEST_PUBLISHED)


class CountingIds:
    def __init__(self) -> None:
        self._count = 0

    def instance_id(self) -> InstanceId:
        self._count += 1
        return InstanceId(f"i-{self._count:017x}")

    def environment_id(self) -> EnvironmentId:
        self._count += 1
        return EnvironmentId(f"e-{self._count}")


def a_version(
    name: str = "f",
    *,
    revision: RevisionId = R1,
    serving: RevisionId | None = None,
    shape: EnvironmentShape = SMALL,
    minimum: int = 3,
    maximum: int | None = None,
    loads: Sequence[LoadSample] = (),
    published_at: datetime = NOON,
    deleting: bool = False,
    failed: bool = False,
) -> VersionTarget:
    return VersionTarget(
        key=key(name),
        revision=revision,
        serving=serving,
        shape=shape,
        bounds=ScalingBounds(minimum, maximum),
        published_at=published_at,
        loads=tuple(loads),
        deleting=deleting,
        failed=failed,
    )


def a_snapshot(
    *versions: VersionTarget,
    instances: Iterable[ManagedInstance] = (),
    environments: Iterable[Environment] = (),
    max_vcpu_count: int = 400,
    offered_types: Sequence[InstanceType] = CATALOGUE,
    requirements: InstanceRequirements | None = None,
    zones: tuple[Zone, ...] = ZONES,
) -> FleetSnapshot:
    return FleetSnapshot(
        provider=PROVIDER,
        requirements=requirements or InstanceRequirements(),
        scaling=CapacityProviderScalingConfig(max_vcpu_count=max_vcpu_count),
        zones=zones,
        offered_types=tuple(offered_types),
        versions=versions,
        instances=tuple(instances),
        environments=tuple(environments),
    )


def carried_out(snapshot: FleetSnapshot, plan: Plan, now: datetime) -> FleetSnapshot:
    """Launches are pending, assignments taken, terminations under way, outcomes written down. No time has passed."""
    ended = {termination.instance_id for termination in plan.terminations}
    instances = [
        replace(each, phase=InstancePhase.STOPPING) if each.instance_id in ended else each
        for each in snapshot.instances
    ]
    instances += [
        ManagedInstance(
            launch.instance_id, launch.instance_type, launch.zone, launch.subnet_id, InstancePhase.PENDING, now
        )
        for launch in plan.launches
    ]
    emptied = {each.instance_id for each in plan.assignments if each.draining}
    instances = [replace(each, draining=each.instance_id in emptied) for each in instances]
    known = {each.environment_id: each for each in snapshot.environments}
    environments = [each for each in snapshot.environments if each.phase is EnvironmentPhase.ENDED]
    for assignment in plan.assignments:
        for assigned in assignment.environments:
            fresh = Environment(
                assigned.environment_id,
                assignment.instance_id,
                assigned.key,
                assigned.revision,
                assigned.shape,
                EnvironmentPhase.ASSIGNED,
                now,
            )
            environments.append(replace(known.get(assigned.environment_id, fresh), draining=assigned.draining))
    outcomes = {outcome.key: outcome for outcome in plan.outcomes}
    versions = []
    for version in snapshot.versions:
        outcome = outcomes.get(version.key)
        if outcome is None:
            versions.append(version)
        elif isinstance(outcome, RevisionServed):
            versions.append(replace(version, serving=outcome.revision))
        elif isinstance(outcome, RevisionFailed):
            versions.append(replace(version, failed=True))
    return replace(snapshot, versions=tuple(versions), instances=tuple(instances), environments=tuple(environments))


def settled(snapshot: FleetSnapshot, now: datetime) -> FleetSnapshot:
    """Everything under way has arrived: instances run, environments are ready, what drained or stopped is gone."""
    gone = {each.instance_id for each in snapshot.instances if each.phase is InstancePhase.STOPPING}
    environments = tuple(
        replace(each, phase=EnvironmentPhase.READY)
        for each in snapshot.environments
        if not each.draining and each.instance_id not in gone and each.phase is not EnvironmentPhase.ENDED
    )
    used = {each.instance_id for each in environments}
    instances = tuple(
        replace(
            each,
            phase=InstancePhase.RUNNING,
            empty_since=None if each.instance_id in used else each.empty_since or now,
        )
        for each in snapshot.instances
        if each.instance_id not in gone
    )
    return replace(snapshot, instances=instances, environments=environments)


def steady_loads(
    now: datetime,
    *,
    busy: int,
    environments: int,
    cpu: float | None = None,
    minutes: float = 6,
    throttles: int = 0,
    every_seconds: int = 5,
) -> tuple[LoadSample, ...]:
    """Of invocations that take a second each."""
    count = int(minutes * 60 / every_seconds)
    came = busy * every_seconds
    return tuple(
        LoadSample(now - timedelta(seconds=every_seconds * back), environments, busy, busy, cpu, throttles, came)
        for back in reversed(range(count))
    )
