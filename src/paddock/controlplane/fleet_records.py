"""What is known of one managed instance and of one execution environment: the intent, and what was last heard."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from paddock.model.fleet import Environment, EnvironmentFailure, EnvironmentShape, ManagedInstance
from paddock.model.ids import (
    EnvironmentId,
    FunctionName,
    FunctionVersionKey,
    InstanceId,
    RevisionId,
    TenantId,
    VersionName,
)
from paddock.model.states import EnvironmentPhase, InstancePhase, StateReasonCode
from paddock.ports.store import InstanceIntent
from paddock.wire.agent import EnvironmentFailureReport, EnvironmentReport, EnvironmentSpec

PROVISIONED = "provisioned-concurrency"
"""AWS's word for how an environment came to be, as functions see it."""


@dataclass(slots=True)
class EnvironmentRecord:
    """`spec` is what the agent was told; `report` what it said last, None before the first time."""

    spec: EnvironmentSpec
    instance_id: InstanceId
    assigned_at: datetime
    phase: EnvironmentPhase = EnvironmentPhase.ASSIGNED
    report: EnvironmentReport | None = None
    draining_since: datetime | None = None
    ended_at: datetime | None = None
    failure: EnvironmentFailure | None = None
    idle_since: datetime | None = None
    peak_in_flight: int = 0
    """The most in flight at once since the last load sample; whoever takes the sample resets it."""
    most_in_flight: int = 0
    """The same since the environment began, for people."""
    peak_memory_bytes: int = 0
    """The most it held since metrics were last made; whoever makes them resets it."""
    used_cores: float | None = None
    """Mean between the last two reports; None before there were two after its warm-up."""
    cpu_utilization: float | None = None
    _measured: tuple[float, float] | None = None
    _ready_seen_at: float | None = None

    def measure(self, at: float, cpu_seconds: float, warm_up_seconds: float) -> None:
        """`at` is when the agent measured, by its own clock. What was used while it warmed up does not count."""
        if self.phase is not EnvironmentPhase.READY:
            return
        if self._ready_seen_at is None:
            self._ready_seen_at = at
        if at - self._ready_seen_at < warm_up_seconds:
            return
        before, self._measured = self._measured, (at, cpu_seconds)
        if before is not None and at > before[0]:
            self.used_cores = max(0.0, cpu_seconds - before[1]) / (at - before[0])

    def take_peak(self) -> int:
        peak = max(self.peak_in_flight, self.in_flight)
        self.peak_in_flight = self.in_flight
        return peak

    def take_memory_peak(self) -> int:
        now = self.report.memory_bytes if self.report else 0
        peak, self.peak_memory_bytes = max(self.peak_memory_bytes, now), 0
        return peak

    @property
    def environment_id(self) -> EnvironmentId:
        return EnvironmentId(self.spec.environment_id)

    @property
    def key(self) -> FunctionVersionKey:
        return FunctionVersionKey(FunctionName(self.spec.function_name), VersionName(self.spec.version))

    @property
    def revision(self) -> RevisionId:
        return RevisionId(self.spec.revision)

    @property
    def in_flight(self) -> int:
        return self.report.in_flight if self.report else 0

    def described(self) -> Environment:
        return Environment(
            environment_id=self.environment_id,
            instance_id=self.instance_id,
            key=self.key,
            revision=self.revision,
            shape=EnvironmentShape(self.spec.memory_mb, self.spec.vcpu, self.spec.max_concurrency),
            phase=self.phase,
            assigned_at=self.assigned_at,
            draining=self.spec.draining,
            in_flight=self.in_flight,
            cpu_utilization=self.cpu_utilization,
            failure=self.failure,
            draining_since=self.draining_since,
            ended_at=self.ended_at,
            idle_since=self.idle_since,
            provisioned=self.spec.initialization_type == PROVISIONED,
            tenant_id=TenantId(self.spec.tenant_id),
            credentials_end_at=_moment(self.spec.credentials_end_at),
        )


@dataclass(slots=True)
class InstanceRecord:
    """`heard_at` is monotonic seconds, None while no agent has spoken. `generation` is the newest that was sent."""

    intent: InstanceIntent
    phase: InstancePhase
    address: str | None = None
    heard_at: float | None = None
    generation: int = 0
    isolation: str = ""
    empty_since: datetime | None = None
    agent_version: str = ""
    outdated: str | None = None
    """Why its agent must be replaced; found anew whenever the agent greets."""
    memory_bytes: int = 0
    cpu_seconds: float = 0.0
    disk_bytes: tuple[int, int] | None = None
    """Read and written since it began; None while nobody has counted."""
    network_bytes: tuple[int, int] | None = None
    """Received and sent over its own interface; None while nobody has counted, and where it has none."""
    private_ip_address: str | None = None
    environments: dict[EnvironmentId, EnvironmentRecord] = field(default_factory=dict)
    sent: tuple[EnvironmentSpec, ...] = ()
    """What the agent was last told, or said it had been."""

    @property
    def instance_id(self) -> InstanceId:
        return self.intent.instance_id

    @property
    def draining(self) -> bool:
        return self.intent.draining

    @property
    def cores_per_vcpu(self) -> float:
        return self.intent.entitled_cores / self.intent.instance_type.vcpu

    @property
    def ready_environments(self) -> int:
        return sum(record.phase is EnvironmentPhase.READY for record in self.environments.values())

    def described(self) -> ManagedInstance:
        return ManagedInstance(
            instance_id=self.instance_id,
            instance_type=self.intent.instance_type,
            zone=self.intent.zone,
            subnet_id=self.intent.subnet_id,
            phase=self.phase,
            launched_at=self.intent.requested_at,
            draining=self.draining,
            empty_since=self.empty_since,
            replace_reason=self.intent.replace_reason or self.outdated,
        )


def _moment(epoch_seconds: float | None) -> datetime | None:
    return None if epoch_seconds is None else datetime.fromtimestamp(epoch_seconds, UTC)


def failure_of(report: EnvironmentFailureReport) -> EnvironmentFailure:
    """A code that is none of AWS's becomes the general one; agents may be newer than we are."""
    try:
        code = StateReasonCode(report.reason_code)
    except ValueError:
        code = StateReasonCode.FUNCTION_ERROR
    return EnvironmentFailure(code, report.text, report.init)


def phase_of(report: EnvironmentReport) -> EnvironmentPhase | None:
    try:
        return EnvironmentPhase(report.phase)
    except ValueError:
        return None
