"""The load: a fixed number of HTTP connections, each sending its next request when its last is answered.

Runs as a process of its own (`python -m bench.load`, a JSON document on standard input) and prints what it measured as
JSON. It sends the same bytes again and again and looks at no more of an answer than it must, because it shares the
machine with what it measures. Over the same window it reads how much CPU the given process groups used.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from array import array
from collections import Counter
from typing import cast

import uvloop

from bench.cpu import busy_seconds, group_seconds

DRAIN_SECONDS = 30
"""Answers still under way at the end are waited for, so that the next measurement starts on an idle machine."""

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length: "


class Caller(asyncio.Protocol):
    """One connection. `length` is that of the last answer: one of the same length needs no parsing."""

    def __init__(self, request: bytes, run: Run) -> None:
        self._request = request
        self._run = run
        self._transport = cast("asyncio.Transport", None)
        self._received = b""
        self._length = -1
        self._sent_at = 0.0
        self.waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def send(self) -> None:
        self.waiting = True
        self._sent_at = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        if self._received:
            data = self._received + data
        if len(data) != self._length:
            self._received = data
            if not self._complete(data):
                return
        self._received = b""
        self.waiting = False
        run = self._run
        if run.measuring:
            run.latencies.append(time.perf_counter() - self._sent_at)
            run.statuses[data[9:12]] += 1
        if not run.over:
            self.send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._run.over:
            self._run.broken += 1

    def _complete(self, data: bytes) -> bool:
        end = data.find(_HEAD_END)
        if end < 0:
            return False
        head = data[:end].lower()
        at = head.find(_LENGTH)
        length = int(head[at + len(_LENGTH) :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(data) < end + len(_HEAD_END) + length:
            return False
        self._length = len(data)
        return True


class Run:
    def __init__(self) -> None:
        self.measuring = False
        self.over = False
        self.broken = 0
        self.latencies = array("d")
        self.statuses: Counter[bytes] = Counter()


async def measure(order: dict[str, object]) -> dict[str, object]:
    loop = asyncio.get_running_loop()
    run = Run()
    request = str(order["request"]).encode("latin-1")
    port = int(str(order["port"]))
    groups = [int(str(group)) for group in cast("list[object]", order["groups"])]
    callers = []
    for _ in range(int(str(order["in_flight"]))):
        _, caller = await loop.create_connection(lambda: Caller(request, run), "127.0.0.1", port)
        callers.append(caller)
    for caller in callers:
        caller.send()
    await asyncio.sleep(float(str(order["warm_up_seconds"])))
    used, busy, started = group_seconds(groups), busy_seconds(), time.perf_counter()
    run.measuring = True
    await asyncio.sleep(float(str(order["seconds"])))
    run.measuring = False
    elapsed = time.perf_counter() - started
    used = {group: after - used[group] for group, after in group_seconds(groups).items()}
    run.over = True
    async with asyncio.timeout(DRAIN_SECONDS):
        while any(caller.waiting for caller in callers):  # noqa: ASYNC110 - callers have no event, for speed
            await asyncio.sleep(0.01)
    latencies = sorted(run.latencies)
    return {
        "elapsed": elapsed,
        "answers": len(latencies),
        "statuses": {status.decode(): count for status, count in run.statuses.items()},
        "broken": run.broken,
        "p50": percentile(latencies, 0.5),
        "p99": percentile(latencies, 0.99),
        "cpu": {str(group): seconds for group, seconds in used.items()},
        "busy": busy_seconds() - busy,
        "own": time.process_time(),
    }


def percentile(ordered: list[float], share: float) -> float:
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(measure(json.load(sys.stdin)))))
