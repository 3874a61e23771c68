"""The router: routes in, invocations through, counts out. One event loop owns all of it.

It keeps nothing that routes and agents cannot tell it again, so it can run in the server or as a process.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet

from paddock.awsapi.access import Access
from paddock.core.routing.names import named
from paddock.core.routing.table import RoutingTable
from paddock.core.routing.tenants import checked_tenant
from paddock.model.arns import Place
from paddock.model.errors import ApiError
from paddock.model.ids import (
    NO_TENANT,
    AvailabilityZone,
    EnvironmentId,
    FunctionName,
    FunctionVersionKey,
    InstanceId,
)
from paddock.ports.clock import Clock, IdSource
from paddock.ports.invoker import AsyncInvokeQueue, InvokeRequest, InvokeResult
from paddock.ports.store import StoreError
from paddock.router.answers import NOT_STORED, ErrorReply, HttpRefusals, rate_exceeded
from paddock.router.callers import InnerCall
from paddock.router.connections import Connections
from paddock.router.content import checked_payload
from paddock.router.dispatch import Dispatcher
from paddock.router.front import InvokeFront, dice_of
from paddock.router.function_url_front import FunctionUrlFront
from paddock.router.function_urls import FunctionUrls, UrlStatistics
from paddock.router.limits import PENDING_EVENTS
from paddock.router.on_demand import OnDemandTerms
from paddock.router.routes import function_rules, placement
from paddock.router.settings import DEFAULT_ROUTER_SETTINGS, RouterSettings
from paddock.router.statistics import VersionStatistics
from paddock.router.traces import TraceHeaders
from paddock.wire.routes import (
    EnvironmentRoute,
    EnvironmentRouteRemoved,
    EnvironmentStartFailed,
    FunctionRoute,
    FunctionRouteRemoved,
    InstanceRoute,
    InstanceRouteRemoved,
    RoutesReplaced,
)

log = logging.getLogger(__name__)

REACH_SECONDS = 1.0
"""A new router waits so long for agents before it listens: one that cannot be reached must not keep it waiting."""
REACH_PAUSE_SECONDS = 0.01


class Router:
    """Implements `RouteSink`, `Invoker` and `ThrottleSource`; `front` has the HTTP handlers.

    Nothing flows while `run` does not.
    """

    def __init__(
        self,
        place: Place,
        *,
        clock: Clock,
        ids: IdSource,
        queue: AsyncInvokeQueue,
        error_reply: ErrorReply,
        server_id: str,
        on_demand: OnDemandTerms | None = None,
        settings: RouterSettings = DEFAULT_ROUTER_SETTINGS,
    ) -> None:
        terms = on_demand or OnDemandTerms()
        self.server_id = server_id
        self._place = place
        self._ids = ids
        self._queue = queue
        self._error_reply = error_reply
        self._clock = clock
        self._table = RoutingTable(place)
        self._urls = FunctionUrls()
        self._limits = terms.limits
        self._dispatcher = Dispatcher(self._table, terms.limits, terms.demand, settings)
        self._connections = Connections(self._dispatcher, server_id)
        self._traces = TraceHeaders(clock, ids)
        self._dice = dice_of(ids)
        self._events: asyncio.TaskGroup | None = None
        self._pending_events = 0
        self._rate_exceeded = rate_exceeded(settings.retry_after_seconds)
        self.front = InvokeFront(
            self._table,
            self._dispatcher,
            place,
            ids=ids,
            traces=self._traces,
            accept_event=self._accept_event,
            refusals=HttpRefusals(error_reply, settings.retry_after_seconds),
            on_demand_elsewhere=terms.elsewhere,
        )

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._events = group
            try:
                await self._connections.run()
            finally:
                self._events = None

    def function_url_front(self, access: Access) -> FunctionUrlFront:
        """The handler of requests to function URLs. `access` is asked about those that must be signed."""
        return FunctionUrlFront(
            self._urls,
            self._table,
            self._dispatcher,
            access,
            clock=self._clock,
            traces=self._traces,
            dice=self._dice,
        )

    async def reach_all(self) -> None:
        """Returns when every instance of the routes has greeted this router, or a second is over."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + REACH_SECONDS
        while self._dispatcher.reachable < self._connections.wanted and loop.time() < ends_at:  # noqa: ASYNC110  # bounded, once in a life
            await asyncio.sleep(REACH_PAUSE_SECONDS)

    # --- RouteSink ---

    def apply(self, update: object) -> None:
        match update:
            case RoutesReplaced():
                self._replace(update)
            case FunctionRoute():
                self._table.set_function(function_rules(update))
                self._urls.set_function(update)
                self._limits.reserve(FunctionName(update.function_name), update.reserved_concurrency)
                self._dispatcher.on_demand.serve()
            case FunctionRouteRemoved():
                self._table.remove_function(FunctionName(update.function_name))
                self._urls.remove_function(FunctionName(update.function_name))
                self._limits.reserve(FunctionName(update.function_name), None)
                self._dispatcher.on_demand.serve()
            case InstanceRoute():
                self._connections.add(update)
            case InstanceRouteRemoved():
                self._connections.remove(InstanceId(update.instance_id))
            case EnvironmentRoute():
                zone = self._connections.zone(InstanceId(update.instance_id))
                self._table.place(placement(update, AvailabilityZone(zone)))
                self._dispatcher.on_demand.serve()
            case EnvironmentRouteRemoved():
                self._table.remove(EnvironmentId(update.environment_id))
            case EnvironmentStartFailed():
                self._dispatcher.on_demand.start_failed(update)
            case _:
                log.error("an update of the routes is of no known kind: %s", type(update).__name__)

    # --- Invoker ---

    async def invoke(self, request: InvokeRequest) -> InvokeResult:
        """Never raises: what cannot be invoked is a result with an `error_code`."""
        try:
            name = named(request.function_name, request.qualifier, self._place)
            target = self._table.resolve(name.name, name.qualifier)
            destination = target.choose(self._dice)
            if destination.refusal is not None:
                raise destination.refusal.error()
            tenant_id = checked_tenant(request.tenant_id or None, destination)
            if tenant_id != NO_TENANT:
                destination = self._table.for_tenant(destination, tenant_id)
            payload = checked_payload(request.payload)
        except ApiError as error:
            status = self._error_reply(error, request.invocation_id).status
            return InvokeResult(status, b"", "", error_code=error.code)
        trace = request.trace_header or self._traces.header(None)
        call = InnerCall(destination, target.arn, request.invocation_id, payload, request.client_context, trace)
        call.done = asyncio.get_running_loop().create_future()
        self._dispatcher.start(call)
        try:
            return await call.done
        except asyncio.CancelledError:
            call.abandon()
            raise

    # --- numbers ---

    @property
    def reachable_instances(self) -> int:
        return self._dispatcher.reachable

    @property
    def held_slots(self) -> int:
        """Slots whose call is over (timed out) and whose handler still runs."""
        return self._dispatcher.held

    def statistics(self) -> tuple[VersionStatistics, ...]:
        return tuple(
            VersionStatistics(key, in_flight, counters.counts())
            for key, counters, in_flight in self._table.destinations()
        )

    def begin_interval(self) -> None:
        """Extremes of durations are of what comes from now on; everything else is counted on."""
        for _, counters, _ in self._table.destinations():
            counters.begin_interval()

    def begin_url_interval(self) -> None:
        self._urls.begin_interval()

    def url_statistics(self) -> tuple[UrlStatistics, ...]:
        return self._urls.statistics()

    def throttle_counts(self) -> Mapping[FunctionVersionKey, int]:
        """Refusals for want of capacity, of every version, since the start (`ThrottleSource`)."""
        return {key: sum(counters.throttles.values()) for key, counters, _ in self._table.destinations()}

    def invocation_counts(self) -> Mapping[FunctionVersionKey, int]:
        return {key: counters.invocations for key, counters, _ in self._table.destinations()}

    def take_peaks(self, keys: AbstractSet[FunctionVersionKey]) -> Mapping[FunctionVersionKey, int]:
        return self._table.take_peaks(keys)

    # --- inside ---

    def _replace(self, routes: RoutesReplaced) -> None:
        for instance in routes.instances:
            self._connections.add(instance)
        self._connections.keep_only({InstanceId(instance.instance_id) for instance in routes.instances})
        self._urls.replace(routes.functions)
        for function in routes.functions:
            self._limits.reserve(FunctionName(function.function_name), function.reserved_concurrency)
        self._table.replace(
            (function_rules(function) for function in routes.functions),
            (
                placement(route, AvailabilityZone(self._connections.zone(InstanceId(route.instance_id))))
                for route in routes.environments
            ),
        )

    def _accept_event(self, event: InvokeRequest, settled: Callable[[ApiError | None], None]) -> None:
        if self._events is None or self._pending_events >= PENDING_EVENTS:
            settled(self._rate_exceeded)
            return
        self._pending_events += 1
        self._events.create_task(self._put(event, settled))

    async def _put(self, event: InvokeRequest, settled: Callable[[ApiError | None], None]) -> None:
        try:
            await self._queue.put(event)
        except StoreError as error:  # the operator's to mend, and said for each of many: no traceback
            log.error("an asynchronous invocation of %s could not be stored: %s", event.function_name, error.message)  # noqa: TRY400
            settled(error)
        except Exception:
            log.exception("an asynchronous invocation of %s could not be stored", event.function_name)
            settled(NOT_STORED)
        else:
            settled(None)
        finally:
            self._pending_events -= 1
