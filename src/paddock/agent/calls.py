"""One invocation as the server knows it: where it came from, its event, and how its answer goes back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from paddock.agent.answer_stream import AnswerStream, StreamSource
from paddock.agent.outbox import Outbox
from paddock.wire.agent import InvokeHeader, ResultHeader, SlotReleased, StreamHeader, encoder
from paddock.wire.frames import FrameKind

_encode = encoder.encode
_RESULT, _STREAM_HEAD = FrameKind.RESULT, FrameKind.STREAM_HEAD
_STREAM_END, _SLOT_RELEASED = FrameKind.STREAM_END, FrameKind.SLOT_RELEASED


class Caller(Protocol):
    """The link to the server; `outbox` is None once it is gone. `calls` are those not yet answered, `streams` those of
    them whose answer is streaming.
    """

    outbox: Outbox | None
    calls: dict[int, Call]
    streams: dict[Call, AnswerStream]


class Call(msgspec.Struct, eq=False):
    """`event` are the pieces of its body, let go of once a runtime has them. `segment` is the id of the platform's part
    of its trace, where tracing is active. Never encoded: a struct, because one is made for every invocation.
    """

    caller: Caller
    number: int
    header: InvokeHeader
    event: list[bytes]
    event_bytes: int
    log_tail: str = ""
    segment: str = ""
    cancelled: bool = False
    stream: AnswerStream | None = None

    def refuse(self, error_type: str) -> None:
        self._finish(_RESULT, ResultHeader("refused", error_type), ())

    def answer_at_once(self, content_type: str, duration_us: int, body: bytes) -> None:
        """As `answer`, where there is nothing but a short body."""
        caller = self.caller
        caller.calls.pop(self.number, None)
        outbox = caller.outbox
        if outbox is not None:
            header = _encode(ResultHeader("ok", "", content_type, duration_us))
            outbox.frame(_RESULT, self.number, header, b"" if self.cancelled else body)
            if not caller.calls:
                outbox.flush()  # nobody else is likely to write in this turn

    def answer(self, content_type: str, duration_us: int, pieces: Sequence[bytes], *, slot_held: bool = False) -> None:
        self._finish(_RESULT, ResultHeader("ok", "", content_type, duration_us, slot_held, self.log_tail), pieces)

    def fail(
        self, error_type: str, content_type: str, duration_us: int, pieces: Sequence[bytes], *, slot_held: bool = False
    ) -> None:
        """Also ends a stream that has begun."""
        kind = _RESULT if self.stream is None else _STREAM_END
        self._end_stream()
        header = ResultHeader("function_error", error_type, content_type, duration_us, slot_held, self.log_tail)
        self._finish(kind, header, pieces)

    def _finish(self, kind: FrameKind, header: ResultHeader, pieces: Sequence[bytes]) -> None:
        caller = self.caller
        caller.calls.pop(self.number, None)
        outbox = caller.outbox
        if outbox is not None:
            outbox.body(kind, self.number, _encode(header), () if self.cancelled else pieces)
            if not caller.calls:
                outbox.flush()  # nobody else is likely to write in this turn

    def begin_stream(self, content_type: str, source: StreamSource) -> None:
        self.stream = AnswerStream(source)
        outbox = self.caller.outbox
        if outbox is not None:
            outbox.frame(_STREAM_HEAD, self.number, _encode(StreamHeader(content_type)))
            self.caller.streams[self] = self.stream
            self.stream.blocked = outbox.blocked

    def continue_stream(self, chunk: bytes) -> None:
        outbox = self.caller.outbox
        if outbox is not None and self.stream is not None and not self.cancelled:
            outbox.data(self.number, chunk)
            self.stream.passed_on(len(chunk))

    def finish_stream(self, duration_us: int, *, slot_held: bool = False) -> None:
        self._end_stream()
        self._finish(_STREAM_END, ResultHeader("ok", "", "", duration_us, slot_held, self.log_tail), ())

    def _end_stream(self) -> None:
        if self.stream is not None:
            self.stream.let_run()
            self.stream = None
            self.caller.streams.pop(self, None)

    def release_slot(self, extensions_us: int | None = None) -> None:
        outbox = self.caller.outbox
        if outbox is not None:
            header = SlotReleased(self.header.environment_id, self.header.invocation_id, extensions_us)
            outbox.frame(_SLOT_RELEASED, self.number, _encode(header))

    def cancel(self) -> None:
        """Its caller is gone; the invocation goes on."""
        self.cancelled = True
        if self.stream is not None:
            self.stream.let_run()

    def pause(self, *, paused: bool) -> None:
        if self.stream is not None:
            self.stream.paused = paused
            self.stream.regulate()
