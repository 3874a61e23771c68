"""Puts the parts of a server together: adapters are chosen and shells get their ports here, and nowhere else."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import parse_qs

from paddock import catalogue
from paddock.awsapi.access import Access
from paddock.awsapi.front import SHORT_WAY, Front, InvokeHandlers
from paddock.awsapi.messages import Request, Responder
from paddock.awsapi.operations import Operations
from paddock.awsapi.pipeline import Pipeline
from paddock.awsapi.plain import PlainRoute
from paddock.awsapi.replies import Reply
from paddock.awsapi.services import Services
from paddock.awsapi.sigv4 import Credential
from paddock.controlplane.control_plane import ControlPlane, ControlPlanePorts
from paddock.controlplane.function_credentials import CredentialSource
from paddock.controlplane.lease import Lease
from paddock.controlplane.runtime_lookup import ThreadedRuntimes
from paddock.controlplane.settings import ControlPlaneSettings
from paddock.core.api_rates import ApiRates
from paddock.core.counting import counted
from paddock.core.on_demand import Concurrency, OnDemandSettings
from paddock.images.opening import ImageSources
from paddock.launchers.local import AgentTerms, LocalIsolation, LocalLauncher
from paddock.model.arns import Place
from paddock.model.capacity_provider import Architecture
from paddock.model.errors import ApiError
from paddock.model.ids import NO_TENANT, AccountId, CapacityProviderName, FunctionVersionKey, Region, TenantId
from paddock.ports.clock import Clock, IdSource
from paddock.ports.demand import EnvironmentDemand
from paddock.ports.invoker import AsyncInvokeQueue, InvokeRequest
from paddock.router.feed import RouteFeed
from paddock.router.function_url_metrics import url_exposition
from paddock.router.metrics import CONTENT_TYPE, exposition
from paddock.router.on_demand import OnDemandTerms
from paddock.router.router import Router
from paddock.runtimes import RuntimeStore
from paddock.server.caller_identity import CALLER_IDENTITY, caller_identity
from paddock.server.data_dir import KeyPair
from paddock.server.function_credentials import sessions_of
from paddock.server.instance_network import InstanceNetworks
from paddock.server.network_file import load_network
from paddock.server.settings import Settings
from paddock.stores.code import EncryptedCodeStore
from paddock.stores.directories import DirectoryObjects
from paddock.stores.keyring import Keyring
from paddock.stores.logs import DiskLogStore
from paddock.stores.metric_files import DiskMetricStore
from paddock.stores.s3 import S3Objects
from paddock.stores.sql import SqlStore

ARCHITECTURES = {"x86_64": Architecture.X86_64, "aarch64": Architecture.ARM64, "arm64": Architecture.ARM64}
ENVIRONMENTS_PER_CORE = 32
"""Of default Lambda: one of an interpreted language holds 15 to 60 MB, and a core has some GB beside it."""
_SERVER_ID_DIGITS = 12


@dataclass(slots=True)
class Late:
    """What one part needs of another that is made after it; set once, before anything flows."""

    url: str = ""
    pipeline: Pipeline | None = None
    queue: AsyncInvokeQueue | None = None
    demand: EnvironmentDemand | None = None

    def endpoint(self) -> str:
        return self.url

    def error_reply(self, error: ApiError, request_id: str) -> Reply:
        assert self.pipeline is not None
        return self.pipeline.invoke_error(error, request_id)

    def want(self, key: FunctionVersionKey, waiting: int, tenant_id: TenantId = NO_TENANT) -> None:
        if self.demand is not None:
            self.demand.want(key, waiting, tenant_id)

    async def put(self, request: InvokeRequest) -> None:
        assert self.queue is not None
        await self.queue.put(request)


@dataclass(frozen=True, slots=True)
class Walls:
    """What this machine was found to hold instances in: `isolation` says in a line what their agents will find."""

    isolation: str
    networks: InstanceNetworks


@dataclass(frozen=True, slots=True)
class Composition:
    front: Front
    control_plane: ControlPlane
    feed: RouteFeed
    late: Late


@asynccontextmanager
async def composed(
    settings: Settings, keys: KeyPair, walls: Walls, clock: Clock, ids: IdSource, say: Callable[[str], None]
) -> AsyncIterator[Composition]:
    """A running server without its listener. Left in order, it ends the instances it started, unless told to keep them.

    Left by an exception, it leaves instances running: the next server takes them back.
    """
    place = Place(Region(settings.region), AccountId(settings.account_id))
    late = Late()
    server_id = ids.hex(_SERVER_ID_DIGITS)
    router = Router(
        place,
        clock=clock,
        ids=ids,
        queue=late,
        error_reply=late.error_reply,
        server_id=server_id,
        on_demand=OnDemandTerms(
            Concurrency(settings.account_concurrency, _on_demand_settings(settings).most_environments), late
        ),
        settings=settings.router(),
    )
    feed = RouteFeed(router)
    async with AsyncExitStack() as stack:
        ports = await _ports(settings, walls, router, feed, clock, ids, stack)
        running = await stack.enter_async_context(asyncio.TaskGroup())
        for chore in (router.run(), walls.networks.follow_ways_out()):
            stack.callback(running.create_task(chore).cancel)
        credentials = sessions_of(keys, ids)
        control_plane = ControlPlane(_control_plane_settings(settings, place, credentials, late, server_id), ports)
        async with control_plane:
            late.queue = control_plane.async_queue
            late.demand = control_plane
            yield _fronted(settings, keys, clock, ids, feed, control_plane, late)
        await _end_instances(settings, control_plane, say)


async def _ports(
    settings: Settings,
    walls: Walls,
    router: Router,
    feed: RouteFeed,
    clock: Clock,
    ids: IdSource,
    stack: AsyncExitStack,
) -> ControlPlanePorts:
    data_dir = settings.data_dir
    store = await stack.enter_async_context(SqlStore(data_dir / "paddock.db"))
    code_store = EncryptedCodeStore(data_dir / "code", Keyring.open(data_dir / "keyring.json"))
    stack.callback(code_store.close)
    buckets = S3Objects(settings.region)
    objects = DirectoryObjects(settings.hot_reload_dir, buckets)
    log_store = DiskLogStore(data_dir / "logs", clock)
    stack.callback(log_store.close)
    runtimes_dir = settings.runtimes_dir or data_dir
    launcher = LocalLauncher(
        data_dir,
        clock,
        region=settings.region,
        account_id=settings.account_id,
        terms=_agent_terms(settings),
        runtimes_dir=runtimes_dir,
        isolation=LocalIsolation(settings.isolation_min, walls.isolation),
        attachments=walls.networks.attachments,
    )
    return ControlPlanePorts(
        clock=clock,
        ids=ids,
        store=store,
        code_store=code_store,
        images=ImageSources(settings.images_dir),
        objects=objects,
        directories=objects if settings.hot_reload_dir else None,
        log_store=log_store,
        launcher=launcher,
        runtimes=ThreadedRuntimes(RuntimeStore(runtimes_dir, strict=settings.strict_runtimes)),
        routes=feed,
        invoker=router,
        metrics=await stack.enter_async_context(DiskMetricStore(data_dir / "metrics")),
        invocations=feed,
        urls=router,
        throttles=feed,
    )


def _agent_terms(settings: Settings) -> AgentTerms:
    return AgentTerms(
        strict_runtimes=settings.strict_runtimes,
        slots=settings.slot_settings(),
        idle_image_bytes=int(settings.idle_images_gib * 1024**3),
        start_seconds=settings.instance_start_seconds,
        ended_kept=settings.instance_ended_kept,
        machine_ports=load_network(settings.network_file, Region(settings.region)).machine_ports,
    )


def _control_plane_settings(
    settings: Settings, place: Place, credentials: CredentialSource, late: Late, server_id: str
) -> ControlPlaneSettings:
    prices = catalogue.load()
    return ControlPlaneSettings(
        place=place,
        network=load_network(settings.network_file, place.region),
        offered_types=prices.instance_types(place.region),
        machine_architecture=ARCHITECTURES.get(os.uname().machine, Architecture.X86_64),
        machine_cores=float(len(os.sched_getaffinity(0))),
        endpoint=late.endpoint,
        function_url_domain=settings.function_url_domain,
        server_id=server_id,
        cores_per_vcpu=settings.cores_per_vcpu,
        strict_cpu=settings.strict_cpu,
        instance_lifetime=timedelta(hours=settings.instance_lifetime_hours),
        instances=settings.instances(),
        function_credentials=credentials,
        planning=settings.planning(),
        lease=Lease(settings.instance_stale_seconds, settings.instance_lost_seconds),
        on_demand=_on_demand_settings(settings),
        account_concurrency=settings.account_concurrency,
        code_storage_bytes=int(settings.code_storage_gib * 1024**3),
        api_rates=_api_rates(settings),
        machine_memory_gib=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3,
        async_retry_delay=timedelta(seconds=settings.async_retry_seconds),
        async_concurrency=settings.async_concurrency,
    )


def _api_rates(settings: Settings) -> ApiRates | None:
    if settings.api_rates == "off":
        return None
    return ApiRates(
        capacity_provider_writes=settings.capacity_provider_writes_per_second,
        capacity_provider_reads=settings.capacity_provider_reads_per_second,
        get_function=settings.get_function_per_second,
        control_plane=settings.control_plane_requests_per_second,
    )


def _on_demand_settings(settings: Settings) -> OnDemandSettings:
    most = settings.default_lambda_environments
    if most is None:
        most = ENVIRONMENTS_PER_CORE * len(os.sched_getaffinity(0))
    return settings.on_demand(most)


def _fronted(
    settings: Settings,
    keys: KeyPair,
    clock: Clock,
    ids: IdSource,
    feed: RouteFeed,
    control_plane: ControlPlane,
    late: Late,
) -> Composition:
    credential = Credential(keys.secret_access_key, AccountId(settings.account_id))
    place = Place(Region(settings.region), AccountId(settings.account_id))
    access = Access(settings.auth, {keys.access_key_id: credential}, place, clock)
    operations = Operations()
    control_plane.register(operations)
    operations.register(CALLER_IDENTITY.service, CALLER_IDENTITY.name, caller_identity)
    for declaration in SHORT_WAY:
        operations.declare(declaration)
    late.pipeline = Pipeline(Services(), operations, access, clock)
    router = feed.local
    invokes = InvokeHandlers(router.front.invoke, router.front.invoke_with_response_stream)
    routes = (*_own_routes(access, control_plane), _metrics(feed, control_plane), *control_plane.plain_routes())
    urls = router.function_url_front(access)
    front = Front(late.pipeline, access, invokes, ids, routes, function_urls=urls.handle)
    return Composition(front, control_plane, feed, late)


def _own_routes(access: Access, control_plane: ControlPlane) -> tuple[PlainRoute, ...]:
    def health(_request: Request, responder: Responder) -> None:
        responder.send(200, [("Content-Type", "text/plain")], b"ready\n")

    async def status(request: Request, responder: Responder) -> None:
        access.identify(request)
        document = json.dumps(await control_plane.status()).encode()
        responder.send(200, [("Content-Type", "application/json")], document)

    async def patch(request: Request, responder: Responder) -> None:
        access.identify(request)
        if request.method != "POST":
            raise ApiError("MethodNotAllowedException", "A patch is asked for with POST", status=405)
        # An empty name is a name, of nothing: no provider at all means every one of them.
        provider = parse_qs(request.query, keep_blank_values=True).get("provider", [None])[0]
        begun = await control_plane.patch(None if provider is None else CapacityProviderName(provider))
        responder.send(202, [("Content-Type", "application/json")], json.dumps(begun).encode())

    return (
        PlainRoute("/health", health),
        PlainRoute("/_paddock/status", status),
        PlainRoute("/_paddock/patch", patch),
    )


def _metrics(feed: RouteFeed, control_plane: ControlPlane) -> PlainRoute:
    """For Prometheus: what all routers count and what the fleet is. Without a signature, as scrapers come."""

    def metrics(_request: Request, responder: Responder) -> None:
        text = exposition(feed.statistics()) + url_exposition(feed.local.url_statistics()) + control_plane.gauges()
        responder.send(200, [("Content-Type", CONTENT_TYPE)], text.encode())

    return PlainRoute("/metrics", metrics)


async def _end_instances(settings: Settings, control_plane: ControlPlane, say: Callable[[str], None]) -> None:
    if settings.keep_instances:
        say("stopped; instances go on running and are taken back at the next start")
        return

    def progress(ended: int, total: int) -> None:
        say(f"ended {ended} of {counted(total, 'instance')}")

    say("stopping: ending instances")
    left = await control_plane.stop_instances(progress)
    if left:
        say(f"{counted(left, 'instance')} did not end in time; the next start looks after them")
