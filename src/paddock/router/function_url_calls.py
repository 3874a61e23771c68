"""The two kinds of call at a function URL: one that waits for a whole answer, one that passes a stream on.

What an answer means, `core.function_urls` says; here it is sent, once, and counted.
"""

from __future__ import annotations

from collections.abc import Callable

from paddock.awsapi.function_url_replies import bad_gateway, refusal
from paddock.awsapi.messages import Responder, ResponseStream
from paddock.awsapi.replies import REQUEST_ID_HEADER, Reply
from paddock.core.function_urls import prelude
from paddock.core.function_urls.answers import BYTES_TYPE, JSON_TYPE, OK, Answer, AnswerHead, Malformed, answer_of
from paddock.core.function_urls.cors import preflight_headers, with_cors
from paddock.core.function_urls.prelude import PreludeReader
from paddock.core.on_demand import ThrottleReason
from paddock.model.errors import ApiError
from paddock.router.answers import THROTTLED_CODE, THROTTLED_STATUS
from paddock.router.callers import WholeCall
from paddock.router.calls import Call
from paddock.router.function_urls import KnownUrl
from paddock.wire.agent import ResultHeader

THROTTLED_TEXT = "Rate Exceeded."
BODILESS = frozenset({204, 304})
_MAYBE_JSON = frozenset({"", JSON_TYPE, BYTES_TYPE})


class Exchange:
    """One request at a function URL and its one answer. `seconds` is a clock that only goes forward."""

    __slots__ = ("_counted", "_origin", "_responder", "_seconds", "_since", "request_id", "url")

    def __init__(
        self, url: KnownUrl, responder: Responder, request_id: str, origin: str | None, seconds: Callable[[], float]
    ) -> None:
        self.url = url
        self.request_id = request_id
        self._responder = responder
        self._origin = origin
        self._seconds = seconds
        self._since = seconds()
        self._counted = False

    def send(self, reply: Reply) -> None:
        """What the platform itself has to say."""
        headers = with_cors(reply.headers, self.url.cors, self._origin)
        self._responder.send(reply.status, headers, reply.body)
        self.ended(reply.status)

    def preflight(self, origin: str) -> None:
        assert self.url.cors is not None
        headers = ((REQUEST_ID_HEADER, self.request_id), *preflight_headers(self.url.cors, origin))
        self._responder.send(OK, headers, b"")
        self.ended(OK)

    def answer(self, answer: Answer | Malformed, trace_header: str) -> None:
        if isinstance(answer, Malformed):
            self.send(bad_gateway(self.request_id, answer.reason))
            return
        self._responder.send(answer.head.status, self._headers(answer.head, trace_header), answer.body)
        self.ended(answer.head.status)

    def start(self, head: AnswerHead, trace_header: str) -> ResponseStream:
        return self._responder.start(head.status, self._headers(head, trace_header))

    def ended(self, status: int) -> None:
        if self._counted:
            return
        self._counted = True
        counters = self.url.counters
        counters.answered(int((self._seconds() - self._since) * 1e6))
        if status >= 500:
            counters.errors += 1
        elif status >= 400:
            counters.refusals += 1

    def _headers(self, head: AnswerHead, trace_header: str) -> list[tuple[str, str]]:
        ours = ((REQUEST_ID_HEADER, self.request_id), ("X-Amzn-Trace-Id", trace_header))
        return [*ours, *with_cors(head.headers, self.url.cors, self._origin)]


def throttled_reply(request_id: str) -> Reply:
    return refusal(THROTTLED_STATUS, request_id, THROTTLED_TEXT, THROTTLED_CODE)


