"""What one capacity provider has: changed by what agents say, by what was decided, and by the running out of leases.

Owned by the provider's reconcile task; agents' messages are applied in the same event loop, one at a time. Synchronous,
no I/O; decides nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import datetime

import msgspec

from paddock.controlplane.fleet_records import EnvironmentRecord, InstanceRecord, failure_of, phase_of
from paddock.controlplane.lease import Lease
from paddock.controlplane.limits import KEPT_FAILURES, KEPT_FORGOTTEN
from paddock.core.lifecycle import INSTANCE, InstanceEvent
from paddock.core.planning import DEFAULT_SETTINGS, PlanningSettings
from paddock.model.fleet import Environment
from paddock.model.ids import EnvironmentId, InstanceId
from paddock.model.states import EnvironmentPhase, InstancePhase
from paddock.ports.store import InstanceIntent
from paddock.wire.agent import AgentHello, EnvironmentReport, EnvironmentSpec, Report


class Inventory:
    """`planning` says how long failures are remembered and an environment warms up."""

    def __init__(self, lease: Lease | None = None, planning: PlanningSettings = DEFAULT_SETTINGS) -> None:
        self._lease = lease or Lease()
        self._planning = planning
        self.instances: dict[InstanceId, InstanceRecord] = {}
        self.forgotten: deque[InstanceRecord] = deque(maxlen=KEPT_FORGOTTEN)
        """For who shows them once more, and takes them away: some come and go between two looks."""
        self._failed: deque[Environment] = deque(maxlen=KEPT_FAILURES)

    def environments(self) -> Iterator[EnvironmentRecord]:
        for instance in self.instances.values():
            yield from instance.environments.values()

    def failed(self, now: datetime) -> list[Environment]:
        """Those that ended without being told to, not too long ago."""
        return [
            environment
            for environment in self._failed
            if now - (environment.ended_at or environment.assigned_at) < self._planning.failure_memory
        ]

    # What was decided

    def add(self, intent: InstanceIntent) -> InstanceRecord:
        record = InstanceRecord(intent, intent.phase)
        self.instances[intent.instance_id] = record
        return record

    def assign(self, record: InstanceRecord, specs: tuple[EnvironmentSpec, ...], now: datetime) -> bool:
        """Make these the environments of the instance. False when its agent was told so already."""
        if specs == record.sent:
            return False
        wanted: dict[EnvironmentId, EnvironmentRecord] = {}
        for spec in specs:
            environment_id = EnvironmentId(spec.environment_id)
            known = record.environments.get(environment_id) or EnvironmentRecord(spec, record.instance_id, now)
            if spec.draining and known.draining_since is None:
                known.draining_since = now
            known.spec = spec
            wanted[environment_id] = known
        record.environments = wanted
        record.sent = specs
        record.generation += 1
        self._note_emptiness(record, now)
        return True

    def move(self, record: InstanceRecord, event: InstanceEvent, now: datetime) -> bool:
        """The instance's next phase. True when it changed."""
        phase = INSTANCE.next(record.phase, event)
        assert phase is not None
        changed = phase is not record.phase
        record.phase = phase
        if phase in (InstancePhase.LOST, InstancePhase.TERMINATED) and changed:
            self._end_all(record, now)
        return changed

    # What agents say

    def greeted(self, record: InstanceRecord, hello: AgentHello, *, now: datetime, monotonic: float) -> None:
        """An agent is there. Environments it has and we did not know are taken back: an earlier server gave them."""
        record.heard_at = monotonic
        record.isolation = hello.isolation
        record.agent_version = hello.agent_version
        was_configured = record.generation > 0
        record.generation = max(record.generation, hello.generation)
        self.move(record, InstanceEvent.AGENT_REPORTED, now)
        if record.phase is not InstancePhase.RUNNING:
            return
        if not was_configured:
            record.sent = hello.environments
            for spec in hello.environments:
                taken = EnvironmentRecord(spec, record.instance_id, now, EnvironmentPhase.STARTING)
                taken.draining_since = now if spec.draining else None
                record.environments[taken.environment_id] = taken
        self._note_emptiness(record, now)

    def reported(self, record: InstanceRecord, report: Report, *, now: datetime, monotonic: float) -> bool:
        """True when something changed that a plan may hang on."""
        record.heard_at = monotonic
        record.memory_bytes = report.memory_bytes
        record.cpu_seconds = report.cpu_seconds
        if report.disk_read_bytes is not None and report.disk_write_bytes is not None:
            record.disk_bytes = (report.disk_read_bytes, report.disk_write_bytes)
        if report.network_in_bytes is not None and report.network_out_bytes is not None:
            record.network_bytes = (report.network_in_bytes, report.network_out_bytes)
        changed = False
        for environment in report.environments:
            changed |= self.changed(record, environment, now)
            known = record.environments.get(EnvironmentId(environment.environment_id))
            if known is not None:
                known.measure(report.at, environment.cpu_seconds, self._planning.scaling.warm_up.total_seconds())
        return changed

    def changed(self, record: InstanceRecord, report: EnvironmentReport, now: datetime) -> bool:
        environment_id = EnvironmentId(report.environment_id)
        known = record.environments.get(environment_id)
        phase = phase_of(report)
        if known is None or phase is None:
            return False
        known.report = report
        known.peak_in_flight = max(known.peak_in_flight, report.peak_in_flight, report.in_flight)
        known.peak_memory_bytes = max(known.peak_memory_bytes, report.peak_memory_bytes, report.memory_bytes)
        known.most_in_flight = max(known.most_in_flight, known.peak_in_flight)
        changed = known.phase is not phase
        known.phase = phase
        if phase is not EnvironmentPhase.READY or report.in_flight or report.peak_in_flight:
            known.idle_since = None
        elif known.idle_since is None:
            known.idle_since = now
        if phase is EnvironmentPhase.ENDED:
            known.ended_at = now
            known.failure = failure_of(report.failure) if report.failure is not None else None
            del record.environments[environment_id]
            if known.failure is not None:
                self._failed.append(known.described())
            self._note_emptiness(record, now)
        return changed

    # Leases

    def is_fresh(self, record: InstanceRecord, monotonic: float) -> bool:
        return (
            record.phase is InstancePhase.RUNNING
            and record.heard_at is not None
            and monotonic - record.heard_at < self._lease.stale_seconds
        )

    def expire(self, now: datetime, monotonic: float) -> list[InstanceRecord]:
        """Those whose lease has run out now; they never come back."""
        lost = [
            record
            for record in self.instances.values()
            if record.phase is InstancePhase.RUNNING
            and record.heard_at is not None
            and monotonic - record.heard_at >= self._lease.lost_seconds
        ]
        for record in lost:
            self.move(record, InstanceEvent.LEASE_EXPIRED, now)
        return lost

    def forget(self, instance_id: InstanceId) -> None:
        record = self.instances.pop(instance_id, None)
        if record is not None:
            self.forgotten.append(record)

    def _end_all(self, record: InstanceRecord, now: datetime) -> None:
        for environment in record.environments.values():
            environment.phase = EnvironmentPhase.ENDED
            environment.ended_at = now
        record.environments.clear()

    def _note_emptiness(self, record: InstanceRecord, now: datetime) -> None:
        if record.environments:
            record.empty_since = None
        elif record.empty_since is None:
            record.empty_since = now


def drained(spec: EnvironmentSpec) -> EnvironmentSpec:
    return spec if spec.draining else msgspec.structs.replace(spec, draining=True)
