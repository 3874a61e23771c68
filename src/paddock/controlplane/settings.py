"""What the control plane can be told. Made by the composition root from the server's settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from paddock.controlplane.function_credentials import CredentialSource, no_credentials
from paddock.controlplane.lease import Lease
from paddock.controlplane.limits import DEFAULT_CODE_STORAGE_BYTES
from paddock.core.api_rates import ApiRates
from paddock.core.on_demand import OnDemandSettings
from paddock.core.planning import DEFAULT_SETTINGS, PlanningSettings
from paddock.model.arns import Place
from paddock.model.capacity_provider import Architecture
from paddock.model.instance_types import InstanceType
from paddock.model.network import Network


@dataclass(frozen=True, slots=True)
class InstanceSettings:
    """How instances come and go where AWS is silent."""

    launches_at_once: int = 8
    """Of one provider: on one machine each launch is a process that starts, and takes its CPU from those that serve."""
    termination_grace: timedelta = timedelta(seconds=5)
    """For an instance on which nothing is left that anybody waits for: extensions and telemetry have that long."""
    stop_grace: timedelta = timedelta(seconds=10)
    """For all instances when the server ends them: what is in flight may be answered."""


DEFAULT_INSTANCES = InstanceSettings()
DEFAULT_ASYNC_CONCURRENCY = 256


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
    function_url_domain: str = "localhost"
    instance_lifetime: timedelta = timedelta(days=14)
    instances: InstanceSettings = DEFAULT_INSTANCES
    function_credentials: CredentialSource = field(default=no_credentials, repr=False)
    planning: PlanningSettings = DEFAULT_SETTINGS
    lease: Lease = field(default_factory=Lease)
    async_retry_delay: timedelta = timedelta(minutes=1)
    """Before the first retry of a failed asynchronous invoke; the second waits twice as long."""
    async_concurrency: int = DEFAULT_ASYNC_CONCURRENCY
    """Asynchronous invocations in progress at once; more than that wait in the store."""
    on_demand: OnDemandSettings = field(default_factory=OnDemandSettings)
    account_concurrency: int = 1000
    """Invocations of default Lambda at once, of all functions together; AWS's default."""
    code_storage_bytes: int = DEFAULT_CODE_STORAGE_BYTES
    api_rates: ApiRates | None = None
    """How often Lambda's API may be called; None: as often as one likes."""
    machine_memory_gib: float = 8.0
    machine_architecture: Architecture = Architecture.X86_64

    @property
    def on_demand_instance_type(self) -> InstanceType:
        """Default Lambda's share of this machine: all of it, as a weight like any instance's."""
        cores = max(1, round(self.machine_cores))
        return InstanceType("default-lambda", cores, self.machine_memory_gib, self.machine_architecture)
