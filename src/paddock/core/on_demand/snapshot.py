"""What default Lambda is planned from: versions and who waits for them, what runs, and the figures that hold."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from paddock.model.fleet import Environment, EnvironmentShape, LaunchFailure, ManagedInstance, Zone
from paddock.model.ids import FunctionVersionKey, RevisionId, TenantId
from paddock.model.instance_types import InstanceType


@dataclass(frozen=True, slots=True)
class OnDemandSettings:
    """What AWS does not say of default Lambda, with the reason for each figure."""

    idle: timedelta = timedelta(minutes=7)
    """How long an environment is kept that nobody invokes; minutes is what people see on AWS."""
    most_environments: int = 64
    """What the machine has room for, of all functions together."""
    init_backoff: timedelta = timedelta(seconds=30)
    """After a failed init of a provisioned environment nothing is started for its version so long; nobody waits."""
    credentials_left: timedelta = timedelta(hours=1)
    """An environment drains so long before its credentials end: the longest invocation and its drain have ended."""
    launch_deadline: timedelta = timedelta(minutes=2)
    """Callers wait for this instance, so it is given up sooner than those of capacity providers."""
    launch_backoff: timedelta = timedelta(seconds=2)
    """For the same reason it is tried again sooner; twice as long each time."""
    launch_backoff_limit: timedelta = timedelta(minutes=1)
    failure_memory: timedelta = timedelta(minutes=15)
    """As in `PlanningSettings`."""


@dataclass(frozen=True, slots=True)
class OnDemandVersion:
    """One version. `serving` is what the routers send to, `revision` what they should; `waiting` invocations have no
    environment yet, where there are tenants `tenants_waiting` of each; `provisioned` environments are to be kept ready.
    """

    key: FunctionVersionKey
    revision: RevisionId
    serving: RevisionId | None
    shape: EnvironmentShape
    waiting: int = 0
    provisioned: int = 0
    tenants_waiting: tuple[tuple[TenantId, int], ...] = ()


@dataclass(frozen=True, slots=True)
class OnDemandSnapshot:
    """`environments` holds those not yet reported as ended and the recently failed. `instance_type` and `place` are
    what an instance is launched with: default Lambda has no choice of them.
    """

    instance_type: InstanceType
    place: Zone
    versions: tuple[OnDemandVersion, ...]
    instances: tuple[ManagedInstance, ...]
    environments: tuple[Environment, ...]
    launch_failures: tuple[LaunchFailure, ...] = ()
