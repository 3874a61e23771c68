"""From what agents have reported to AWS's metrics of instances and execution environments. Synchronous, knows no clock.

Utilisation is use ÷ entitlement, one value per instance or environment and report; a report is measured once.
"Available" is still free for allocation, "Allocated" is reserved by environments, whether they use it or not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from paddock.controlplane.cloudwatch.names import UNITS, of_environments, of_instances
from paddock.controlplane.fleet_records import EnvironmentRecord, InstanceRecord
from paddock.controlplane.inventory import Inventory
from paddock.core.placement import SYSTEM_MEMORY_MB, SYSTEM_VCPU
from paddock.model.ids import CapacityProviderName, EnvironmentId, FunctionVersionKey, InstanceId
from paddock.model.metrics import MetricId, Summary, single, together
from paddock.model.states import EnvironmentPhase, InstancePhase
from paddock.ports.metrics import MetricSample

MIB = 1024 * 1024
GIB = 1024 * MIB
_SERVING = (EnvironmentPhase.READY, EnvironmentPhase.DRAINING)


@dataclass(frozen=True, slots=True)
class _Measured:
    """The last report of an instance: when we heard it, by the monotonic clock, and the CPU time used by then, in all
    and by each environment.
    """

    at: float
    cpu_seconds: float
    by_environment: Mapping[EnvironmentId, float]


@dataclass(slots=True)
class _Capacity:
    """Of a provider's instances of one type."""

    vcpu_allocated: float = 0.0
    vcpu_available: float = 0.0
    memory_allocated_mb: float = 0.0
    memory_available_mb: float = 0.0


Found = tuple[MetricId, str, float]


class FleetMeter:
    def __init__(self) -> None:
        self._before: dict[InstanceId, _Measured] = {}

    def samples(self, inventories: Mapping[CapacityProviderName, Inventory]) -> list[MetricSample]:
        """Of everything that was reported since the last call."""
        values: dict[MetricId, list[Summary]] = {}
        units: dict[MetricId, str] = {}
        measured: dict[InstanceId, _Measured] = {}
        for provider, inventory in inventories.items():
            for metric, unit, value in self._provider(provider, inventory, measured):
                units[metric] = unit
                values.setdefault(metric, []).append(single(value))
        self._before = measured
        return [MetricSample(metric, units[metric], together(*seen)) for metric, seen in values.items()]

    def _provider(
        self, provider: CapacityProviderName, inventory: Inventory, measured: dict[InstanceId, _Measured]
    ) -> Iterator[Found]:
        capacities: dict[str, _Capacity] = {}
        ready: dict[FunctionVersionKey, int] = {}
        for record in inventory.instances.values():
            if record.phase is not InstancePhase.RUNNING or record.heard_at is None:
                continue
            kind = record.intent.instance_type.name
            _count_capacity(record, capacities.setdefault(kind, _Capacity()))
            for environment in record.environments.values():
                if environment.phase is EnvironmentPhase.READY:
                    ready[environment.key] = ready.get(environment.key, 0) + 1
            before = self._before.get(record.instance_id)
            if before is not None and record.heard_at <= before.at:
                measured[record.instance_id] = before
                continue
            now = measured[record.instance_id] = _measured(record, record.heard_at)
            yield from _instance(provider, record, before, now)
            for environment in record.environments.values():
                yield from _environment(provider, environment)
                yield from _environment_cpu(provider, record, environment, before, now)
        for kind, capacity in capacities.items():
            yield from _capacity(provider, kind, capacity)
        for key, count in ready.items():
            yield _of_environments("ExecutionEnvironmentCount", provider, key, count)


def _measured(record: InstanceRecord, at: float) -> _Measured:
    reported = {
        environment_id: environment.report.cpu_seconds
        for environment_id, environment in record.environments.items()
        if environment.report is not None
    }
    return _Measured(at, record.cpu_seconds, reported)


def _instance(
    provider: CapacityProviderName, record: InstanceRecord, before: _Measured | None, now: _Measured
) -> Iterator[Found]:
    kind = record.intent.instance_type
    if before is not None:
        used_cores = max(0.0, now.cpu_seconds - before.cpu_seconds) / (now.at - before.at)
        yield _of_instances("CPUUtilization", provider, kind.name, 100 * used_cores / record.intent.entitled_cores)
    if record.memory_bytes:
        share = record.memory_bytes / (kind.memory_gib * GIB)
        yield _of_instances("MemoryUtilization", provider, kind.name, 100 * share)


def _environment(provider: CapacityProviderName, environment: EnvironmentRecord) -> Iterator[Found]:
    report, spec, key = environment.report, environment.spec, environment.key
    if report is None or environment.phase not in _SERVING:
        return
    busy = max(report.peak_in_flight, report.in_flight, environment.peak_in_flight)
    yield _of_environments("ExecutionEnvironmentConcurrency", provider, key, busy)
    yield _of_environments("ExecutionEnvironmentConcurrencyLimit", provider, key, spec.max_concurrency)
    if report.memory_bytes:
        share = report.memory_bytes / (spec.memory_mb * MIB)
        yield _of_environments("ExecutionEnvironmentMemoryUtilization", provider, key, 100 * share)


def _environment_cpu(
    provider: CapacityProviderName,
    instance: InstanceRecord,
    environment: EnvironmentRecord,
    before: _Measured | None,
    now: _Measured,
) -> Iterator[Found]:
    """All that was used, its first seconds too: the scaler leaves those out, a graph need not."""
    used = now.by_environment.get(environment.environment_id)
    used_before = None if before is None else before.by_environment.get(environment.environment_id)
    entitled = environment.spec.vcpu * instance.cores_per_vcpu
    if before is None or used is None or used_before is None or entitled <= 0 or environment.phase not in _SERVING:
        return
    share = max(0.0, used - used_before) / (now.at - before.at) / entitled
    yield _of_environments("ExecutionEnvironmentCPUUtilization", provider, environment.key, 100 * share)


def _count_capacity(record: InstanceRecord, capacity: _Capacity) -> None:
    kind = record.intent.instance_type
    vcpu = sum(environment.spec.vcpu for environment in record.environments.values())
    memory_mb = sum(environment.spec.memory_mb for environment in record.environments.values())
    capacity.vcpu_allocated += vcpu
    capacity.memory_allocated_mb += memory_mb
    if not record.draining:
        capacity.vcpu_available += max(0.0, kind.vcpu - SYSTEM_VCPU - vcpu)
        capacity.memory_available_mb += max(0.0, kind.memory_gib * 1024 - SYSTEM_MEMORY_MB - memory_mb)


def _capacity(provider: CapacityProviderName, kind: str, capacity: _Capacity) -> Iterator[Found]:
    yield _of_instances("vCPUAllocated", provider, kind, capacity.vcpu_allocated)
    yield _of_instances("vCPUAvailable", provider, kind, capacity.vcpu_available)
    yield _of_instances("MemoryAllocated", provider, kind, capacity.memory_allocated_mb * MIB)
    yield _of_instances("MemoryAvailable", provider, kind, capacity.memory_available_mb * MIB)


def _of_instances(name: str, provider: CapacityProviderName, kind: str, value: float) -> Found:
    return of_instances(name, provider, kind), UNITS[name], value


def _of_environments(name: str, provider: CapacityProviderName, key: FunctionVersionKey, value: float) -> Found:
    return of_environments(name, provider, key), UNITS[name], value
