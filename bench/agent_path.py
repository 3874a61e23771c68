"""What the agent costs an invocation, step by step, without sockets: `python -m bench.agent_path`.

The real link, environment and Runtime API on transports that throw away what is written; two frames come in a read,
then the workers' answers and polls one by one, as under load. *warm* is a loop of nothing else; *cold* the same with
the caches full of other things before each pair, as when runtimes run in between. `--calls` lists the Python functions
that one invocation calls, `--loops N` runs and says nothing, for a counter of instructions (`valgrind
--tool=cachegrind`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import statistics
import sys
import time
from collections import Counter
from types import FrameType
from typing import Any

from bench.one_process import Agent
from bench.router_path import Discard
from bench.server_path import OTHER_BYTES
from paddock.agent.link import Link
from paddock.agent.runtime_api import RuntimeConnection
from paddock.ports import collector
from paddock.wire.agent import InvokeHeader, ServerHello, encoder
from paddock.wire.frames import FrameKind
from paddock.wire.stream import frames_of

ROUNDS = 9
BATCHES_PER_ROUND = 600
BATCH = 2
BATCHES_PER_SHIPMENT = 150
SHIPPED = "records shipped"
ARN = "arn:aws:lambda:us-east-1:000000000000:function:f:$LATEST.PUBLISHED"
TRACE = "Root=1-6923f0a1-0123456789abcdef01234567;Parent=0123456789abcdef;Sampled=0"
POLL = (
    b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\r\nHost: 127.0.0.1:40123\r\n"
    b"User-Agent: aws-lambda-python/3.13.0-4.2.2\r\nAccept: */*\r\n\r\n"
)
ANSWER_HEAD = (
    b"POST /2018-06-01/runtime/invocation/%s/response HTTP/1.1\r\nHost: 127.0.0.1:40123\r\n"
    b"User-Agent: aws-lambda-python/3.13.0-4.2.2\r\nAccept: */*\r\ncontent-type: application/json\r\n"
    b"lambda-runtime-invocation-id: %s\r\ncontent-length: 12\r\n\r\n"
)
_ID, _NONCE = b"Lambda-Runtime-Aws-Request-Id: ", b"Lambda-Runtime-Invocation-Id: "
ANSWER = b'{"ok": true}'


class Worker(Discard):
    """The transport of one runtime worker; knows what it was given last."""

    def __init__(self, agent: Agent) -> None:
        super().__init__()
        self.given = b""
        self.connection = RuntimeConnection(agent.invocations)
        self.connection.connection_made(self)
        self.connection.data_received(POLL)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 40000) if name == "peername" else default

    def is_closing(self) -> bool:
        return False

    def write(self, data: object) -> None:
        assert isinstance(data, bytes)
        self.given = data

    def head(self) -> bytes:
        """Of the answer to what was given."""
        given = self.given
        id_at, nonce_at = given.index(_ID) + len(_ID), given.index(_NONCE) + len(_NONCE)
        return ANSWER_HEAD % (given[id_at : given.index(b"\r", id_at)], given[nonce_at : given.index(b"\r", nonce_at)])


class Path:
    """An agent with one environment, a router's link and as many workers as fit one batch."""

    def __init__(self, payload: bytes) -> None:
        self.agent = Agent(BATCH)
        self.link = Link(self.agent)
        self.link.connection_made(Discard())
        hello = encoder.encode(ServerHello("router", "token", "bench"))
        self.link.data_received(b"".join(frames_of(FrameKind.CONTROL, 0, b"", hello)))
        self.workers = [Worker(self.agent) for _ in range(BATCH)]
        self.payload = payload
        self.number = 0
        self.pieces_of_answer = 1
        self.spent = Counter[str]()
        self.run()
        self.run()
        collector.settle()

    def frames(self) -> bytes:
        pieces = []
        for _ in range(BATCH):
            self.number += 1
            header = InvokeHeader("e-bench", f"6f0c5d5e-1111-4222-8333-{self.number:012x}", ARN, 3000, TRACE)
            pieces += frames_of(FrameKind.INVOKE, self.number, encoder.encode(header), self.payload)
        return b"".join(pieces)

    def run(self) -> None:
        """One batch: in at once, answered and polled for one by one; records shipped as the agent does."""
        clock, spent = time.perf_counter_ns, self.spent
        frames = self.frames()
        began = clock()
        self.link.data_received(frames)
        spent["frame in, event out"] += clock() - began
        answers = [worker.head() for worker in self.workers]
        if self.pieces_of_answer == 1:
            answers = [head + ANSWER for head in answers]
        began = clock()
        for worker, answer in zip(self.workers, answers, strict=True):
            worker.connection.data_received(answer)
            if self.pieces_of_answer > 1:
                worker.connection.data_received(ANSWER)
        assert self.link.outbox is not None
        self.link.outbox.flush()
        spent["answer in, frame out"] += clock() - began
        began = clock()
        for worker in self.workers:
            worker.connection.data_received(POLL)
        spent["poll in"] += clock() - began
        if self.number % (BATCHES_PER_SHIPMENT * BATCH) == 0:
            began = time.process_time_ns()
            self.agent.shipper.ship()
            spent[SHIPPED] += time.process_time_ns() - began
            self.agent.shipper.acknowledge(1 << 60)


