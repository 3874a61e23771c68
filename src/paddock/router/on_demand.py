"""Invocations of default Lambda: counted against their limits, sent to a free environment, or kept until there is one.

Whoever waits is given the first environment that is free, be it new or used; the control plane is told how many wait.
Tenants wait apart: what becomes free for one is nothing to another. One wait ends with an environment, with the failure
of one that was started, or with the time.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from paddock.awsapi.messages import Request, Responder
from paddock.core.environment import errors
from paddock.core.on_demand import Concurrency, ThrottleReason
from paddock.core.routing.pool import RoutedEnvironment, ThrottleCause
from paddock.core.routing.table import Destination, RoutingTable
from paddock.model.errors import PlatformError
from paddock.model.ids import NO_TENANT, FunctionName, FunctionVersionKey, TenantId, VersionName
from paddock.ports.demand import EnvironmentDemand, NoDemand
from paddock.router.answers import error_document
from paddock.router.calls import Call
from paddock.router.limits import DEFAULT_ACCOUNT_CONCURRENCY
from paddock.wire.agent import ResultHeader
from paddock.wire.routes import EnvironmentStartFailed

STARTED_TOO_LATE = PlatformError("An execution environment could not be started in time.")

Waiting = OrderedDict[Call, asyncio.TimerHandle]
_PLATFORMS_WORDS = ("Sandbox.", "Runtime.ExitError", "Runtime.OutOfMemory", "Runtime.InvalidEntrypoint")
"""Error types whose texts are ours: AWS names the request before those."""


ForwardRequest = Callable[[Request, Responder], None]


class Queue(NamedTuple):
    """Which environments a call waits for."""

    key: FunctionVersionKey
    tenant_id: TenantId


@dataclass(frozen=True, slots=True)
class OnDemandTerms:
    """How a router serves default Lambda. `elsewhere` hands requests to the server's own router: whoever starts
    environments must see all who wait for them.
    """

    limits: Concurrency = field(default_factory=lambda: Concurrency(DEFAULT_ACCOUNT_CONCURRENCY))
    demand: EnvironmentDemand = field(default_factory=NoDemand)
    elsewhere: ForwardRequest | None = None


class OnDemandCalls:
    """`send` takes a slot that was taken already; `limits` is told by the routes what is reserved."""

    def __init__(
        self,
        table: RoutingTable,
        limits: Concurrency,
        demand: EnvironmentDemand,
        send: Callable[[Call, RoutedEnvironment], None],
        longest_wait_seconds: float,
    ) -> None:
        self.limits = limits
        self._table = table
        self._demand = demand
        self._send = send
        self._longest_wait_seconds = longest_wait_seconds
        self._waiting: dict[Queue, Waiting] = {}

    @property
    def waiting(self) -> int:
        return sum(len(waiting) for waiting in self._waiting.values())

    def start(self, call: Call) -> None:
        destination = call.destination
        reason = self.limits.admit(destination.key.function_name)
        if reason is not None:
            _throttle(call, reason)
            return
        environment = destination.pool.take()
        if environment is not None:
            self._send(call, environment)
            return
        reason = None if destination.tenant_id == NO_TENANT else self._no_more_for_tenants(destination)
        if reason is None:
            self.wait(call)
        else:
            self.limits.release(destination.key.function_name)
            _throttle(call, reason)

    def _no_more_for_tenants(self, destination: Destination) -> ThrottleReason | None:
        """Each that waits is about to have an environment."""
        name = destination.key.function_name
        waiting = sum(len(calls) for queue, calls in self._waiting.items() if queue.key.function_name == name)
        return self.limits.admit_tenant(name, self._table.tenant_environments(name) + waiting)

    def wait(self, call: Call) -> None:
        """Until an environment is free, or for as long as one may wait."""
        queue = Queue(call.destination.key, call.destination.tenant_id)
        timer = asyncio.get_running_loop().call_later(self._longest_wait_seconds, self._too_late, queue, call)
        self._waiting.setdefault(queue, OrderedDict())[call] = timer
        self._tell(queue)

    def released(self, function: FunctionName) -> None:
        """An invocation of the function has ended; its slot is free."""
        self.limits.release(function)
        if self._waiting:
            self.serve()

    def serve(self) -> None:
        """Give what is free to those who wait, in their order. Called whenever something may have become free."""
        for queue in list(self._waiting):
            destination = self._table.destination(queue.key)
            if destination is None:
                self._give_up(queue)
                continue
            if queue.tenant_id != NO_TENANT:
                destination = self._table.for_tenant(destination, queue.tenant_id)
            while (waiting := self._waiting.get(queue)) is not None:
                environment = destination.pool.take()
                if environment is None:
                    break
                call = self._next(queue, waiting)
                # What it waited for may have been republished meanwhile.
                call.destination = destination
                self._send(call, environment)

    def start_failed(self, failed: EnvironmentStartFailed) -> None:
        """The one that has waited longest gets the failure as its answer."""
        key = FunctionVersionKey(FunctionName(failed.function_name), VersionName(failed.version))
        queue = Queue(key, TenantId(failed.tenant_id))
        waiting = self._waiting.get(queue)
        if waiting is None:
            return
        call = self._next(queue, waiting)
        self.limits.release(key.function_name)
        call.destination.counters.answered(0)
        call.destination.counters.errors += 1
        text = failed.text
        if failed.error_type.startswith(_PLATFORMS_WORDS):
            text = errors.caller_message(call.invocation_id, text)
        call.answered(
            ResultHeader("function_error", failed.error_type, "application/json"),
            error_document(failed.error_type, text),
        )

    def _next(self, queue: Queue, waiting: Waiting) -> Call:
        call, timer = waiting.popitem(last=False)
        timer.cancel()
        if not waiting:
            del self._waiting[queue]
        self._tell(queue)
        return call

    def _give_up(self, queue: Queue) -> None:
        """The version was deleted while they waited."""
        for call, timer in self._waiting.pop(queue).items():
            timer.cancel()
            self.limits.release(queue.key.function_name)
            call.failed(STARTED_TOO_LATE)
        self._tell(queue)

    def _too_late(self, queue: Queue, call: Call) -> None:
        waiting = self._waiting.get(queue)
        if waiting is None or waiting.pop(call, None) is None:
            return
        if not waiting:
            del self._waiting[queue]
        self._tell(queue)
        self.limits.release(queue.key.function_name)
        call.failed(STARTED_TOO_LATE)

    def _tell(self, queue: Queue) -> None:
        self._demand.want(queue.key, len(self._waiting.get(queue, ())), queue.tenant_id)


def _throttle(call: Call, reason: ThrottleReason) -> None:
    call.destination.counters.throttles[ThrottleCause.CONCURRENCY] += 1
    call.throttled(reason)
