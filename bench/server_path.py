"""What the server costs an invocation from its bytes to its answer, without sockets: `python -m bench.server_path`.

The real connection, front, router and link on transports that throw away what is written; two signed requests come at a
time, then their answers in one read, as under load. *warm* is a loop of nothing else; *cold* the same with the caches
full of other things before each pair, as when runtimes run in between. `--calls` lists the Python functions that one
invocation calls, `--loops N` runs and says nothing, for a counter of instructions (`valgrind --tool=callgrind`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import statistics
import sys
import time
from types import FrameType

import uvloop

from bench import awsapi_front
from bench.front import NoQueue, routes
from bench.router_path import frame
from paddock.awsapi.access import Access
from paddock.awsapi.connection import Connection
from paddock.awsapi.front import Front, InvokeHandlers
from paddock.awsapi.limits import HttpLimits
from paddock.awsapi.listening import Listening
from paddock.awsapi.operations import Operations
from paddock.awsapi.pipeline import Pipeline
from paddock.awsapi.services import Services
from paddock.awsapi.sigv4 import Credential
from paddock.awsapi.turns import Turns
from paddock.ports import collector
from paddock.ports.clock import RandomIds, SystemClock
from paddock.router.link import AgentLink
from paddock.router.router import Router
from paddock.wire.agent import AgentHello, ServerHello, encoder
from paddock.wire.frames import FrameKind, pack_head

ROUNDS = 9
BATCHES_PER_ROUND = 300
BATCH = 2
CONNECTIONS = 16
OTHER_BYTES = 3 << 20
"""More than a core's own caches hold."""


class Discard(awsapi_front.Discard):
    """For either side; keeps what was written last."""

    def __init__(self) -> None:
        super().__init__()
        self.last = b""

    def write(self, data: object) -> None:
        assert isinstance(data, bytes)
        self.last = data

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass


class Path:
    """A server with one reachable environment, and connections that take turns."""

    def __init__(self, payload: bytes) -> None:
        clock, ids, place = SystemClock(), RandomIds(), awsapi_front.PLACE
        credentials = {awsapi_front.KEY_ID: Credential(awsapi_front.SECRET, place.account_id)}
        access = Access("sigv4", credentials, place, clock)
        pipeline = Pipeline(Services(), Operations(), access, clock)
        router = Router(
            place, clock=clock, ids=ids, queue=NoQueue(), error_reply=pipeline.invoke_error, server_id="bench"
        )
        router.apply(routes("/nowhere", 2 * CONNECTIONS))
        self.link = AgentLink(ServerHello("router", "token", "bench"), router._dispatcher)  # noqa: SLF001
        self.link.connection_made(Discard())
        hello = encoder.encode(AgentHello("i-bench", "bench", 0, 0, (), "none"))
        self.link.data_received(pack_head(FrameKind.CONTROL, 0, len(hello)) + hello)
        front = Front(pipeline, access, InvokeHandlers(router.front.invoke, router.front.invoke), ids)
        self.turns = Turns(front.handle)
        listening = Listening(self.turns.handle, front.refuse, front.body_limit, HttpLimits(), clock)
        self.transports = [Discard() for _ in range(CONNECTIONS)]
        self.connections = [Connection(listening) for _ in self.transports]
        for connection, transport in zip(self.connections, self.transports, strict=True):
            connection.connection_made(transport)
        self.request = awsapi_front.signed_request(payload, "f")
        self.number = 0
        self.run()
        assert self.transports[0].last.startswith(b"HTTP/1.1 200 OK\r\n"), self.transports[0].last

    def run(self) -> None:
        """One batch: requests in, their answers in one read."""
        self.turns._turn = -1.0  # noqa: SLF001  # the loop stands still meanwhile
        answers = []
        for _ in range(BATCH):
            self.connections[self.number % CONNECTIONS].data_received(self.request)
            self.number += 1
            answers.append(frame(self.number))
        self.link._flush()  # noqa: SLF001  # what the loop does at its next turn
        self.link.data_received(b"".join(answers))


def warm(path: Path) -> float:
    """Microseconds for each invocation."""
    began = time.process_time_ns()
    for _ in range(BATCHES_PER_ROUND):
        path.run()
    return (time.process_time_ns() - began) / BATCHES_PER_ROUND / BATCH / 1000


def cold(path: Path) -> float:
    spent = []
    others, table = bytearray(OTHER_BYTES), bytes(range(256))
    for _ in range(BATCHES_PER_ROUND):
        others.translate(table)
        json.loads('{"a": [1, 2, 3, {"b": null}]}')
        re.sub("a.c", "x", "abcabd" * 400)
        began = time.perf_counter_ns()
        path.run()
        spent.append(time.perf_counter_ns() - began)
    return statistics.median(spent) / BATCH / 1000


def calls(path: Path) -> list[str]:
    """The Python functions that one batch calls, in order."""
    found: list[str] = []

    def note(called: FrameType, event: str, _: object) -> None:
        if event == "call":
            found.append(called.f_code.co_qualname)

    sys.setprofile(note)
    path.run()
    sys.setprofile(None)
    return found


async def main() -> None:
    """On a loop, because links and turns ask for the one they run on; nothing is awaited."""
    parser = argparse.ArgumentParser(prog="python -m bench.server_path", description=__doc__)
    parser.add_argument("--payload", type=int, default=100)
    parser.add_argument("--calls", action="store_true")
    parser.add_argument("--loops", type=int, default=0)
    options = parser.parse_args()
    path = Path(b'"' + b"x" * (options.payload - 2) + b'"')
    collector.settle()
    for _ in range(options.loops or BATCHES_PER_ROUND):
        path.run()
    if options.calls:
        print("\n".join(calls(path)))
    elif not options.loops:
        for name, measure in (("warm", warm), ("cold", cold)):
            times = [measure(path) for _ in range(ROUNDS)]
            print(f"{name}: {statistics.median(times):5.1f} µs for each invocation ({min(times):.1f}-{max(times):.1f})")


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())
