"""What survives: the control plane's records and how they are read and changed.

A change is a function that gets a `Transaction`: all of it is kept or none. It runs on the store's own thread, one at a
time, so it may check and then write; it must be quick, must not wait and must not reach for anything but its arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, TypeVar

from paddock.model.capacity_provider import CapacityProvider
from paddock.model.code_signing import CodeSigningConfig
from paddock.model.errors import PlatformError
from paddock.model.fleet import LaunchFailure, Reason
from paddock.model.function import Alias, Function, FunctionVersion
from paddock.model.ids import (
    NO_TENANT,
    AvailabilityZone,
    CapacityProviderName,
    CodeSigningConfigId,
    FunctionName,
    FunctionVersionKey,
    InstanceId,
    InvocationId,
    LayerName,
    SecurityGroupId,
    SubnetId,
    TenantId,
)
from paddock.model.instance_types import InstanceType
from paddock.model.layer import Layer, LayerVersion
from paddock.model.states import InstancePhase

K_contra = TypeVar("K_contra", contravariant=True)
V = TypeVar("V")
T = TypeVar("T")


class StoreError(PlatformError):
    """The store cannot be used (full disk, damaged file, locked by somebody); one line that says what to do."""


@dataclass(frozen=True, slots=True)
class InstanceIntent:
    """A managed instance as we want it, kept before anything is launched and until nothing of it is left.

    `token` opens its agent's connection. `entitled_cores` is what its vCPUs are worth on this machine.
    """

    instance_id: InstanceId
    provider: CapacityProviderName
    instance_type: InstanceType
    zone: AvailabilityZone
    subnet_id: SubnetId
    phase: InstancePhase
    entitled_cores: float
    requested_at: datetime
    token: str = field(repr=False)
    security_group_ids: tuple[SecurityGroupId, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    """Those of the launch; what anybody adds later is a `TagSet`."""
    stop_reason: str | None = None
    replace_reason: str | None = None
    """Why it was asked to be replaced (a patch); it is carried on after a restart."""
    draining: bool = False
    """It is being emptied: what has been begun cannot be told from its environments alone."""


@dataclass(frozen=True, slots=True)
class FailedLaunch:
    instance_id: InstanceId
    provider: CapacityProviderName
    failure: LaunchFailure


@dataclass(frozen=True, slots=True)
class EndedInstance:
    """One that EC2 goes on showing for a while. Its intent is kept without the token: nothing of it can be opened."""

    intent: InstanceIntent
    ended_at: datetime


@dataclass(frozen=True, slots=True)
class PlanRecord:
    """One decision about a provider's fleet: what it changes and why. `number` counts up per provider."""

    provider: CapacityProviderName
    number: int
    at: datetime
    actions: tuple[str, ...]
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class TagSet:
    resource_arn: str
    tags: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class AcceptedInvocation:
    """An asynchronous invocation that was answered with 202 and has not come to its end. Kept until it has."""

    invocation_id: InvocationId
    function_name: FunctionName
    qualifier: str | None
    accepted_at: datetime
    due_at: datetime
    errors: int = 0
    """How often the function itself failed; throttles are not counted."""
    throttles: int = 0
    client_context: str = field(default="", repr=False)
    trace_header: str = ""
    payload: bytes = field(default=b"", repr=False)
    tenant_id: TenantId = NO_TENANT


@dataclass(frozen=True, slots=True)
class StoredValue:
    """A small fact of the server itself, e.g. the secret its download links are signed with."""

    name: str
    value: str = field(repr=False)


class Records(Protocol[K_contra, V]):
    """All records of one kind. What a kind can be selected by, `paddock.stores.records` says."""

    def get(self, key: K_contra) -> V | None: ...

    def put(self, value: V) -> None:
        """Insert, or replace the record of the same key."""
        ...

    def put_many(self, values: Sequence[V]) -> None: ...

    def delete(self, key: K_contra) -> None:
        """An unknown key is already deleted."""
        ...

    def delete_many(self, keys: Sequence[K_contra]) -> None: ...

    def select(
        self,
        *,
        order_by: str | None = None,
        descending: bool = False,
        limit: int | None = None,
        **equals: str,
    ) -> list[V]:
        """Those whose columns equal `equals`, in order of their keys or of one column."""
        ...

    def count(self, **equals: str) -> int: ...


class Transaction(Protocol):
    @property
    def capacity_providers(self) -> Records[CapacityProviderName, CapacityProvider]: ...

    @property
    def functions(self) -> Records[FunctionName, Function]: ...

    @property
    def versions(self) -> Records[FunctionVersionKey, FunctionVersion]:
        """Columns: `function_name`; `provider` of the newest publish; `serving_provider`, empty when nothing serves."""
        ...

    @property
    def aliases(self) -> Records[tuple[FunctionName, str], Alias]:
        """Columns: `function_name`."""
        ...

    @property
    def tags(self) -> Records[str, TagSet]: ...

    @property
    def instances(self) -> Records[InstanceId, InstanceIntent]:
        """Columns: `provider`."""
        ...

    @property
    def failed_launches(self) -> Records[InstanceId, FailedLaunch]:
        """Columns: `provider`, `at`."""
        ...

    @property
    def ended_instances(self) -> Records[InstanceId, EndedInstance]:
        """Columns: `ended_at`."""
        ...

    @property
    def plans(self) -> Records[tuple[CapacityProviderName, int], PlanRecord]:
        """Columns: `provider`."""
        ...

    @property
    def invocations(self) -> Records[InvocationId, AcceptedInvocation]:
        """Columns: `due_at`."""
        ...

    @property
    def values(self) -> Records[str, StoredValue]: ...

    @property
    def layers(self) -> Records[LayerName, Layer]: ...

    @property
    def layer_versions(self) -> Records[tuple[LayerName, int], LayerVersion]:
        """Columns: `layer_name`."""
        ...

    @property
    def code_signing_configs(self) -> Records[CodeSigningConfigId, CodeSigningConfig]: ...


class Store(Protocol):
    async def read(self, work: Callable[[Transaction], T]) -> T:
        """What `work` sees is one moment's truth; it must not write. It returns after every `write` of which it has
        seen something: what a writer does next without waiting has then been done.
        """
        ...

    async def write(self, work: Callable[[Transaction], T]) -> T:
        """Done when it is on disk. An exception of `work` undoes all of it and is raised here. Writes return in the
        order in which their `work` was done.
        """
        ...
