"""What the router costs an invocation, step by step, without sockets: `python -m bench.router_path`.

The real handlers run on a link whose transport throws away what is written; answers are fed to it as an agent sends
them, sixteen to a read. Medians of several rounds, taken in turn so that noise meets all steps alike.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.front import LATEST_PUBLISHED, NoQueue, routes
from paddock.awsapi.messages import Headers, Request
from paddock.awsapi.replies import Reply
from paddock.core.routing.pool import EnvironmentPool, RoutedEnvironment
from paddock.model.arns import Place
from paddock.model.errors import ApiError
from paddock.model.ids import AccountId, AvailabilityZone, EnvironmentId, InstanceId, Region
from paddock.ports.clock import RandomIds, SystemClock
from paddock.router.content import checked_payload
from paddock.router.link import AgentLink
from paddock.router.router import Router
from paddock.router.traces import TraceHeaders
from paddock.wire.agent import AgentHello, InvokeHeader, ResultHeader, ServerHello, encoder, result_header_decoder
from paddock.wire.frames import FrameKind, pack_head
from paddock.wire.stream import FrameReader

ROUNDS = 9
INVOCATIONS_PER_ROUND = 8000
BATCH = 16
PLACE = Place(Region("us-east-1"), AccountId("000000000000"))
RESULT = encoder.encode(ResultHeader("ok", duration_us=100))
ANSWER = b'{"ok": true}'
REQUEST_ID = "6f0c5d5e-1111-4222-8333-444444444444"


class Discard(asyncio.Transport):
    def write(self, data: object) -> None:
        pass

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass


@dataclass
class Unanswered:
    """A responder whose answer goes nowhere."""

    closed: bool = False
    sent: list[int] = field(default_factory=list)

    def send(self, status: int, headers: Headers, body: bytes) -> None:
        assert status == 200, body

    def send_lines(self, status: int, lines: str, body: bytes) -> None:
        assert status == 200, body

    def start(self, status: int, headers: Headers) -> None:
        raise NotImplementedError

    def on_disconnect(self, callback: Callable[[], None]) -> None:
        pass


def no_error(error: ApiError, request_id: str) -> Reply:
    raise AssertionError(error)


class Path:
    """A router with one reachable environment of as many slots as are needed."""

    def __init__(self, payload: bytes) -> None:
        ids, clock = RandomIds(), SystemClock()
        self.router = Router(PLACE, clock=clock, ids=ids, queue=NoQueue(), error_reply=no_error, server_id="bench")
        self.router.apply(routes("/nowhere", 2 * BATCH))
        self.link = AgentLink(ServerHello("router", "token", "bench"), self.router._dispatcher)  # noqa: SLF001
        self.link.connection_made(Discard())
        hello = encoder.encode(AgentHello("i-bench", "bench", 0, 0, (), "none"))
        self.link.data_received(pack_head(FrameKind.CONTROL, 0, len(hello)) + hello)
        headers = {b"host": b"127.0.0.1:4600", b"content-length": b"%d" % len(payload), b"user-agent": b"Boto3/1.44.5"}
        self.request = Request("POST", b"/", "/", "", headers, payload)
        self.traces = TraceHeaders(clock, ids)
        self.payload = payload
        self.number = 0

    def whole(self) -> None:
        """One batch: invocations in, their answers in one read."""
        answers = []
        for _ in range(BATCH):
            self.router.front.invoke(self.request, Unanswered(), REQUEST_ID, "f", None)  # type: ignore[arg-type]
            self.number += 1
            answers.append(frame(self.number))
        self.link._flush()  # noqa: SLF001  # what the loop does at its next turn
        self.link.data_received(b"".join(answers))


def frame(number: int) -> bytes:
    length = len(RESULT) + len(ANSWER)
    return pack_head(FrameKind.RESULT, number, length, header_bytes=len(RESULT)) + RESULT + ANSWER


def steps(payload: bytes) -> dict[str, Callable[[], object]]:
    """Each does its work `BATCH` times, so that the loop around it weighs little."""
    path = Path(payload)
    pool = EnvironmentPool()
    for number in range(3):
        pool.add(
            RoutedEnvironment(EnvironmentId(f"e{number}"), InstanceId("i"), AvailabilityZone(f"zone-{number}"), BATCH)
        )
    reader = FrameReader()
    frames = b"".join(map(frame, range(BATCH)))
    arn = PLACE.function_arn("f", LATEST_PUBLISHED)  # type: ignore[arg-type]
    trace = path.traces.header(None)

    def slots() -> None:
        for _ in range(BATCH):
            taken = pool.take()
            assert taken is not None
            pool.release(taken)

    def checks() -> None:
        for _ in range(BATCH):
            checked_payload(payload)
            path.traces.header(None)

    def frames_out() -> None:
        for _ in range(BATCH):
            header = encoder.encode(InvokeHeader("e-bench", REQUEST_ID, arn, 3000, trace))
            b"".join((pack_head(FrameKind.INVOKE, 1, len(header) + len(payload)), header, payload))

    def frames_in() -> None:
        for each in reader.feed(frames):
            result_header_decoder.decode(each.header)

    return {
        "payload checked, trace header made": checks,
        "slot taken and given back": slots,
        "frame out": frames_out,
        "frame in": frames_in,
        "the whole router, sockets and HTTP apart": path.whole,
    }


def measure(payload: bytes) -> dict[str, list[float]]:
    """Microseconds per invocation, one figure per round."""
    there = steps(payload)
    rounds: dict[str, list[float]] = {name: [] for name in there}
    for _ in range(ROUNDS):
        for name, run in there.items():
            began = time.process_time()
            for _ in range(INVOCATIONS_PER_ROUND // BATCH):
                run()
            rounds[name].append((time.process_time() - began) / INVOCATIONS_PER_ROUND * 1e6)
    return rounds


async def main() -> None:
    """On a loop, because a link asks for the one it runs on; nothing is awaited."""
    for size in (100, 10_000):
        print(f"\n{size} byte event, Python {sys.version.split()[0]}, CPU, median of {ROUNDS} rounds")
        for name, times in measure(b'"' + b"x" * (size - 2) + b'"').items():
            print(f"{name:44}{statistics.median(times):6.1f} µs   ({min(times):.1f}-{max(times):.1f})")


if __name__ == "__main__":
    asyncio.run(main())
