"""Takes a slot for each call, sends it there, tries another environment when the agent refuses, gives the slot back.

All of it happens within one turn of the event loop; what cannot be sent at once is throttled at once.
"""

from __future__ import annotations

import asyncio
import logging
from typing import NamedTuple

from paddock.core.on_demand import Concurrency, ThrottleReason
from paddock.core.routing.pool import RoutedEnvironment, ThrottleCause
from paddock.core.routing.table import Destination, RoutingTable
from paddock.model.ids import EnvironmentId, InstanceId
from paddock.ports.demand import EnvironmentDemand
from paddock.router.calls import Call
from paddock.router.link import AgentLink
from paddock.router.on_demand import OnDemandCalls
from paddock.router.settings import DEFAULT_ROUTER_SETTINGS, RouterSettings
from paddock.wire.agent import AgentHello, EnvironmentReport, ResultHeader, SlotReleased

log = logging.getLogger(__name__)

REFUSAL_CAUSES = {
    "CPUThrottles": ThrottleCause.CPU,
    "MemoryThrottles": ThrottleCause.MEMORY,
    "DiskThrottles": ThrottleCause.DISK,
}
"""What an agent may give as `error_type` of a refusal for want of something other than a slot."""


class _Held(NamedTuple):
    """A slot whose call is answered. `duration_us` is what is not counted yet, None where all is."""

    destination: Destination
    environment: RoutedEnvironment
    duration_us: int | None


class Dispatcher:
    """The only one that takes and releases slots. Holds the links of the instances that can be reached."""

    def __init__(
        self,
        table: RoutingTable,
        limits: Concurrency,
        demand: EnvironmentDemand,
        settings: RouterSettings = DEFAULT_ROUTER_SETTINGS,
    ) -> None:
        self._table = table
        self._refusals_per_call = settings.refusals_per_call
        self._rest_seconds = settings.rest_seconds
        self.on_demand = OnDemandCalls(table, limits, demand, self._send, settings.longest_wait_seconds)
        self._links: dict[InstanceId, AgentLink] = {}
        self._held: dict[tuple[str, str], _Held] = {}

    @property
    def reachable(self) -> int:
        """Instances whose agents have greeted us."""
        return len(self._links)

    @property
    def held(self) -> int:
        """Slots whose call is over and whose handler is not."""
        return len(self._held)

    def start(self, call: Call) -> None:
        if call.destination.on_demand:
            self.on_demand.start(call)
            return
        environment = call.destination.pool.take()
        if environment is None:
            self._last_resort(call, ThrottleCause.CONCURRENCY)
        else:
            call.environment = environment
            self._links[environment.instance_id].send(call, environment)

    def _send(self, call: Call, environment: RoutedEnvironment) -> None:
        call.environment = environment
        self._links[environment.instance_id].send(call, environment)

    # --- what links tell ---

    def greeted(self, link: AgentLink, hello: AgentHello) -> None:
        instance_id = InstanceId(hello.instance_id)
        before = self._links.get(instance_id)
        self._links[instance_id] = link
        self._table.set_reachable(instance_id, reachable=True)
        if before is not None and before is not link:
            self._forget_held(instance_id)
            before.close()
        self.on_demand.serve()

    def finished(self, link: AgentLink, call: Call, result: ResultHeader, body: bytes) -> None:
        environment = call.environment
        assert environment is not None
        destination = call.destination
        if result.outcome == "refused":
            self._try_another(call, environment, result.error_type)
            return
        if result.slot_held:
            self._answered_early(link, call, environment, result.duration_us)
        else:
            self._release(destination, environment)
            destination.counters.answered(result.duration_us)
        if result.outcome != "ok":
            destination.counters.errors += 1
        try:
            call.answered(result, body)
        except Exception:
            log.exception("answering an invocation of %s failed", destination.key)

    def slot_released(self, released: SlotReleased) -> None:
        held = self._held.pop((released.environment_id, released.invocation_id), None)
        if held is not None:
            self._conclude(held, released.extensions_us)

    def environment_changed(self, report: EnvironmentReport) -> None:
        self._table.set_slots(EnvironmentId(report.environment_id), report.slots)

    def gone(self, link: AgentLink, calls: tuple[Call, ...]) -> None:
        """An agent that comes back starts from nothing: what it still runs, it refuses to take a second time."""
        for instance_id in [instance_id for instance_id, known in self._links.items() if known is link]:
            del self._links[instance_id]
            self._table.set_reachable(instance_id, reachable=False)
            self._forget_held(instance_id)
        for call in calls:
            assert call.environment is not None
            self._release(call.destination, call.environment)
            try:
                call.lost()
            except Exception:
                log.exception("telling a caller that an agent is gone failed")

    # --- inside ---

    def _answered_early(self, link: AgentLink, call: Call, environment: RoutedEnvironment, duration_us: int) -> None:
        """The slot is held. On default Lambda the invocation goes on as well, with its extensions."""
        destination = call.destination
        if destination.on_demand:
            held = _Held(destination, environment, duration_us)
            destination.counters.answered_early()
        else:
            held = _Held(destination, environment, None)
            destination.counters.answered(duration_us)
        if self._links.get(environment.instance_id) is link:
            self._held[environment.environment_id, call.invocation_id] = held
        else:
            # On a connection that was replaced the release would be heard by nobody.
            self._conclude(held, None)

    def _conclude(self, held: _Held, extensions_us: int | None) -> None:
        if held.duration_us is not None:
            held.destination.counters.concluded(held.duration_us, extensions_us)
        self._release(held.destination, held.environment)

    def _release(self, destination: Destination, environment: RoutedEnvironment) -> None:
        destination.pool.release(environment)
        if destination.on_demand:
            self.on_demand.released(destination.key.function_name)

    def _try_another(self, call: Call, environment: RoutedEnvironment, error_type: str) -> None:
        pool = call.destination.pool
        pool.refuse(environment)
        asyncio.get_running_loop().call_later(self._rest_seconds, pool.wake, environment)
        call.destination.counters.refusals += 1
        call.refused = (*call.refused, environment)
        other = pool.take_other(call.refused)
        if other is None:
            self._last_resort(call, REFUSAL_CAUSES.get(error_type, ThrottleCause.CONCURRENCY))
        else:
            call.environment = other
            self._links[other.instance_id].send(call, other)

    def _last_resort(self, call: Call, cause: ThrottleCause) -> None:
        """Those that refused a moment ago, but not this call; then nobody."""
        environment = None
        asks_on = len(call.refused) < self._refusals_per_call
        if asks_on:
            environment = call.destination.pool.take_resting(call.refused)
        if environment is None and call.destination.on_demand and asks_on:
            self.on_demand.wait(call)
        elif environment is None:
            if call.destination.on_demand:
                self.on_demand.released(call.destination.key.function_name)
            call.destination.counters.throttles[cause] += 1
            call.throttled(ThrottleReason.ACCOUNT)
        else:
            call.environment = environment
            self._links[environment.instance_id].send(call, environment)

    def _forget_held(self, instance_id: InstanceId) -> None:
        for key, held in list(self._held.items()):
            if held.environment.instance_id == instance_id:
                del self._held[key]
                self._conclude(held, None)
