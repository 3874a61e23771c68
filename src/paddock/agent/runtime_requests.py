"""A runtime's or an extension's requests on one connection, one after the other, as the parser finds them.

Decides nothing about invocations; who owns the connection hears of polls.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import httptools

from paddock.agent import runtime_replies as replies
from paddock.agent.extension_request import ExtensionRequest
from paddock.agent.limits import DISCARDED_BYTES
from paddock.agent.runtime_headers import KEPT_HEADERS, content_length, document, header, posted_error_type, user_agent
from paddock.agent.runtime_routes import Route, find_route
from paddock.core.environment import Invocation, InvocationPhase, Rejection
from paddock.core.environment.errors import (
    INVALID_RESPONSE_MODE,
    MAX_ERROR_BYTES,
    MAX_RESPONSE_BYTES,
    RESPONSE_TOO_LARGE,
    TRUNCATED_RESPONSE,
    response_too_large_message,
)

if TYPE_CHECKING:
    from paddock.agent.calls import Call
    from paddock.agent.runtime_api import RuntimeConnection
    from paddock.agent.runtime_environment import RuntimeApi

BYTES = "application/octet-stream"
"""What an answer is that does not say."""
_STREAMING, _TIMED_OUT = InvocationPhase.STREAMING, InvocationPhase.TIMED_OUT


class RuntimeRequests(asyncio.Protocol):
    def __init__(self, api: RuntimeApi) -> None:
        self.user_agent = ""
        self._api = api
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._polling = False
        self._between_requests = True
        self._in_head = False
        self._head_bytes = 0
        self._completed = 0
        self._start_request()

    def _polled(self) -> None:
        raise NotImplementedError

    @property
    def gone(self) -> bool:
        return self._transport is None or self._transport.is_closing()

    def _asked_by_extension(self, asked: ExtensionRequest) -> bytes | None:
        raise NotImplementedError

    def _start_request(self) -> None:
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._route = Route.NOT_FOUND
        self._invocation: Invocation[Call, RuntimeConnection] | None = None
        self._collected: list[bytes] | None = None
        self._body_bytes = 0
        self._body_limit = 0
        self._discarded_bytes = 0
        self._reply: bytes | None = None

    # What it is answered with

    def _break_off(self, reply: bytes) -> None:
        """The peer speaks no HTTP that we understand. What it was in the middle of is over."""
        self._between_requests = False
        self._in_head = False
        if not self._polling:
            self._write(reply)
        if self._transport is not None:
            self._transport.close()

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def pause_reading(self) -> None:
        if not self.gone and self._transport is not None and self._transport.is_reading():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if not self.gone and self._transport is not None and not self._transport.is_reading():
            self._transport.resume_reading()

    # What the parser calls

    def on_message_begin(self) -> None:
        self._between_requests = False
        self._in_head = True
        self._head_bytes = 0
        self._start_request()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Trailers come here too, after the body."""
        name = name.lower()
        if name in KEPT_HEADERS:
            self._headers[name] = value

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._polling:
            # Nothing can be answered before the open poll: whoever asks here is no runtime client.
            self._break_off(b"")
            return
        self._route, invocation_id = find_route(self._parser.get_method(), self._url)
        if self._route is Route.RESPONSE:
            self._begin_response(invocation_id)
        elif self._route is Route.ERROR:
            self._begin_error(invocation_id)
        elif self._route is Route.INIT_ERROR or self._route is Route.EXTENSION:
            self._collect(MAX_ERROR_BYTES)
            if content_length(self._headers) > MAX_ERROR_BYTES:
                self._reply = replies.ERROR_TOO_LARGE
        if b"expect" in self._headers and self._reply is None:
            self._write(replies.CONTINUE)

    def _collect(self, limit: int) -> None:
        self._collected = []
        self._body_limit = limit

    def _begin_response(self, invocation_id: str) -> None:
        mode = self._headers.get(b"lambda-runtime-function-response-mode")
        streaming = mode is not None and mode.lower() == b"streaming"
        nonce = header(self._headers, b"lambda-runtime-invocation-id")
        begun = self._api.begin_response(invocation_id, nonce, streaming=streaming)
        if isinstance(begun, Rejection):
            self._reply = self._api.rejected(begun)
            return
        self._invocation = begun
        if mode is not None and not streaming:
            message = "Invalid response mode header"
            self._fail(INVALID_RESPONSE_MODE, message, replies.INVALID_RESPONSE_MODE)
            return
        content_type = header(self._headers, b"content-type", BYTES)
        if streaming and self._api.begin_stream(begun, content_type, self):
            return
        self._collect(MAX_RESPONSE_BYTES)
        length = content_length(self._headers)
        if length > MAX_RESPONSE_BYTES:
            self._too_large(length)

    def _begin_error(self, invocation_id: str) -> None:
        begun = self._api.begin_error(invocation_id, header(self._headers, b"lambda-runtime-invocation-id"))
        if isinstance(begun, Rejection):
            self._reply = self._api.rejected(begun)
            return
        self._invocation = begun
        self._collect(MAX_ERROR_BYTES)
        length = content_length(self._headers)
        if length > MAX_ERROR_BYTES:
            self._too_large(length)

    def _too_large(self, size: int) -> None:
        if self._route is Route.INIT_ERROR or self._route is Route.EXTENSION:
            self._collected = None
            self._reply = replies.ERROR_TOO_LARGE
            return
        reply = replies.TOO_LARGE if self._route is Route.RESPONSE else replies.ERROR_TOO_LARGE
        self._fail(RESPONSE_TOO_LARGE, response_too_large_message(size, self._body_limit), reply)

    def _fail(self, error_type: str, message: str, reply: bytes) -> None:
        """The caller hears of it now; the runtime when it has sent all it wants to send."""
        assert self._invocation is not None
        late = self._api.respond_badly(self._invocation, error_type, message)
        self._invocation = None
        self._collected = None
        self._reply = late or reply

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._collected is not None:
            if self._body_bytes <= self._body_limit:
                self._collected.append(body)
            else:
                self._too_large(self._body_bytes)
        elif self._invocation is not None and self._invocation.phase is _STREAMING:
            self._api.stream(self._invocation, body)
        else:
            self._discard(len(body))

    def _discard(self, size: int) -> None:
        """Of a body that was refused, or of a stream that was cut: the runtime hears why when it has sent the rest, or
        when that has no end.
        """
        self._discarded_bytes += size
        if self._discarded_bytes <= DISCARDED_BYTES:
            return
        late = None if self._invocation is None else self._end_badly()
        self._break_off(self._reply or late or replies.TOO_LARGE)

    def on_message_complete(self) -> None:
        self._completed += 1
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        self._between_requests = True
        if self._route is Route.NEXT:
            self._polling = True
            self.user_agent = user_agent(self._headers)
            self._polled()
            return
        answer = self._answer_extension() if self._route is Route.EXTENSION else self._answer()
        if answer is None:
            return
        transport.write(answer)
        if not self._parser.should_keep_alive():
            transport.close()

    def _answer_extension(self) -> bytes | None:
        """None: it waits for its next event, or has got it already, while it was still being heard."""
        if self._reply is not None:
            return self._reply
        asked = ExtensionRequest(self._parser.get_method(), self._url, self._headers, b"".join(self._collected or ()))
        self._polling = True
        answer = self._asked_by_extension(asked)
        if answer is not None:
            self._polling = False
        return answer

    def _answer(self) -> bytes:
        if self._reply is not None:
            return self._reply
        invocation = self._invocation
        self._invocation = None
        if invocation is not None:
            return self._finish(invocation)
        if self._route is Route.INIT_ERROR:
            assert self._collected is not None
            return self._api.init_error(posted_error_type(self._headers), b"".join(self._collected))
        if self._route is Route.PING:
            return replies.PONG
        return replies.METHOD_NOT_ALLOWED if self._route is Route.WRONG_METHOD else replies.NOT_FOUND

    def _finish(self, invocation: Invocation[Call, RuntimeConnection]) -> bytes:
        if self._collected is None:
            if invocation.phase is not _STREAMING and invocation.phase is not _TIMED_OUT:
                return replies.INVALID_REQUEST_ID  # an `/error` on another connection has cut this stream off
            body = document(self._headers, b"lambda-runtime-function-error-body")
            return self._api.end_stream(invocation, posted_error_type(self._headers), body)
        if self._route is Route.ERROR:
            content_type = header(self._headers, b"content-type", "application/json")
            cause = document(self._headers, b"lambda-runtime-function-xray-error-cause")
            return self._api.respond_error(
                invocation, posted_error_type(self._headers), content_type, self._collected, cause
            )
        error_type = posted_error_type(self._headers)
        if error_type and self._headers.get(b"lambda-runtime-function-response-mode"):
            # Error trailers of a stream that was collected for a caller who wanted it whole.
            body = document(self._headers, b"lambda-runtime-function-error-body")
            return self._api.end_stream(invocation, error_type, body)
        content_type = header(self._headers, b"content-type", BYTES)
        return self._api.respond(invocation, content_type, self._collected)

    def _end_badly(self) -> bytes | None:
        """The request broke off in the middle of its body."""
        if self._between_requests or self._in_head:
            return None
        invocation, self._invocation = self._invocation, None
        self._between_requests = True
        if invocation is None:
            return replies.TRUNCATED
        if self._collected is None and invocation.phase is not _STREAMING and invocation.phase is not _TIMED_OUT:
            return replies.INVALID_REQUEST_ID
        late = self._api.respond_badly(invocation, TRUNCATED_RESPONSE, "Response was truncated")
        return late or replies.TRUNCATED