def calls(path: Path) -> Counter[str]:
    """The Python functions of a batch, each with how often it is called for one invocation."""
    found: Counter[str] = Counter()

    def seen(frame: FrameType, event: str, _argument: object) -> None:
        file = frame.f_code.co_filename
        if event == "call" and "/paddock/" in file:
            found[f"{file.rpartition('/paddock/')[2]} {frame.f_code.co_qualname}"] += 1

    sys.setprofile(seen)
    path.run()
    sys.setprofile(None)
    return found


def measure(path: Path, *, cold: bool) -> dict[str, float]:
    """Microseconds per invocation; of batches medians, because a clock counts what others do meanwhile."""
    found: dict[str, list[int]] = {}
    others, table = bytearray(OTHER_BYTES), bytes(range(256))
    for _ in range(BATCHES_PER_ROUND):
        if cold:
            others.translate(table)
            json.loads('{"a": [1, 2, 3, {"b": null}]}')
            re.sub("a.c", "x", "abcabd" * 400)
        path.spent.clear()
        path.run()
        for name, nanoseconds in path.spent.items():
            found.setdefault(name, []).append(nanoseconds)
    shipped = statistics.median(found.pop(SHIPPED)) / BATCHES_PER_SHIPMENT / BATCH / 1000
    medians = {name: statistics.median(times) / BATCH / 1000 for name, times in found.items()}
    return {**medians, SHIPPED: shipped, "all of it": sum(medians.values()) + shipped}


async def main() -> None:
    """On a loop, because a link asks for the one it runs on; nothing is awaited."""
    parser = argparse.ArgumentParser(prog="python -m bench.agent_path", description=__doc__)
    parser.add_argument("--payload", type=int, default=100)
    parser.add_argument("--two-pieces", action="store_true", help="a head and a body of an answer are read apart")
    parser.add_argument("--calls", action="store_true", help="list the functions that are called")
    parser.add_argument("--loops", type=int, help="batches of two, and no word")
    options = parser.parse_args()
    path = Path(b'"' + b"x" * (options.payload - 2) + b'"')
    path.pieces_of_answer = 1 + options.two_pieces
    if options.loops is not None:
        for _ in range(options.loops):
            path.run()
    elif options.calls:
        found = calls(path)
        for name, count in found.most_common():
            print(f"{count / BATCH:6.2f}  {name}")
        print(f"{found.total() / BATCH:6.2f}  all")
    else:
        rounds = [(measure(path, cold=False), measure(path, cold=True)) for _ in range(ROUNDS)]
        print(f"{'µs for each invocation':24}{'warm':>8}{'cold':>8}")
        for name in rounds[0][0]:
            print(f"{name:24}" + "".join(f"{statistics.median(one[i][name] for one in rounds):8.1f}" for i in (0, 1)))


if __name__ == "__main__":
    asyncio.run(main())
