"""One server put together on a network in memory: the real control plane and router, and all that outlives them."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from paddock.awsapi.access import Access
from paddock.awsapi.front import Front, InvokeHandlers
from paddock.awsapi.http import Address, serve
from paddock.awsapi.operations import Operations
from paddock.awsapi.pipeline import Pipeline
from paddock.awsapi.replies import Reply
from paddock.awsapi.services import Services
from paddock.awsapi.turns import Turns
from paddock.controlplane.control_plane import ControlPlane, ControlPlanePorts
from paddock.controlplane.lease import Lease
from paddock.controlplane.settings import ControlPlaneSettings
from paddock.core.on_demand import Concurrency, OnDemandSettings
from paddock.core.planning import DEFAULT_SETTINGS
from paddock.model.arns import Place
from paddock.model.capacity_provider import Architecture
from paddock.model.errors import ApiError
from paddock.model.ids import NO_TENANT, AccountId, FunctionVersionKey, Region, TenantId
from paddock.model.instance_types import InstanceType
from paddock.model.network import default_network
from paddock.model.runtimes import find_runtime
from paddock.ports.clock import Dice, SeededIds
from paddock.ports.invoker import AsyncInvokeQueue, InvokeRequest
from paddock.ports.objects import ObjectUnavailable
from paddock.router.feed import RouteFeed
from paddock.router.on_demand import OnDemandTerms
from paddock.router.process import RouterOrders
from paddock.router.router import Router
from paddock.runtimes.resolution import Resolution
from paddock.simulator.kernel import VirtualClock
from paddock.simulator.network import MemoryProcess, belong_to
from paddock.simulator.whole.callers import HOST, PORT
from paddock.simulator.whole.instances import AgentLauncher
from paddock.simulator.whole.routers import Siblings
from paddock.simulator.whole.runtimes import Truth
from paddock.simulator.whole.watched_store import WatchedStore
from paddock.stores.code import MemoryCodeStore
from paddock.stores.memory_logs import MemoryLogStore
from paddock.stores.metrics import MemoryMetricStore

PLACE = Place(Region("us-east-1"), AccountId("000000000000"))
ROLE = "arn:aws:iam::000000000000:role/anything"
TYPES = (
    InstanceType("m7i.large", 2, 8.0, Architecture.X86_64),
    InstanceType("m7i.xlarge", 4, 16.0, Architecture.X86_64),
)
ACCOUNT_CONCURRENCY = 12
"""Of the router; the API keeps AWS's default, under which something may be reserved."""
MOST_ENVIRONMENTS = 8
RETRY = timedelta(seconds=5)
PLANNING = DEFAULT_SETTINGS
LEASE = Lease()
NO_GRACE_SECONDS = 0.0
"""A server that is killed lets nothing end."""


@dataclass(frozen=True)
class Call:
    """What a handler of the control plane is asked."""

    params: dict[str, Any]
    now: datetime


class _Runtimes:
    async def resolve(self, runtime: str) -> Resolution:
        found = find_runtime(runtime)
        assert found is not None
        return Resolution(found, None, None, "3.13.1", True, "", "awslambdaric", "4.2.2")


class _NoObjects:
    async def fetch(self, bucket: str, key: str, version: str | None, max_bytes: int) -> bytes:
        raise ObjectUnavailable("NoSuchBucket", bucket)


class _Late:
    """The control plane's sides that the router needs before there is one."""

    def __init__(self) -> None:
        self.control_plane: ControlPlane | None = None
        self.queue: AsyncInvokeQueue | None = None
        self.pipeline: Pipeline | None = None

    def error_reply(self, error: ApiError, request_id: str) -> Reply:
        assert self.pipeline is not None
        return self.pipeline.invoke_error(error, request_id)

    def want(self, key: FunctionVersionKey, waiting: int, tenant_id: TenantId = NO_TENANT) -> None:
        if self.control_plane is not None:
            self.control_plane.want(key, waiting, tenant_id)

    async def put(self, request: InvokeRequest) -> None:
        assert self.queue is not None
        await self.queue.put(request)


