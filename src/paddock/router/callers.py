"""The three kinds of caller: one that waits for a whole answer over HTTP, one that reads a stream, a part of Paddock.

A streamed answer that was not asked for is gathered up to the limit of a whole one; a whole one, where a stream was
asked for, is a stream of one event.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple

from paddock.awsapi.eventstream import CONTENT_TYPE, invoke_complete, payload_chunk
from paddock.awsapi.messages import Responder, ResponseStream
from paddock.core.environment import errors
from paddock.core.on_demand import ThrottleReason
from paddock.model.errors import ApiError
from paddock.ports.invoker import InvokeResult
from paddock.router.answers import THROTTLED_CODE, THROTTLED_STATUS, HttpRefusals, error_document
from paddock.router.calls import Call
from paddock.router.limits import SYNCHRONOUS_PAYLOAD_BYTES
from paddock.wire.agent import ResultHeader

UNHANDLED = "Unhandled"
"""AWS's word for every function error: what a runtime handled, it does not report."""


class Outcome(NamedTuple):
    """A whole answer. `error_type` is empty when the function did not fail."""

    error_type: str
    body: bytes


class WholeCall(Call):
    """Gathers a streamed answer, if one comes."""

    __slots__ = ("_gathered", "_gathered_bytes")

    _gathered: list[bytes]
    _gathered_bytes: int

    def stream_started(self, content_type: str) -> None:
        self.streamed = True
        self._gathered = []
        self._gathered_bytes = 0

    def stream_continued(self, piece: bytes) -> None:
        self._gathered_bytes += len(piece)
        if self._gathered_bytes > SYNCHRONOUS_PAYLOAD_BYTES:
            self._gathered.clear()
        else:
            self._gathered.append(piece)

    def outcome(self, result: ResultHeader, body: bytes) -> Outcome:
        if result.outcome != "ok":
            return Outcome(result.error_type, body)
        if not self.streamed:
            return Outcome("", body)
        if self._gathered_bytes > SYNCHRONOUS_PAYLOAD_BYTES:
            text = errors.response_too_large_message(self._gathered_bytes, SYNCHRONOUS_PAYLOAD_BYTES)
            return Outcome(errors.RESPONSE_TOO_LARGE, error_document(errors.RESPONSE_TOO_LARGE, text))
        return Outcome("", b"".join([*self._gathered, body]))


class HttpCall(WholeCall):
    """Answered over HTTP, in one piece."""

    __slots__ = ("refusals", "responder")

    responder: Responder
    refusals: HttpRefusals

    def answered(self, result: ResultHeader, body: bytes) -> None:
        _, version = self.destination.key
        # Nothing in these lines is the caller's or the function's own words, so nothing in them can end a line.
        lines = (
            f"Content-Type: application/json\r\nx-amzn-RequestId: {self.invocation_id}\r\n"
            f"X-Amzn-Trace-Id: {self.trace_header}\r\nX-Amz-Executed-Version: {version}\r\n"
        )
        if self.streamed or result.outcome != "ok":
            error_type, body = self.outcome(result, body)
            if error_type:
                lines += f"X-Amz-Function-Error: {UNHANDLED}\r\n"
        if result.log_tail:
            lines += f"X-Amz-Log-Result: {result.log_tail}\r\n"
        self.responder.send_lines(200, lines, body)

    def throttled(self, reason: ThrottleReason) -> None:
        self.refusals.throttle(self.responder, self.invocation_id, reason)

    def failed(self, error: ApiError) -> None:
        self.refusals.fail(self.responder, self.invocation_id, error)


class StreamCall(Call):
    """Answered over HTTP as a stream of events, as fast as the caller reads."""

    __slots__ = ("refusals", "responder", "stream")

    responder: Responder
    refusals: HttpRefusals
    stream: ResponseStream | None

    def stream_started(self, content_type: str) -> None:
        self._open()

    def stream_continued(self, piece: bytes) -> None:
        self._open().write(payload_chunk(piece))

    def answered(self, result: ResultHeader, body: bytes) -> None:
        stream = self._open()
        if result.outcome == "ok":
            if body:
                stream.write(payload_chunk(body))
            stream.write(invoke_complete(log_result=result.log_tail))
        else:
            stream.write(invoke_complete(UNHANDLED, body.decode(errors="replace"), result.log_tail))
        stream.end()

    def throttled(self, reason: ThrottleReason) -> None:
        self.refusals.throttle(self.responder, self.invocation_id, reason)

    def failed(self, error: ApiError) -> None:
        if self.stream is None:
            self.refusals.fail(self.responder, self.invocation_id, error)
        else:
            self.stream.abort()

    def _open(self) -> ResponseStream:
        if self.stream is None:
            headers = (
                ("Content-Type", CONTENT_TYPE),
                ("x-amzn-RequestId", self.invocation_id),
                ("X-Amzn-Trace-Id", self.trace_header),
                ("X-Amz-Executed-Version", self.destination.key.version),
            )
            self.stream = self.responder.start(200, headers)
            self.stream.on_flow(self._pause, self._resume)
        return self.stream

    def _pause(self) -> None:
        if self.channel is not None:
            self.channel.pause(self.number)

    def _resume(self) -> None:
        if self.channel is not None:
            self.channel.resume(self.number)


class InnerCall(WholeCall):
    """Answered to a part of Paddock, which awaits `done`."""

    __slots__ = ("done",)

    done: asyncio.Future[InvokeResult]

    def answered(self, result: ResultHeader, body: bytes) -> None:
        error_type, body = self.outcome(result, body)
        self._settle(InvokeResult(200, body, self.destination.key.version, error_type or None))

    def throttled(self, reason: ThrottleReason) -> None:
        version = self.destination.key.version
        self._settle(InvokeResult(THROTTLED_STATUS, b"", version, error_code=THROTTLED_CODE))

    def failed(self, error: ApiError) -> None:
        self._settle(InvokeResult(500, b"", self.destination.key.version, error_code=error.code))

    def _settle(self, result: InvokeResult) -> None:
        if not self.done.done():
            self.done.set_result(result)