class UrlCall(WholeCall):
    """`BUFFERED`: answered when the function has ended. `content_type` is that of a streamed answer."""

    __slots__ = ("content_type", "exchange")

    exchange: Exchange
    content_type: str

    def stream_started(self, content_type: str) -> None:
        super().stream_started(content_type)
        self.content_type = content_type

    def answered(self, result: ResultHeader, body: bytes) -> None:
        error_type, body = self.outcome(result, body)
        if error_type or result.outcome != "ok":
            self.exchange.send(bad_gateway(self.exchange.request_id))
            return
        content_type = self.content_type if self.streamed else result.content_type
        self.exchange.answer(whole_answer(body, content_type, streamed=self.streamed), self.trace_header)

    def throttled(self, reason: ThrottleReason) -> None:
        self.exchange.send(throttled_reply(self.exchange.request_id))

    def failed(self, error: ApiError) -> None:
        self.exchange.send(bad_gateway(self.exchange.request_id, error.message))


def whole_answer(body: bytes, content_type: str, *, streamed: bool) -> Answer | Malformed:
    """A runtime that streams need not answer in JSON: then its type says what the body is."""
    if content_type == prelude.CONTENT_TYPE:
        return prelude.whole(body)
    if streamed and content_type not in _MAYBE_JSON:
        return Answer(AnswerHead(OK, (("Content-Type", content_type),)), body)
    found = answer_of(body)
    if streamed and isinstance(found, Malformed):
        return Answer(AnswerHead(OK, (("Content-Type", BYTES_TYPE),)), body)
    return found


class UrlStreamCall(Call):
    """`RESPONSE_STREAM`: answered as fast as the caller reads. `over`: answered before the function had ended."""

    __slots__ = ("exchange", "over", "reader", "status", "stream")

    exchange: Exchange

    def begin(self, exchange: Exchange) -> None:
        """To be called before it is sent."""
        self.exchange = exchange
        self.streaming = True
        self.over = False
        self.status = OK
        self.reader: PreludeReader | None = None
        self.stream: ResponseStream | None = None

    def stream_started(self, content_type: str) -> None:
        self.streamed = True
        if content_type == prelude.CONTENT_TYPE:
            self.reader = PreludeReader()
        else:
            self._open(AnswerHead(OK, (("Content-Type", content_type or BYTES_TYPE),)))

    def stream_continued(self, piece: bytes) -> None:
        if self.over:
            return
        if self.reader is not None:
            found = self.reader.feed(piece)
            if found is None:
                return
            self.reader = None
            if isinstance(found, Malformed):
                self._refuse(found)
                return
            self._open(found.head.with_content_type(BYTES_TYPE))
            piece = found.body
        if self.stream is not None and self.status not in BODILESS:
            self.stream.write(piece)

    def answered(self, result: ResultHeader, body: bytes) -> None:
        if self.over:
            return
        if result.outcome != "ok":
            self._fail("")
            return
        if not self.streamed:
            self.stream_started(result.content_type)
        if body:
            self.stream_continued(body)
        if self.stream is not None:
            self.stream.end()
            self.exchange.ended(self.status)
        elif not self.over:
            self.exchange.answer(prelude.CUT_SHORT, self.trace_header)

    def throttled(self, reason: ThrottleReason) -> None:
        self.exchange.send(throttled_reply(self.exchange.request_id))

    def failed(self, error: ApiError) -> None:
        if not self.over:
            self._fail(error.message)

    def _fail(self, reason: str) -> None:
        """Once the answer has begun, a cut connection is all that tells of it."""
        if self.stream is None:
            self.exchange.send(bad_gateway(self.exchange.request_id, reason))
        else:
            self.stream.abort()
            self.exchange.ended(self.status)

    def _refuse(self, malformed: Malformed) -> None:
        self.over = True
        self.exchange.answer(malformed, self.trace_header)
        self.abandon()

    def _open(self, head: AnswerHead) -> None:
        self.status = head.status
        self.stream = self.exchange.start(head, self.trace_header)
        self.stream.on_flow(self._pause, self._resume)

    def _pause(self) -> None:
        if self.channel is not None:
            self.channel.pause(self.number)

    def _resume(self) -> None:
        if self.channel is not None:
            self.channel.resume(self.number)
