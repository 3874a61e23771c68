"""The load, a process of its own: `python -m bench.load`, an order in JSON on standard input, figures in JSON back.

*Closed*: so many connections, each sends its next request when its last is answered. *Open*: so many requests a second
whatever becomes of them, each on a connection that is free, with latency counted from when it was due. The same bytes
are sent again and again and no more of an answer is looked at than must be, because the machine is shared with what is
measured. Over the same window it reads how much CPU the given process groups used.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import uvloop

from bench.cpu import Use, busy_seconds, group_use

DRAIN_SECONDS = 30
"""Answers still under way at the end are waited for, so that the next measurement starts on an idle machine."""

OPEN_TICK_SECONDS = 0.001
OPEN_CONNECTIONS = 2000
"""An open load that finds them all waiting counts what it could not send."""

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length: "


class Caller(asyncio.Protocol):
    """One connection. `length` is that of the last answer: one of the same length needs no parsing."""

    def __init__(self, request: bytes, answered: Callable[[Caller, bytes, float], None]) -> None:
        self._request = request
        self._answered = answered
        self._transport = cast("asyncio.Transport", None)
        self._pieces: list[bytes] = []
        self._have = 0
        self._wanted = 0
        self._length = -1
        self._due = 0.0
        self.waiting = False
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def send(self, due: float) -> None:
        self.waiting = True
        self._due = due
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if self._pieces:
            self._pieces.append(data)
            self._have += len(data)
            if self._have < self._wanted:
                return
            data = b"".join(self._pieces)
        if len(data) != self._length and not self._complete(data):
            self._pieces = [data]
            self._have = len(data)
            return
        if self._pieces:
            self._pieces = []
        self.waiting = False
        self._answered(self, data[9:12], self._due)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        if self.waiting:
            self.waiting = False
            self._answered(self, b"000", self._due)

    def _complete(self, data: bytes) -> bool:
        end = data.find(_HEAD_END)
        if end < 0:
            return False
        head = data[:end].lower()
        at = head.find(_LENGTH)
        length = int(head[at + len(_LENGTH) :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        self._wanted = end + len(_HEAD_END) + length
        if len(data) < self._wanted:
            return False
        self._length = len(data)
        return True


@dataclass
class Run:
    """`latencies` by status, of what was answered while measuring; `answers`: of all, warm-up and end included."""

    measuring: bool = False
    over: bool = False
    unsent: int = 0
    answers: int = 0
    latencies: dict[bytes, array[float]] = field(default_factory=dict)
    callers: list[Caller] = field(default_factory=list)

    def count(self, status: bytes, due: float) -> None:
        self.answers += 1
        if not self.measuring:
            return
        known = self.latencies.get(status)
        if known is None:
            known = self.latencies[status] = array("d")
        known.append(time.perf_counter() - due)

    async def drain(self) -> None:
        async with asyncio.timeout(DRAIN_SECONDS):
            while any(caller.waiting for caller in self.callers):  # noqa: ASYNC110 - callers have no event, for speed
                await asyncio.sleep(0.01)


async def connect(port: int, request: bytes, answered: Callable[[Caller, bytes, float], None]) -> Caller:
    loop = asyncio.get_running_loop()
    _, caller = await loop.create_connection(lambda: Caller(request, answered), "127.0.0.1", port)
    return caller


async def closed_load(order: dict[str, Any], run: Run) -> None:
    def answered(caller: Caller, status: bytes, due: float) -> None:
        run.count(status, due)
        if not run.over and not caller.lost:
            caller.send(time.perf_counter())

    request = str(order["request"]).encode("latin-1")
    for _ in range(order["in_flight"]):
        run.callers.append(await connect(order["port"], request, answered))
    for caller in run.callers:
        caller.send(time.perf_counter())


async def open_load(order: dict[str, Any], run: Run) -> None:
    request = str(order["request"]).encode("latin-1")
    loop = asyncio.get_running_loop()
    free: list[Caller] = []
    rate = float(order["rate"])

    def answered(caller: Caller, status: bytes, due: float) -> None:
        run.count(status, due)
        if not caller.lost:
            free.append(caller)

    for _ in range(min(OPEN_CONNECTIONS, int(order["connections"]))):
        caller = await connect(order["port"], request, answered)
        run.callers.append(caller)
        free.append(caller)
    began, sent = time.perf_counter(), 0

    def tick() -> None:
        nonlocal sent
        if run.over:
            return
        wanted = int((time.perf_counter() - began) * rate) + 1  # the first is due at once
        while sent < wanted:
            due = began + sent / rate
            sent += 1
            if free:
                free.pop().send(due)
            elif run.measuring:
                run.unsent += 1
        loop.call_later(OPEN_TICK_SECONDS, tick)

    tick()


async def measure(order: dict[str, Any]) -> dict[str, Any]:
    run = Run()
    await (open_load if "rate" in order else closed_load)(order, run)
    await asyncio.sleep(order["warm_up_seconds"])
    groups = order["groups"]
    before, busy, own, started = group_use(groups), busy_seconds(), time.process_time(), time.perf_counter()
    run.measuring = True
    await asyncio.sleep(order["seconds"])
    run.measuring = False
    elapsed = time.perf_counter() - started
    used = {group: _less(after, before[group]) for group, after in group_use(groups).items()}
    busy, own = busy_seconds() - busy, time.process_time() - own
    run.over = True
    await run.drain()
    by_status = {
        status.decode("latin-1"): figures(sorted(latencies)) for status, latencies in sorted(run.latencies.items())
    }
    good = by_status.get("200", {"count": 0, "p50": 0.0, "p99": 0.0})
    return {
        "elapsed": elapsed,
        "answers": sum(one["count"] for one in by_status.values()),
        "p50": good["p50"],
        "p99": good["p99"],
        "statuses": {status: one["count"] for status, one in by_status.items()},
        "by_status": by_status,
        "unsent": run.unsent,
        "all_answers": run.answers,
        "cpu": {str(group): use.user + use.kernel for group, use in used.items()},
        "use": {str(group): use._asdict() for group, use in used.items()},
        "busy": busy,
        "own": own,
    }


def _less(after: Use, before: Use) -> Use:
    return Use(*(one - other for one, other in zip(after, before, strict=True)))


def figures(ordered: list[float]) -> dict[str, Any]:
    return {
        "count": len(ordered),
        "p50": percentile(ordered, 0.5),
        "p99": percentile(ordered, 0.99),
        "most": ordered[-1],
    }


def percentile(ordered: list[float], share: float) -> float:
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(measure(json.load(sys.stdin)))))
