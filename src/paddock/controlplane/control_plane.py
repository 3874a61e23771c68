"""The control plane as one thing: made from ports, opened as a context, asked for its operations, routes and status."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Self
from urllib.parse import urlsplit

from paddock.awsapi.messages import Request, Responder
from paddock.awsapi.operations import OperationHandler, Operations
from paddock.awsapi.plain import PlainRoute
from paddock.controlplane.agent_stream import AgentConnector, StreamConnector
from paddock.controlplane.api import Api, RuntimeLookup
from paddock.controlplane.api_rates import LIMITED_SERVICE, rate_limited
from paddock.controlplane.async_invokes import AsyncInvocations
from paddock.controlplane.cleanup import remove_unneeded_code
from paddock.controlplane.cloudwatch.exposition import exposition
from paddock.controlplane.cloudwatch.feed import MetricFeed
from paddock.controlplane.code_links import PATH, SignedCodeLinks, link_secret
from paddock.controlplane.downloads import send_package
from paddock.controlplane.ec2.sightings import InstanceSightings
from paddock.controlplane.ended_instances import ended_instances
from paddock.controlplane.fleet import Fleet
from paddock.controlplane.fleet_parts import FleetParts
from paddock.controlplane.hot_reload import HotReload
from paddock.controlplane.images import ImageIntake, SourceOpener
from paddock.controlplane.limits import CLEANUP_SECONDS
from paddock.controlplane.on_demand.provisioned import Provisioned
from paddock.controlplane.operations import OPERATIONS
from paddock.controlplane.patching import patch
from paddock.controlplane.routes import RoutePublisher
from paddock.controlplane.settings import ControlPlaneSettings
from paddock.controlplane.status import (
    decisions_of,
    default_lambda_status,
    provider_rows,
    provider_status,
    runtime_notes,
)
from paddock.controlplane.system_logs import SystemLog
from paddock.core.api_rates import ApiRateMeter
from paddock.core.on_demand import OnDemandSettings, OnDemandSnapshot, plan_on_demand
from paddock.core.planning import plan
from paddock.images.opening import ImageSources
from paddock.model.errors import not_found
from paddock.model.fleet import FleetSnapshot, Plan
from paddock.model.ids import (
    DEFAULT_LAMBDA,
    NO_TENANT,
    CapacityProviderName,
    EnvironmentId,
    FunctionVersionKey,
    InstanceId,
    TenantId,
)
from paddock.ports.clock import Clock, IdSource
from paddock.ports.code import CodeStore
from paddock.ports.invoker import AsyncInvokeQueue, Invoker, RouteSink
from paddock.ports.launcher import InstanceLauncher
from paddock.ports.logs import LogStore
from paddock.ports.metrics import InvocationSource, MetricStore, NoInvocations, NoUrls, UrlSource
from paddock.ports.objects import ObjectSource, SourceDirectories
from paddock.ports.store import Store, StoreError
from paddock.ports.throttles import NoThrottles, ThrottleSource

log = logging.getLogger(__name__)

_INSTANCE_ID_DIGITS = 17
_ENVIRONMENT_ID_DIGITS = 32


@dataclass(frozen=True, slots=True)
class ControlPlanePorts:
    """What it needs from outside. `routes` and `invoker` are the router's two sides; `connector` reaches agents;
    `directories` is None where hot reload is off.
    """

    clock: Clock
    ids: IdSource
    store: Store
    code_store: CodeStore
    objects: ObjectSource
    log_store: LogStore
    launcher: InstanceLauncher
    runtimes: RuntimeLookup
    routes: RouteSink
    invoker: Invoker
    metrics: MetricStore
    invocations: InvocationSource = field(default_factory=NoInvocations)
    urls: UrlSource = field(default_factory=NoUrls)
    throttles: ThrottleSource = field(default_factory=NoThrottles)
    connector: AgentConnector = field(default_factory=StreamConnector)
    directories: SourceDirectories | None = None
    images: SourceOpener = field(default_factory=ImageSources)


class ControlPlane:
    """An async context manager: entered, it takes up all that an earlier server left; left, instances run on."""

    def __init__(self, settings: ControlPlaneSettings, ports: ControlPlanePorts) -> None:
        self._settings = settings
        self._clock = ports.clock
        self._ids = ports.ids
        self._store = ports.store
        self._code = ports.code_store
        self._objects = ports.objects
        self._directories = ports.directories
        self._hot_reload: HotReload | None = None
        self._images = ImageIntake(ports.code_store, ports.images)
        self._logs = ports.log_store
        self._launcher = ports.launcher
        self._runtimes = ports.runtimes
        self._system_log = SystemLog(ports.log_store, ports.clock)
        self._arriving_code = asyncio.Lock()  # guards packages that no version names yet against the cleanup
        self._fleet = Fleet(
            FleetParts(
                store=ports.store,
                launcher=ports.launcher,
                code=ports.code_store,
                logs=ports.log_store,
                clock=ports.clock,
                ids=ports.ids,
                settings=settings,
                planner=partial(_plan, ids=PlanIdSource(ports.ids), settings=settings),
                on_demand_planner=partial(_plan_on_demand, ids=PlanIdSource(ports.ids), settings=settings.on_demand),
                connector=ports.connector,
                throttles=ports.throttles,
                routes=RoutePublisher(ports.routes),
                system_log=self._system_log,
            )
        )
        self._async = AsyncInvocations(
            ports.store,
            ports.invoker,
            ports.log_store,
            ports.clock,
            retry_delay=settings.async_retry_delay,
            concurrency=settings.async_concurrency,
        )
        self._metrics = ports.metrics
        self._feed = MetricFeed(ports.metrics, ports.clock, self._fleet.inventories, ports.invocations, ports.urls)
        self._sightings = InstanceSightings(lambda: self._fleet.inventories().values(), ports.clock)
        self._links: SignedCodeLinks | None = None
        self._tasks = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        secret = await link_secret(self._store, self._ids)
        self._links = SignedCodeLinks(secret, self._settings.endpoint, self._code)
        self._sightings.take_back(await self._store.read(ended_instances))
        await self._fleet.start()
        group = await self._tasks.enter_async_context(asyncio.TaskGroup())
        running = [
            group.create_task(self._fleet.run()),
            group.create_task(self._async.run()),
            group.create_task(self._system_log.run()),
            group.create_task(self._feed.run()),
            group.create_task(self._sightings.run()),
            group.create_task(self._clean_up_regularly()),
        ]
        if self._directories is not None:
            self._hot_reload = HotReload(self._api(), self._directories, self._clock)
            running.append(group.create_task(self._hot_reload.run()))
        for task in running:
            self._tasks.callback(task.cancel)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self._tasks.aclose()

    async def taken_back(self) -> None:
        """Returns when what an earlier server left running is known again, or is silent for longer than an agent may be
        before it gets nothing new. Who is answered earlier may be refused for want of slots that are there.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.lease.stale_seconds):
                await self._fleet.taken_back()

    @property
    def async_queue(self) -> AsyncInvokeQueue:
        return self._async

    def want(self, key: FunctionVersionKey, waiting: int, tenant_id: TenantId = NO_TENANT) -> None:
        """So many invocations of default Lambda wait for an environment of the version (`EnvironmentDemand`)."""
        if self._fleet.on_demand is not None:
            self._fleet.on_demand.want(key, waiting, tenant_id)

    def register(self, operations: Operations) -> None:
        """Declare every operation that is built. Only within the context."""
        api = self._api()
        rates = self._settings.api_rates
        meter = None if rates is None else ApiRateMeter(rates)
        for each in OPERATIONS:
            handler: OperationHandler = partial(each.handler, api)
            if meter is not None and each.service == LIMITED_SERVICE:
                handler = rate_limited(each.name, handler, meter, self._clock)
            operations.register(each.service, each.name, handler, level=each.level, note=each.note)

    def plain_routes(self) -> tuple[PlainRoute, ...]:
        """Paths that need no signature: download links carry their own."""
        return (PlainRoute(PATH, self._download, prefix=True),)

    def gauges(self) -> str:
        """What the fleet is now, as Prometheus reads it."""
        return exposition(self._feed.latest, self._feed.totals)

    async def status(self) -> dict[str, Any]:
        rows, decisions = await self._store.read(lambda tx: (provider_rows(tx), decisions_of(tx, DEFAULT_LAMBDA)))
        now, monotonic = self._clock.now(), self._clock.monotonic()
        capabilities = self._launcher.capabilities()
        return {
            "at": now.isoformat(),
            "region": self._settings.place.region,
            "server_id": self._settings.server_id,
            "launcher": {
                "name": capabilities.name,
                "cpu_enforced": capabilities.cpu_enforced,
                "memory_enforced": capabilities.memory_enforced,
                "network": capabilities.network,
                "isolation": capabilities.isolation,
            },
            "hot_reload": [] if self._hot_reload is None else self._hot_reload.notes(),
            "runtime_notes": runtime_notes(list(self._fleet.reconcilers.values())),
            "default_lambda": default_lambda_status(self._fleet.on_demand, decisions, now=now, monotonic=monotonic),
            "providers": [
                provider_status(
                    provider, made, self._fleet.reconcilers.get(provider.name), now=now, monotonic=monotonic
                )
                for provider, made in rows
            ],
        }

    async def patch(self, provider: CapacityProviderName | None) -> dict[str, Any]:
        """Have the instances of a provider, or all, replaced one after another. Raises `ApiError`.

        Nothing is begun where a patch is under way.
        """
        if provider is not None and provider not in self._fleet.reconcilers:
            raise not_found(f"Capacity provider not found: {self._settings.place.capacity_provider_arn(provider)}")
        chosen = [each for name, each in self._fleet.reconcilers.items() if provider in (None, name)]
        return {"instances": await patch(chosen, self._store)}

    async def stop_instances(self, progress: Callable[[int, int], None] = lambda ended, total: None) -> int:
        """End every instance; to be called after the context was left. How many did not end in time."""
        return await self._fleet.stop_instances(progress)

    def _api(self) -> Api:
        assert self._links is not None, "operations are answered only within the context"
        return Api(
            store=self._store,
            code=self._code,
            objects=self._objects,
            logs=self._logs,
            place=self._settings.place,
            network=self._settings.network,
            ids=self._ids,
            runtimes=self._runtimes,
            fleet=self._fleet,
            links=self._links,
            arriving_code=self._arriving_code,
            images=self._images,
            metrics=self._metrics,
            instances=self._sightings,
            offered_types=lambda: tuple(each.name for each in self._settings.offered_types),
            instance_types=lambda: self._settings.offered_types,
            account_concurrency=self._settings.account_concurrency,
            code_storage_bytes=self._settings.code_storage_bytes,
            provisioned=self._provisioned,
            endpoint=self._settings.endpoint,
            function_url_domain=self._settings.function_url_domain,
        )

    def _provisioned(self, key: FunctionVersionKey) -> Provisioned:
        return Provisioned() if self._fleet.on_demand is None else self._fleet.on_demand.provisioned(key)

    async def _download(self, request: Request, responder: Responder) -> None:
        assert self._links is not None
        path = urlsplit(request.path).path
        await send_package(self._links.fetch(path, request.query, self._clock.now()), responder)

    async def _clean_up_regularly(self) -> None:
        while True:
            try:
                await remove_unneeded_code(self._store, self._code, self._arriving_code, self._images.arriving)
            except StoreError as error:
                log.error("unneeded packages cannot be removed: %s", error.message)  # noqa: TRY400
            except Exception:
                log.exception("unneeded packages cannot be removed")
            await asyncio.sleep(CLEANUP_SECONDS)


class PlanIdSource:
    """Ids for planning, drawn from the server's own source."""

    def __init__(self, ids: IdSource) -> None:
        self._ids = ids

    def instance_id(self) -> InstanceId:
        return InstanceId(f"i-{self._ids.hex(_INSTANCE_ID_DIGITS)}")

    def environment_id(self) -> EnvironmentId:
        return EnvironmentId(f"env-{self._ids.hex(_ENVIRONMENT_ID_DIGITS)}")


def _plan_on_demand(
    snapshot: OnDemandSnapshot, now: datetime, *, ids: PlanIdSource, settings: OnDemandSettings
) -> Plan:
    return plan_on_demand(snapshot, now=now, ids=ids, settings=settings)


def _plan(snapshot: FleetSnapshot, now: datetime, *, ids: PlanIdSource, settings: ControlPlaneSettings) -> Plan:
    return plan(snapshot, now=now, ids=ids, settings=settings.planning)
