"""A bounded number of requests per turn of the loop, none lost, none out of order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import uvloop

from paddock.awsapi.messages import Headers, Request, ResponseStream
from paddock.awsapi.turns import Turns


class Kept:
    """A responder that keeps what it is sent."""

    def __init__(self) -> None:
        self.closed = False
        self.statuses: list[int] = []

    @property
    def peer(self) -> str:
        return ""

    def send(self, status: int, headers: Headers, body: bytes) -> None:
        self.statuses.append(status)

    def send_lines(self, status: int, lines: str, body: bytes) -> None:
        self.statuses.append(status)

    def start(self, status: int, headers: Headers) -> ResponseStream:
        raise NotImplementedError

    def on_disconnect(self, callback: Callable[[], None]) -> None:
        pass


def request(number: int) -> Request:
    return Request("GET", b"/%d" % number, f"/{number}", "", {})


def handled_by_turn(requests: int, per_turn: int, gone: frozenset[int] = frozenset()) -> list[list[str]]:
    """Give so many requests at once; what was handled in each turn after that. `gone` clients left meanwhile."""
    handled: list[str] = []

    async def turns() -> list[list[str]]:
        gate = Turns(lambda one, _responder: handled.append(one.path), per_turn)
        found: list[list[str]] = []
        responders = [Kept() for _ in range(requests)]
        for number, responder in enumerate(responders):
            gate.handle(request(number), responder)
        for number in gone:
            responders[number].closed = True
        while handled or not found:
            found.append(handled[:])
            handled.clear()
            await asyncio.sleep(0)
        return found

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(turns())


def test_what_fits_in_a_turn_is_handled_at_once() -> None:
    assert handled_by_turn(3, per_turn=4) == [["/0", "/1", "/2"]]


def test_the_rest_waits_for_the_next_turns_in_order() -> None:
    found = handled_by_turn(10, per_turn=4)

    assert [path for turn in found for path in turn] == [f"/{number}" for number in range(10)]
    assert found[0] == ["/0", "/1", "/2", "/3"]
    assert all(len(turn) <= 4 for turn in found)


def test_a_client_that_left_while_waiting_costs_nothing() -> None:
    found = handled_by_turn(6, per_turn=2, gone=frozenset({3, 4}))

    assert [path for turn in found for path in turn] == ["/0", "/1", "/2", "/5"]


def test_a_handler_that_fails_late_is_answered_for_and_ends_nothing() -> None:
    async def answers() -> list[list[int]]:
        def fail(one: Request, _responder: object) -> None:
            if one.path == "/1":
                raise RuntimeError("broken")

        gate = Turns(fail, 1)
        responders = [Kept() for _ in range(3)]
        for number, responder in enumerate(responders):
            gate.handle(request(number), responder)
        for _ in range(5):
            await asyncio.sleep(0)
        return [responder.statuses for responder in responders]

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(answers()) == [[], [500], []]
