"""What a capacity provider has and should have: the snapshot that decisions are made from, and the plan they result in.

Both are values. Whoever plans sees one `FleetSnapshot` and the time; whoever carries a `Plan` out has no choices left.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from paddock.model.capacity_provider import Architecture, CapacityProviderScalingConfig, InstanceRequirements
from paddock.model.ids import (
    NO_TENANT,
    AvailabilityZone,
    CapacityProviderName,
    EnvironmentId,
    FunctionVersionKey,
    InstanceId,
    RevisionId,
    SubnetId,
    TenantId,
)
from paddock.model.instance_types import InstanceType
from paddock.model.states import EnvironmentPhase, InstancePhase, StateReasonCode


@dataclass(frozen=True, slots=True)
class EnvironmentShape:
    """What one execution environment takes and gives: memory and vCPU of its instance; slots for invocations."""

    memory_mb: int
    vcpu: float
    max_concurrency: int


@dataclass(frozen=True, slots=True)
class ScalingBounds:
    """MinExecutionEnvironments and MaxExecutionEnvironments; no maximum is `None`. Both zero: deactivate."""

    minimum: int = 3
    maximum: int | None = None

    @property
    def deactivates(self) -> bool:
        return self.minimum == 0 and self.maximum == 0


@dataclass(frozen=True, slots=True)
class LoadSample:
    """What the agents reported for one revision over one interval; all figures are sums or means over its ready
    environments.

    `cpu_utilization` is use ÷ entitlement (may exceed 1 where idle cores are borrowed), `peak_busy_slots` the most in
    flight at once within the interval, `throttles` invocations refused for want of a slot, `invocations` those that
    came or ended, zero where nobody counts.
    """

    at: datetime
    ready_environments: int
    busy_slots: float
    peak_busy_slots: int
    cpu_utilization: float | None
    throttles: int
    invocations: int = 0


@dataclass(frozen=True, slots=True)
class VersionTarget:
    """One published version that wants capacity.

    `revision` is the publish that should serve; `serving` the one that does (None before the first success, the same as
    `revision` in steady state, an older one while a republish is under way). `loads` are recent samples, oldest first;
    empty means no data, which is not the same as no load. `deleting` versions drain to nothing.
    """

    key: FunctionVersionKey
    revision: RevisionId
    serving: RevisionId | None
    shape: EnvironmentShape
    bounds: ScalingBounds
    published_at: datetime
    loads: tuple[LoadSample, ...] = ()
    deleting: bool = False
    failed: bool = False
    """The publish of `revision` has failed for good; nothing is started for it (`serving`, if any, goes on)."""


@dataclass(frozen=True, slots=True)
class ManagedInstance:
    """An instance of the provider, from the stored intent and what was last heard of it."""

    instance_id: InstanceId
    instance_type: InstanceType
    zone: AvailabilityZone
    subnet_id: SubnetId
    phase: InstancePhase
    launched_at: datetime
    draining: bool = False
    empty_since: datetime | None = None
    replace_reason: str | None = None
    """Why it must be replaced (end of lifetime, patch, failed health); None while it may stay."""


@dataclass(frozen=True, slots=True)
class Environment:
    """An execution environment that some instance should have or has."""

    environment_id: EnvironmentId
    instance_id: InstanceId
    key: FunctionVersionKey
    revision: RevisionId
    shape: EnvironmentShape
    phase: EnvironmentPhase
    assigned_at: datetime
    draining: bool = False
    in_flight: int = 0
    cpu_utilization: float | None = None
    failure: EnvironmentFailure | None = None
    draining_since: datetime | None = None
    ended_at: datetime | None = None
    """When its end was reported; spaces out the restarts of one that keeps failing."""
    idle_since: datetime | None = None
    """Since when no invocation was seen in it; None while one is, and before it was ready."""
    provisioned: bool = False
    """Default Lambda: kept ready whether or not anybody invokes it."""
    tenant_id: TenantId = NO_TENANT
    """The only one it ever serves."""
    credentials_end_at: datetime | None = None
    """Default Lambda: it must be replaced before; None where they are renewed in it."""


@dataclass(frozen=True, slots=True)
class EnvironmentFailure:
    """Why an environment ended without being told to; `init` is true when it never became ready."""

    reason_code: StateReasonCode
    text: str
    init: bool


@dataclass(frozen=True, slots=True)
class Zone:
    """One subnet of the provider and the zone it lies in."""

    subnet_id: SubnetId
    zone: AvailabilityZone


@dataclass(frozen=True, slots=True)
class LaunchFailure:
    """A launch the launcher refused or that missed its deadline."""

    instance_type: str
    zone: AvailabilityZone
    at: datetime
    reason_code: StateReasonCode
    text: str


@dataclass(frozen=True, slots=True)
class FleetSnapshot:
    """All that planning may know of one capacity provider. `environments` holds those not yet reported as ended and the
    recently failed.
    """

    provider: CapacityProviderName
    requirements: InstanceRequirements
    scaling: CapacityProviderScalingConfig
    zones: tuple[Zone, ...]
    offered_types: tuple[InstanceType, ...]
    versions: tuple[VersionTarget, ...]
    instances: tuple[ManagedInstance, ...]
    environments: tuple[Environment, ...]
    launch_failures: tuple[LaunchFailure, ...] = ()
    deleting: bool = False

    @property
    def architecture(self) -> Architecture:
        return self.requirements.architecture


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something is done or not; `subject` names the version, instance or provider it is about."""

    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class LaunchInstance:
    """The id is chosen here, before anything is launched, so that a repeated launch is the same instance."""

    instance_id: InstanceId
    instance_type: InstanceType
    zone: AvailabilityZone
    subnet_id: SubnetId


