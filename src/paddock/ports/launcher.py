"""Where managed instances come from. One contract for every launcher, held by one conformance kit (`paddock.testing`).

- Our id is stored before the call and never runs twice: `launch` with a known id is the same instance.
- `list` is the truth, complete for our owner label; `watch` (where there is one) is a hint.
- A launch has a deadline; the whole process tree dies with the instance.
- Errors map to AWS's reason codes. A launcher keeps no state that `list` cannot rebuild.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from paddock.model.ids import AvailabilityZone, CapacityProviderName, InstanceId, SecurityGroupId, SubnetId
from paddock.model.instance_types import InstanceType
from paddock.model.states import InstancePhase, StateReasonCode


@dataclass(frozen=True, slots=True)
class LaunchRequest:
    """`entitled_cores` is what the instance's vCPUs are worth on this machine; `token` opens its agent's connection."""

    instance_id: InstanceId
    provider: CapacityProviderName
    instance_type: InstanceType
    zone: AvailabilityZone
    subnet_id: SubnetId
    security_group_ids: tuple[SecurityGroupId, ...]
    entitled_cores: float
    strict_cpu: bool
    token: str = field(repr=False)
    tags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ObservedInstance:
    """`address` is how to reach the agent (`unix:/path` or `tcp:address:port`), None until it is known;
    `private_ip_address` that of its interface in a subnet, None where it has none of its own.
    """

    instance_id: InstanceId
    provider: CapacityProviderName
    phase: InstancePhase
    zone: AvailabilityZone
    address: str | None
    token: str | None = field(repr=False)
    started_at: datetime | None
    reason: str | None = None
    private_ip_address: str | None = None


class LaunchError(Exception):
    """A refused launch. One that is not `transient` will fail again until somebody removes the cause."""

    def __init__(self, reason_code: StateReasonCode, text: str, *, transient: bool) -> None:
        super().__init__(f"{reason_code}: {text}")
        self.reason_code = reason_code
        self.text = text
        self.transient = transient


@dataclass(frozen=True, slots=True)
class LauncherCapabilities:
    """What is said in `paddock status`: nothing here is promised that the launcher does not enforce."""

    name: str
    cpu_enforced: bool
    memory_enforced: bool
    network: str
    isolation: str


class InstanceLauncher(Protocol):
    async def launch(self, request: LaunchRequest) -> None:
        """Accept the launch; the instance is there when its agent answers. Raises `LaunchError`."""
        ...

    async def terminate(self, instance_id: InstanceId, grace_seconds: float) -> None:
        """Begin to end it; unknown ids are already ended. Returns when accepted."""
        ...

    async def list(self) -> tuple[ObservedInstance, ...]: ...

    def capabilities(self) -> LauncherCapabilities: ...
