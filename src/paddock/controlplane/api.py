"""What the API's handlers share: where they read and write, and whom they tell that something has changed.

A handler is `async (Api, Call) -> members of the answer`. It validates what the service model cannot, changes records
in one transaction, tells the fleet, answers. It never waits for the fleet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Protocol, TypeAlias

from paddock.controlplane.ec2.sightings import InstanceSightings
from paddock.controlplane.images import ImageIntake
from paddock.controlplane.limits import DEFAULT_CODE_STORAGE_BYTES
from paddock.controlplane.on_demand.provisioned import Provisioned
from paddock.core.routing.names import Named, named
from paddock.model.arns import Place, parse_capacity_provider
from paddock.model.capacity_provider import CapacityProvider
from paddock.model.errors import ApiError, conflict, not_found
from paddock.model.function import FunctionVersion
from paddock.model.ids import CapacityProviderName, FunctionName, FunctionVersionKey, VersionName
from paddock.model.instance_types import InstanceType
from paddock.model.network import Network
from paddock.model.states import CapacityProviderState
from paddock.ports.clock import IdSource
from paddock.ports.code import CodeStore
from paddock.ports.logs import LogStore
from paddock.ports.metrics import MetricStore
from paddock.ports.objects import ObjectSource
from paddock.ports.store import Store, Transaction
from paddock.runtimes.resolution import Resolution

Answer: TypeAlias = "Mapping[str, Any]"


class Call(Protocol):
    """What a handler may know of a request; its parameters have passed the service model's checks."""

    @property
    def params(self) -> Mapping[str, Any]: ...

    @property
    def now(self) -> datetime: ...


class FleetNews(Protocol):
    """Told after a change is on disk."""

    def provider_changed(self, name: CapacityProviderName) -> None: ...

    async def function_changed(self, name: FunctionName) -> None:
        """On return the routers were told: an invoke sent after our answer finds what we answered. A further router may
        be a moment behind with its reading.
        """
        ...


class RuntimeLookup(Protocol):
    async def resolve(self, runtime: str) -> Resolution:
        """What a runtime is on this machine. Raises `paddock.runtimes.errors.RuntimeUnavailable`."""
        ...


class CodeLinks(Protocol):
    def link(self, sha256: str, now: datetime) -> str:
        """Where a package can be downloaded for the next minutes by whoever has the link."""
        ...


@dataclass(frozen=True, slots=True)
class Api:
    store: Store
    code: CodeStore
    objects: ObjectSource
    logs: LogStore
    place: Place
    network: Network
    ids: IdSource
    runtimes: RuntimeLookup
    fleet: FleetNews
    links: CodeLinks
    arriving_code: asyncio.Lock
    """Guards packages between their arrival and the version that names them: nothing is removed meanwhile."""
    images: ImageIntake
    metrics: MetricStore
    instances: InstanceSightings
    offered_types: Callable[[], tuple[str, ...]]
    """Names of the instance types that could be launched at all."""
    instance_types: Callable[[], tuple[InstanceType, ...]]
    """The same with what they have."""
    account_concurrency: int = 1000
    code_storage_bytes: int = DEFAULT_CODE_STORAGE_BYTES
    endpoint: Callable[[], str] = lambda: "http://127.0.0.1:4600"
    """Where this server is reached; function URLs have its scheme and port."""
    function_url_domain: str = "localhost"
    provisioned: Callable[[FunctionVersionKey], Provisioned] = lambda _key: Provisioned()
    """How far the provisioned concurrency of a version is."""

    def function(self, call: Call, *, qualifier: str | None = None) -> Named:
        """Raises `ApiError`."""
        return named(call.params["FunctionName"], qualifier, self.place)

    def provider_name(self, text: str) -> CapacityProviderName:
        """Raises `ApiError` for an ARN of another region or account."""
        reference = parse_capacity_provider(text)
        elsewhere = reference.region not in (None, self.place.region) or reference.account_id not in (
            None,
            self.place.account_id,
        )
        if elsewhere:
            raise not_found(f"Capacity provider not found: {text}")
        return reference.name

    def provider(self, tx: Transaction, name: CapacityProviderName) -> CapacityProvider:
        found = tx.capacity_providers.get(name)
        if found is None:
            raise not_found(f"Capacity provider not found: {self.place.capacity_provider_arn(name)}")
        return found

    def usable_provider(self, tx: Transaction, name: CapacityProviderName) -> CapacityProvider:
        """One that functions may be put on: what is being deleted takes nobody in."""
        found = self.provider(tx, name)
        if found.state is CapacityProviderState.DELETING:
            raise conflict(f"The capacity provider is being deleted: {found.arn}")
        return found

    def version(self, tx: Transaction, name: FunctionName, qualifier: str | None) -> FunctionVersion:
        """The version that a name or alias means; unqualified it is `$LATEST`, which a function always has."""
        if qualifier is not None and (alias := tx.aliases.get((name, qualifier))) is not None:
            qualifier = alias.function_version
        found = tx.versions.get(FunctionVersionKey(name, VersionName(qualifier or "$LATEST")))
        if found is None:
            raise self.function_not_found(name, qualifier)
        return found

    def function_not_found(self, name: FunctionName, qualifier: str | None = None) -> ApiError:
        return not_found(f"Function not found: {self.place.function_arn(name, qualifier)}")


Handler: TypeAlias = "Callable[[Api, Call], Awaitable[Answer]]"
Level: TypeAlias = Literal["done", "partial"]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of AWS's model that is built; `note` says what is missing where it is partial."""

    service: str
    name: str
    handler: Handler
    level: Level = "done"
    note: str = ""