class World:
    """`router`, `feed`, `control_plane` and `call` belong to the server that is up; the rest outlives it.

    `further_routers` run beside the server's own.
    """

    def __init__(self, clock: VirtualClock, dice: Dice, seed: int, directory: Path, group: asyncio.TaskGroup) -> None:
        self.clock = clock
        self.ids = SeededIds(seed + 1)
        self.store = WatchedStore()
        self.code = MemoryCodeStore()
        self.logs = MemoryLogStore(clock)
        self.metrics = MemoryMetricStore()
        self.truth = Truth(dice)
        hang_seconds = PLANNING.launch_deadline.total_seconds()
        self.launcher = AgentLauncher(clock, self.ids, dice, self.truth, directory, group, hang_seconds)
        self.siblings = Siblings(clock, self.ids, group)
        self.further_routers = 0
        self.router: Router | None = None
        self.feed: RouteFeed | None = None
        self.feed_path = ""
        self.control_plane: ControlPlane | None = None
        self.started_at = 0.0
        self._directory = directory
        self._operations = Operations()

    @asynccontextmanager
    async def server(self) -> AsyncIterator[None]:
        """A process of its own: it ends as one that is killed does, with all it has of the network at once."""
        process = MemoryProcess()
        belong_to(process)
        late = _Late()
        server_id = self.ids.hex(12)
        router = Router(
            PLACE,
            clock=self.clock,
            ids=self.ids,
            queue=late,
            error_reply=late.error_reply,
            server_id=server_id,
            on_demand=OnDemandTerms(Concurrency(ACCOUNT_CONCURRENCY, MOST_ENVIRONMENTS), late),
        )
        feed = RouteFeed(router)
        async with asyncio.TaskGroup() as group:
            routing = group.create_task(router.run())
            control_plane = ControlPlane(self._settings(server_id), self._ports(feed))
            try:
                async with control_plane, self._fronted(control_plane, feed, late, group):
                    self.control_plane, self.router, self.feed = control_plane, router, feed
                    self.started_at = self.clock.monotonic()
                    try:
                        yield
                    finally:
                        process.die()
                        self.control_plane = self.router = self.feed = None
            finally:
                routing.cancel()

    @asynccontextmanager
    async def _fronted(
        self, control_plane: ControlPlane, feed: RouteFeed, late: _Late, group: asyncio.TaskGroup
    ) -> AsyncIterator[None]:
        """What `server.composition` and `server.routers` put before it: the AWS front, the feed, further routers."""
        late.control_plane, late.queue = control_plane, control_plane.async_queue
        operations = self._operations = Operations()
        control_plane.register(operations)
        access = Access("none", {}, PLACE, self.clock)
        late.pipeline = Pipeline(Services(), operations, access, self.clock)
        invokes = InvokeHandlers(feed.local.front.invoke, feed.local.front.invoke_with_response_stream)
        front = Front(late.pipeline, access, invokes, self.ids)
        serve_at = partial(
            serve,
            Turns(front.handle).handle,
            clock=self.clock,
            refuse=front.refuse,
            body_limit=front.body_limit,
            grace_seconds=NO_GRACE_SECONDS,
        )
        await control_plane.taken_back()
        await feed.local.reach_all()
        private = self._directory / f"{feed.local.server_id}.sock"
        self.feed_path = f"{private}.routes"
        async with (
            front.running(),
            serve_at(Address(HOST, PORT, reuse_port=True)),
            feed.listening(Path(self.feed_path)),
            serve_at(Address(unix_path=private)),
        ):
            orders = self._orders(feed.local.server_id, private)
            keepers = [group.create_task(self.siblings.keep_one(orders)) for _ in range(self.further_routers)]
            try:
                yield
            finally:
                for keeper in keepers:
                    keeper.cancel()

    def _orders(self, server_id: str, private: Path) -> RouterOrders:
        return RouterOrders(
            host=HOST,
            port=PORT,
            region=PLACE.region,
            account_id=PLACE.account_id,
            auth="none",
            keys={},
            feed_path=self.feed_path,
            server_path=str(private),
            server_id=server_id,
        )

    def routers(self) -> list[Router]:
        """All that listen now, also those that are about to end."""
        beside = [each.router for each in self.siblings.living if each.router is not None]
        return beside if self.router is None else [self.router, *beside]

    def _ports(self, feed: RouteFeed) -> ControlPlanePorts:
        return ControlPlanePorts(
            clock=self.clock,
            ids=self.ids,
            store=self.store,
            code_store=self.code,
            objects=_NoObjects(),
            log_store=self.logs,
            launcher=self.launcher,
            runtimes=_Runtimes(),
            routes=feed,
            invoker=feed.local,
            metrics=self.metrics,
            invocations=feed,
            throttles=feed,
        )

    def _settings(self, server_id: str) -> ControlPlaneSettings:
        return ControlPlaneSettings(
            place=PLACE,
            network=default_network(PLACE.region),
            offered_types=TYPES,
            machine_cores=2.0,
            endpoint=lambda: "http://127.0.0.1:4600",
            server_id=server_id,
            planning=PLANNING,
            lease=LEASE,
            on_demand=OnDemandSettings(idle=timedelta(seconds=20), most_environments=MOST_ENVIRONMENTS),
            async_retry_delay=RETRY,
        )

    async def call(self, operation: str, **params: Any) -> Any:
        handler: Any = self._operations.find("lambda", operation)
        return await handler(Call(params, self.clock.now()))

    async def create_provider(self, name: str) -> None:
        network = {"SubnetIds": ["subnet-a", "subnet-b", "subnet-c"], "SecurityGroupIds": []}
        permissions = {"CapacityProviderOperatorRoleArn": ROLE}
        await self.call(
            "CreateCapacityProvider", CapacityProviderName=name, PermissionsConfig=permissions, VpcConfig=network
        )

    async def create_function(self, name: str, provider: str | None, *, per_tenant: bool = False) -> None:
        members: dict[str, Any] = {"TenancyConfig": {"TenantIsolationMode": "PER_TENANT"}} if per_tenant else {}
        if provider is not None:
            arn = f"arn:aws:lambda:{PLACE.region}:{PLACE.account_id}:capacity-provider:{provider}"
            managed = {"CapacityProviderArn": arn, "PerExecutionEnvironmentMaxConcurrency": 4}
            members = {
                "CapacityProviderConfig": {"LambdaManagedInstancesCapacityProviderConfig": managed},
                "MemorySize": 2048,
            }
        await self.call(
            "CreateFunction",
            FunctionName=name,
            Role=ROLE,
            Runtime="python3.13",
            Handler="app.handler",
            Code={"ZipFile": _package()},
            **members,
        )


def _package() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("app.py"), "def handler(event, context): return event")
    return buffer.getvalue()
