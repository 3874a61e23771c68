"""What callers ask, whole answers, streams and events, small and large, and what they make of the answers."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec
from botocore.eventstream import EventStreamBuffer

from paddock.ports.clock import Dice, IdSource
from paddock.simulator.whole.callers import Answer, Asked, Callers, Manner
from paddock.simulator.whole.runtimes import Event

ANSWER_SECONDS = 330.0
"""A call of default Lambda may wait five minutes for an environment."""
LARGE_BYTES = 300_000
"""More than a frame, than what one writes at once, and than a kernel takes of one who does not read."""
LARGE_SHARE, EVENT_SHARE, STREAM_SHARE = 0.03, 0.25, 0.15
TENANTED = "plain1"
TENANTS = ("blue", "green", "red")
MANNERS = (*[Manner.WAITS] * 17, *[Manner.LEAVES] * 2, Manner.READS_SLOWLY)


class Form(StrEnum):
    INVOKE = "answer asked for"
    STREAM = "stream asked for"
    EVENT = "event sent"


@dataclass(frozen=True, slots=True)
class SentCall:
    """`call_id` is the caller's own; the handler answers with it, followed by `answer_bytes` dots."""

    call_id: str
    function: str
    form: Form
    manner: Manner
    at: float
    answer_bytes: int = 0
    padding_bytes: int = 0

    @property
    def tenant(self) -> str:
        """Whom it is made for, where the function has tenants. No dice: what befalls the others stays the same."""
        return TENANTS[int(self.call_id[:8], 16) % len(TENANTS)] if self.function == TENANTED else ""

    def asked(self) -> Asked:
        stream = self.form is Form.STREAM
        event = Event(self.call_id, self.answer_bytes, stream, "." * self.padding_bytes, self.tenant)
        version, what = ("2021-11-15", "response-streaming-invocations") if stream else ("2015-03-31", "invocations")
        headers = ("X-Amz-Invocation-Type: Event",) if self.form is Form.EVENT else ()
        if self.tenant:
            headers = (*headers, f"X-Amz-Tenant-Id: {self.tenant}")
        return Asked(f"/{version}/functions/{self.function}/{what}", msgspec.json.encode(event), headers)

    def expected(self) -> bytes:
        return self.call_id.encode() + b"." * self.answer_bytes


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer as its caller understands it. `status` is 0 where none came whole."""

    status: int
    error: str = ""
    function_failed: bool = False
    body: bytes = b""


def understood(call: SentCall, answer: Answer) -> Heard:
    if not answer.whole:
        return Heard(0, "the connection broke off")
    if answer.status != 200:
        return Heard(answer.status, answer.error)
    if call.form is Form.STREAM:
        return _streamed(bytes(answer.body))
    return Heard(200, answer.function_error or "", answer.function_error is not None, bytes(answer.body))


def _streamed(body: bytes) -> Heard:
    """Read by AWS's own reader of event streams."""
    buffer: Any = EventStreamBuffer()
    pieces: list[bytes] = []
    buffer.add_data(body)
    for event in buffer:
        if event.headers[":event-type"] == "PayloadChunk":
            pieces.append(event.payload)
        else:
            error = msgspec.json.decode(event.payload).get("ErrorCode", "")
            return Heard(200, error, bool(error), b"".join(pieces))
    return Heard(0, "the stream has no end")


class Ears:
    """Who is told what came of each call."""

    def begun(self, call: SentCall) -> None: ...

    def heard(self, call: SentCall, heard: Heard | None) -> None:
        """None: nobody listened, or nobody waited for the answer any more."""

    def never_answered(self, call: SentCall) -> None: ...


class Traffic:
    """`seen` counts what was asked and how; calls come while `calling`."""

    def __init__(self, dice: Dice, ids: IdSource, ears: Ears) -> None:
        self.callers = Callers(dice)
        self.seen: Counter[str] = self.callers.seen
        self.calling = True
        self._dice = dice
        self._ids = ids
        self._ears = ears

    async def call_often(self, group: asyncio.TaskGroup, function: str, rate: float) -> None:
        while self.calling:
            await asyncio.sleep(self._dice.expovariate(rate))
            if self.calling:
                group.create_task(self._call(self._next(function)))

    def _next(self, function: str) -> SentCall:
        dice, form = self._dice, Form.INVOKE
        fate = dice.random()
        if fate < EVENT_SHARE:
            form = Form.EVENT
        elif fate < EVENT_SHARE + STREAM_SHARE:
            form = Form.STREAM
        manner = Manner.WAITS if form is Form.EVENT else dice.choice(MANNERS)
        large = dice.random() < LARGE_SHARE or manner is Manner.READS_SLOWLY
        return SentCall(
            self._ids.uuid(),
            function,
            form,
            manner,
            asyncio.get_running_loop().time(),
            LARGE_BYTES if large else 0,
            LARGE_BYTES if form is not Form.EVENT and dice.random() < LARGE_SHARE else 0,
        )

    async def _call(self, call: SentCall) -> None:
        self.seen[call.form] += 1
        self._ears.begun(call)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await self.callers.call(call.asked(), call.manner)
        except TimeoutError:
            self._ears.never_answered(call)
            return
        left = answer is not None and call.manner is Manner.LEAVES and not answer.whole
        self._ears.heard(call, None if answer is None or left else understood(call, answer))
