"""Slots when the connection to an agent is replaced: what the old one still says must not keep any of them taken."""

from __future__ import annotations

from typing import cast

from msgspec.structs import replace

from paddock.core.on_demand import Concurrency, ThrottleReason
from paddock.core.routing.pool import RoutedEnvironment
from paddock.core.routing.table import Destination, RoutingTable
from paddock.model.errors import ApiError
from paddock.model.ids import AvailabilityZone, FunctionName, InvocationId
from paddock.ports.demand import NoDemand
from paddock.router.calls import Call
from paddock.router.dispatch import Dispatcher
from paddock.router.link import AgentLink
from paddock.router.routes import function_rules, placement
from paddock.wire.agent import AgentHello, ResultHeader, SlotReleased
from paddock.wire.routes import EnvironmentRoute, VersionRoute
from tests.router.driving import PLACE, function_route

TIMED_OUT = ResultHeader("function_error", "Sandbox.Timedout", slot_held=True)


class PlayedLink:
    def __init__(self) -> None:
        self.sent: list[Call] = []
        self.closed = False

    def send(self, call: Call, environment: RoutedEnvironment) -> None:
        self.sent.append(call)

    def close(self) -> None:
        self.closed = True


class PlayedCall(Call):
    outcome = ""

    def answered(self, result: ResultHeader, body: bytes) -> None:
        self.outcome = result.outcome

    def throttled(self, reason: ThrottleReason) -> None:
        self.outcome = "throttled"

    def failed(self, error: ApiError) -> None:
        self.outcome = error.code

    def stream_started(self, content_type: str) -> None:
        raise AssertionError("no stream")

    def stream_continued(self, piece: bytes) -> None:
        raise AssertionError("no stream")


class Played:
    """A dispatcher with one environment of four slots."""

    def __init__(self, *, on_demand: bool = False) -> None:
        self.table = RoutingTable(PLACE)
        version = VersionRoute("$LATEST.PUBLISHED", "r1", 3, on_demand=on_demand)
        self.table.set_function(function_rules(replace(function_route(), versions=(version,))))
        route = EnvironmentRoute("e0", "i-1", "f", "$LATEST.PUBLISHED", "r1", 4, False)
        self.table.place(placement(route, AvailabilityZone("a")))
        self.dispatcher = Dispatcher(self.table, Concurrency(1000), NoDemand())
        self._calls = 0

    def connected(self) -> AgentLink:
        link = cast("AgentLink", PlayedLink())
        self.dispatcher.greeted(link, AgentHello("i-1", "1", 1, 0, (), "plain"))
        return link

    def called(self) -> PlayedCall:
        self._calls += 1
        destination: Destination = self.table.resolve(FunctionName("f"), None).choose(lambda: 0.0)
        call = PlayedCall(destination, "arn", InvocationId(f"r-{self._calls}"), b"{}", "", "")
        self.dispatcher.start(call)
        return call

    @property
    def taken(self) -> int:
        return sum(in_flight for _, _, in_flight in self.table.destinations())


def test_a_slot_that_outlives_its_call_is_held_until_the_agent_releases_it() -> None:
    played = Played()
    link = played.connected()
    call = played.called()

    played.dispatcher.finished(link, call, TIMED_OUT, b"")
    assert (played.taken, played.dispatcher.held) == (1, 1)

    played.dispatcher.slot_released(SlotReleased("e0", call.invocation_id))
    assert (played.taken, played.dispatcher.held) == (0, 0)


def test_on_default_lambda_a_held_slot_has_its_duration_when_it_is_released() -> None:
    played = Played(on_demand=True)
    link = played.connected()
    call = played.called()

    played.dispatcher.finished(link, call, ResultHeader("ok", duration_us=2000, slot_held=True), b"1")
    before = call.destination.counters.counts()
    played.dispatcher.slot_released(SlotReleased("e0", call.invocation_id, 500))
    after = call.destination.counters.counts()

    assert (before.invocations, before.duration_us_sum, after.invocations) == (1, 0, 1)
    assert (after.duration_us_sum, after.extensions_us_sum) == (2500, 500)
    assert (sum(after.durations), sum(after.extensions)) == (1, 1)


def test_what_a_lost_agent_was_still_busy_with_has_the_duration_of_its_answer() -> None:
    played = Played(on_demand=True)
    link = played.connected()
    call = played.called()
    played.dispatcher.finished(link, call, ResultHeader("ok", duration_us=2000, slot_held=True), b"1")

    played.dispatcher.gone(link, ())

    counts = call.destination.counters.counts()
    assert (counts.duration_us_sum, sum(counts.durations), counts.extensions) == (2000, 1, ())
    assert played.taken == 0


def test_a_connection_that_ends_gives_back_what_it_held_and_what_it_was_asked() -> None:
    played = Played()
    link = played.connected()
    timed_out, running = played.called(), played.called()
    played.dispatcher.finished(link, timed_out, TIMED_OUT, b"")

    played.dispatcher.gone(link, (running,))

    assert (played.taken, played.dispatcher.held) == (0, 0)
    assert running.outcome == "ServiceException"


def test_what_a_replaced_connection_still_answers_holds_no_slot() -> None:
    """Its release would come on the same connection, which nobody reads any more."""
    played = Played()
    old = played.connected()
    timed_out, running = played.called(), played.called()
    new = played.connected()
    assert cast("PlayedLink", old).closed

    played.dispatcher.finished(old, timed_out, TIMED_OUT, b"")
    played.dispatcher.gone(old, (running,))

    assert (played.taken, played.dispatcher.held) == (0, 0)
    assert timed_out.outcome == "function_error"
    played.called()
    assert len(cast("PlayedLink", new).sent) == 1


def test_the_end_of_a_replaced_connection_leaves_the_new_ones_slots_alone() -> None:
    played = Played()
    old, new = played.connected(), played.connected()
    held, running = played.called(), played.called()
    played.dispatcher.finished(new, held, TIMED_OUT, b"")

    played.dispatcher.gone(old, ())

    assert (played.taken, played.dispatcher.held) == (2, 1)
    played.dispatcher.finished(new, running, ResultHeader("ok"), b"")
    assert played.taken == 1