@dataclass(frozen=True, slots=True)
class EnvironmentAssignment:
    environment_id: EnvironmentId
    key: FunctionVersionKey
    revision: RevisionId
    shape: EnvironmentShape
    draining: bool = False
    provisioned: bool = False
    tenant_id: TenantId = NO_TENANT


@dataclass(frozen=True, slots=True)
class InstanceAssignment:
    """The whole of what one instance should run; an environment that is not named is to end at once.

    `draining`: the instance is being emptied and takes nothing new. It is kept as `ManagedInstance.draining`, because
    what has been begun cannot be told from the environments alone.
    """

    instance_id: InstanceId
    environments: tuple[EnvironmentAssignment, ...]
    draining: bool = False


@dataclass(frozen=True, slots=True)
class TerminateInstance:
    """`launch_failed`: it never came, which counts as a failed launch."""

    instance_id: InstanceId
    reason: str
    launch_failed: bool = False


@dataclass(frozen=True, slots=True)
class RevisionServed:
    """The revision has what its minimum asks for: route to it and drain the revision it replaces."""

    key: FunctionVersionKey
    revision: RevisionId


@dataclass(frozen=True, slots=True)
class RevisionFailed:
    key: FunctionVersionKey
    revision: RevisionId
    reason_code: StateReasonCode
    text: str


@dataclass(frozen=True, slots=True)
class VersionDeactivated:
    """Min = Max = 0 was asked for and nothing of the version runs any more."""

    key: FunctionVersionKey


@dataclass(frozen=True, slots=True)
class VersionRemoved:
    """A deleted version has drained."""

    key: FunctionVersionKey


VersionOutcome = RevisionServed | RevisionFailed | VersionDeactivated | VersionRemoved


@dataclass(frozen=True, slots=True)
class Plan:
    """One immutable proposal for the whole provider. `assignments` covers every instance that is to stay or be
    launched.

    `wake_after` is when to plan again although nothing happened (a delay running out); None when only an event matters.
    """

    provider: CapacityProviderName
    launches: tuple[LaunchInstance, ...]
    assignments: tuple[InstanceAssignment, ...]
    terminations: tuple[TerminateInstance, ...]
    outcomes: tuple[VersionOutcome, ...]
    reasons: tuple[Reason, ...]
    wake_after: timedelta | None = None
