"""From what agents have reported to AWS's metrics of instances and execution environments. Synchronous, knows no clock.

Utilisation is use ÷ entitlement, one value per instance or environment and report; a report is measured once. Bytes of
storage and network are those since the report before.
"Available" is still free for allocation, "Allocated" is reserved by environments, whether they use it or not.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from paddock.controlplane.cloudwatch.names import UNITS, of_environments, of_insights, of_instances
from paddock.controlplane.fleet_records import EnvironmentRecord, InstanceRecord
from paddock.core.placement import SYSTEM_MEMORY_MB, SYSTEM_VCPU
from paddock.model.ids import CapacityProviderName, EnvironmentId, FunctionVersionKey, InstanceId
from paddock.model.metrics import MetricId, summary_of
from paddock.model.states import EnvironmentPhase, InstancePhase
from paddock.ports.metrics import MetricSample

MIB = 1024 * 1024
GIB = 1024 * MIB
_DISK = ("DiskReadBytes", "DiskWriteBytes")
_NETWORK = ("NetworkIn", "NetworkOut")
_SERVING = (EnvironmentPhase.READY, EnvironmentPhase.DRAINING)


@dataclass(frozen=True, slots=True)
class _Measured:
    """The last report of an instance: when we heard it, by the monotonic clock, the CPU time used by then, in all
    and by each environment, and the bytes it had moved, by the name of what counts them.
    """

    at: float
    cpu_seconds: float
    by_environment: Mapping[EnvironmentId, float]
    moved_bytes: Mapping[str, int]


@dataclass(slots=True)
class _Capacity:
    """Of a provider's instances of one type."""

    vcpu_allocated: float = 0.0
    vcpu_available: float = 0.0
    memory_allocated_mb: float = 0.0
    memory_available_mb: float = 0.0


@dataclass(slots=True)
class _Sight:
    """Of one provider, since the last `take`: the values of each metric, what its instances hold, and who is ready."""

    values: dict[MetricId, list[float]] = field(default_factory=dict)
    capacities: dict[str, _Capacity] = field(default_factory=dict)
    ready: dict[FunctionVersionKey, int] = field(default_factory=dict)

    def add(self, metric: MetricId, value: float) -> None:
        self.values.setdefault(metric, []).append(value)

    def add_insights(self, key: FunctionVersionKey, **values: float) -> None:
        for name, value in values.items():
            for metric in of_insights(name, key):
                self.add(metric, value)


class FleetMeter:
    """`look` at each instance, in as many turns as one likes, then `take` what was seen."""

    def __init__(self) -> None:
        self._before: dict[InstanceId, _Measured] = {}
        self._now: dict[InstanceId, _Measured] = {}
        self._sights: dict[CapacityProviderName, _Sight] = {}

    def look(self, provider: CapacityProviderName, record: InstanceRecord) -> None:
        if record.phase is not InstancePhase.RUNNING or record.heard_at is None:
            return
        sight = self._sights.setdefault(provider, _Sight())
        kind = record.intent.instance_type.name
        _count_capacity(record, sight.capacities.setdefault(kind, _Capacity()))
        for environment in record.environments.values():
            if environment.phase is EnvironmentPhase.READY:
                sight.ready[environment.key] = sight.ready.get(environment.key, 0) + 1
        before = self._before.get(record.instance_id)
        if before is not None and record.heard_at <= before.at:
            self._now[record.instance_id] = before
            return
        now = self._now[record.instance_id] = _measured(record, record.heard_at)
        _instance(sight, provider, record, before, now)
        for environment in record.environments.values():
            _environment(sight, provider, environment)
            _environment_cpu(sight, provider, record, environment, before, now)

    def take(self) -> list[MetricSample]:
        """Of everything that was reported since the last call."""
        samples: list[MetricSample] = []
        for provider, sight in self._sights.items():
            for kind, capacity in sight.capacities.items():
                _capacity(sight, provider, kind, capacity)
            for key, count in sight.ready.items():
                sight.add(of_environments("ExecutionEnvironmentCount", provider, key), count)
            samples += [
                MetricSample(metric, UNITS[metric.name], summary_of(Counter(values)))
                for metric, values in sight.values.items()
            ]
        self._before, self._now, self._sights = self._now, {}, {}
        return samples


