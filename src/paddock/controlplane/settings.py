"""What the control plane can be told. Made by the composition root from the server's settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from paddock.core.planning import DEFAULT_SETTINGS, PlanningSettings
from paddock.model.arns import Place
from paddock.model.instance_types import InstanceType
from paddock.model.network import Network


@dataclass(frozen=True, slots=True)
class ControlPlaneSettings:
    """`machine_cores` is what this machine has; `cores_per_vcpu` None derives a vCPU's worth from it.

    `endpoint` gives the URL the server is reached by, once it is known. `function_credentials` go into every execution
    environment and never into a log.
    """

    place: Place
    network: Network
    offered_types: tuple[InstanceType, ...]
    machine_cores: float
    endpoint: Callable[[], str]
    server_id: str
    cores_per_vcpu: float | None = None
    strict_cpu: bool = False
    instance_lifetime: timedelta = timedelta(days=14)
    function_credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    planning: PlanningSettings = DEFAULT_SETTINGS
    async_retry_delay: timedelta = timedelta(minutes=1)
    """Before the first retry of a failed asynchronous invoke; the second waits twice as long."""
    async_concurrency: int = 256
    """Asynchronous invocations in progress at once; more than that wait in the store."""
