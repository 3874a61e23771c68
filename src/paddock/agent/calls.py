"""One invocation as the server knows it: where it came from, its event, and how its answer goes back."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from paddock.agent.bandwidth import Bandwidth
from paddock.agent.outbox import Outbox
from paddock.wire.agent import InvokeHeader, ResultHeader, SlotReleased, StreamHeader, encoder
from paddock.wire.frames import FrameKind

_encode = encoder.encode
_RESULT, _STREAM_HEAD = FrameKind.RESULT, FrameKind.STREAM_HEAD
_STREAM_END, _SLOT_RELEASED = FrameKind.STREAM_END, FrameKind.SLOT_RELEASED


class StreamSource(Protocol):
    """The runtime's connection that a streamed answer comes from."""

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class Caller(Protocol):
    """The link to the server, for as long as it stands."""

    outbox: Outbox | None
    calls: dict[int, Call]
    streams: dict[Call, None]


class Call:
    """`event` are the pieces of its body; they are let go of once a runtime has them."""

    __slots__ = (
        "bandwidth",
        "caller",
        "cancelled",
        "event",
        "event_bytes",
        "head",
        "header",
        "number",
        "paused",
        "source",
        "throttled",
    )

    def __init__(self, caller: Caller, number: int, header: InvokeHeader, event: list[bytes], event_bytes: int) -> None:
        self.caller = caller
        self.number = number
        self.header = header
        self.event = event
        self.event_bytes = event_bytes
        self.head = ""
        self.cancelled = False
        self.paused = False
        self.throttled = False
        self.source: StreamSource | None = None
        self.bandwidth: Bandwidth | None = None

    def refuse(self, error_type: str) -> None:
        self._finish(_RESULT, ResultHeader("refused", error_type), ())

    def answer(self, content_type: str, duration_us: int, pieces: Sequence[bytes]) -> None:
        self._finish(_RESULT, ResultHeader("ok", "", content_type, duration_us), pieces)

    def fail(
        self, error_type: str, content_type: str, duration_us: int, pieces: Sequence[bytes], *, slot_held: bool = False
    ) -> None:
        """Also ends a stream that has begun."""
        kind = _RESULT if self.source is None else _STREAM_END
        self._detach()
        self._finish(kind, ResultHeader("function_error", error_type, content_type, duration_us, slot_held), pieces)

    def _finish(self, kind: FrameKind, header: ResultHeader, pieces: Sequence[bytes]) -> None:
        self.caller.calls.pop(self.number, None)
        outbox = self.caller.outbox
        if outbox is not None:
            outbox.body(kind, self.number, _encode(header), () if self.cancelled else pieces)
            if not self.caller.calls:
                outbox.flush()  # nobody else is likely to write in this turn

    def begin_stream(self, content_type: str, source: StreamSource) -> None:
        self.source = source
        self.bandwidth = Bandwidth(asyncio.get_running_loop().time())
        outbox = self.caller.outbox
        if outbox is not None:
            self.caller.streams[self] = None
            outbox.frame(_STREAM_HEAD, self.number, _encode(StreamHeader(content_type)))
            self.regulate()

    def stream(self, chunk: bytes) -> None:
        outbox = self.caller.outbox
        if outbox is not None and not self.cancelled:
            outbox.data(self.number, chunk)
            self._throttle(len(chunk))
            self.regulate()

    def _throttle(self, size: int) -> None:
        loop = asyncio.get_running_loop()
        pause_seconds = 0.0 if self.bandwidth is None else self.bandwidth.take(size, loop.time())
        if pause_seconds and not self.throttled:
            self.throttled = True
            loop.call_later(pause_seconds, self._go_on)

    def _go_on(self) -> None:
        self.throttled = False
        self.regulate()

    def end_stream(self, duration_us: int) -> None:
        self._detach()
        self._finish(_STREAM_END, ResultHeader("ok", "", "", duration_us), ())

    def release_slot(self) -> None:
        outbox = self.caller.outbox
        if outbox is not None:
            header = SlotReleased(self.header.environment_id, self.header.invocation_id)
            outbox.frame(_SLOT_RELEASED, self.number, _encode(header))

    def regulate(self) -> None:
        """Read on from the runtime only while the caller keeps up. With nobody there any more the rest is let run."""
        if self.source is None:
            return
        outbox = self.caller.outbox
        if outbox is not None and not self.cancelled and (self.paused or self.throttled or outbox.blocked):
            self.source.pause_reading()
        else:
            self.source.resume_reading()

    def _detach(self) -> None:
        if self.source is not None:
            self.source.resume_reading()
            self.source = None
            self.caller.streams.pop(self, None)