def _measured(record: InstanceRecord, at: float) -> _Measured:
    reported = {
        environment_id: environment.report.cpu_seconds
        for environment_id, environment in record.environments.items()
        if environment.report is not None
    }
    moved = dict(zip(_DISK, record.disk_bytes or (), strict=False))
    moved |= zip(_NETWORK, record.network_bytes or (), strict=False)
    return _Measured(at, record.cpu_seconds, reported, moved)


def _instance(
    sight: _Sight, provider: CapacityProviderName, record: InstanceRecord, before: _Measured | None, now: _Measured
) -> None:
    kind = record.intent.instance_type
    if before is not None:
        used_cores = max(0.0, now.cpu_seconds - before.cpu_seconds) / (now.at - before.at)
        sight.add(of_instances("CPUUtilization", provider, kind.name), 100 * used_cores / record.intent.entitled_cores)
        for name, has in now.moved_bytes.items():
            if name in before.moved_bytes:
                sight.add(of_instances(name, provider, kind.name), max(0, has - before.moved_bytes[name]))
    if record.memory_bytes:
        share = record.memory_bytes / (kind.memory_gib * GIB)
        sight.add(of_instances("MemoryUtilization", provider, kind.name), 100 * share)


def _environment(sight: _Sight, provider: CapacityProviderName, environment: EnvironmentRecord) -> None:
    report, spec, key = environment.report, environment.spec, environment.key
    if report is None or environment.phase not in _SERVING:
        return
    busy = max(report.peak_in_flight, report.in_flight, environment.peak_in_flight)
    sight.add(of_environments("ExecutionEnvironmentConcurrency", provider, key), busy)
    sight.add(of_environments("ExecutionEnvironmentConcurrencyLimit", provider, key), spec.max_concurrency)
    if report.memory_bytes:
        share = report.memory_bytes / (spec.memory_mb * MIB)
        sight.add(of_environments("ExecutionEnvironmentMemoryUtilization", provider, key), 100 * share)
        peak_share = environment.take_memory_peak() / (spec.memory_mb * MIB)
        sight.add_insights(key, memory_utilization=100 * share, memory_utilization_max=100 * peak_share)


def _environment_cpu(
    sight: _Sight,
    provider: CapacityProviderName,
    instance: InstanceRecord,
    environment: EnvironmentRecord,
    before: _Measured | None,
    now: _Measured,
) -> None:
    """All that was used, its first seconds too: the scaler leaves those out, a graph need not."""
    used = now.by_environment.get(environment.environment_id)
    used_before = None if before is None else before.by_environment.get(environment.environment_id)
    entitled = environment.spec.vcpu * instance.cores_per_vcpu
    if before is None or used is None or used_before is None or entitled <= 0 or environment.phase not in _SERVING:
        return
    seconds = max(0.0, used - used_before)
    percent = 100 * seconds / (now.at - before.at) / entitled
    sight.add(of_environments("ExecutionEnvironmentCPUUtilization", provider, environment.key), percent)
    sight.add_insights(
        environment.key, cpu_utilization=percent, cpu_utilization_max=percent, cpu_total_time=1000 * seconds
    )


def _count_capacity(record: InstanceRecord, capacity: _Capacity) -> None:
    kind = record.intent.instance_type
    vcpu = sum(environment.spec.vcpu for environment in record.environments.values())
    memory_mb = sum(environment.spec.memory_mb for environment in record.environments.values())
    capacity.vcpu_allocated += vcpu
    capacity.memory_allocated_mb += memory_mb
    if not record.draining:
        capacity.vcpu_available += max(0.0, kind.vcpu - SYSTEM_VCPU - vcpu)
        capacity.memory_available_mb += max(0.0, kind.memory_gib * 1024 - SYSTEM_MEMORY_MB - memory_mb)


def _capacity(sight: _Sight, provider: CapacityProviderName, kind: str, capacity: _Capacity) -> None:
    sight.add(of_instances("vCPUAllocated", provider, kind), capacity.vcpu_allocated)
    sight.add(of_instances("vCPUAvailable", provider, kind), capacity.vcpu_available)
    sight.add(of_instances("MemoryAllocated", provider, kind), capacity.memory_allocated_mb * MIB)
    sight.add(of_instances("MemoryAvailable", provider, kind), capacity.memory_available_mb * MIB)
