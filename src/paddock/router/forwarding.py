"""Hands requests that a router does not answer itself to the server, byte for byte as they were signed, and back.
A function URL's are told where they come from, because the server sees only us.

One connection to the server's unix socket per request under way, kept for the next. Small answers are passed on whole,
long ones and those of unknown length as they come.
"""

from __future__ import annotations

import asyncio
import logging
from typing import cast

import httptools

from paddock.awsapi.function_url_replies import FORWARDED_SOURCE, is_for_function_url
from paddock.awsapi.messages import Request, Responder, ResponseStream

log = logging.getLogger(__name__)

KEPT_CONNECTIONS = 32
"""Making a new one is cheap on a unix socket: what is kept is for the ordinary rate of such requests."""
REQUESTS_UNDER_WAY = 512
"""As many as the server itself works on at once."""

WHOLE_ANSWER_BYTES = 1024 * 1024
"""A longer answer is not held in memory."""
_PER_HOP = frozenset({"connection", "content-length", "date", "keep-alive", "transfer-encoding"})
_NOT_SENT = frozenset(
    {b"connection", b"content-length", b"expect", b"keep-alive", b"transfer-encoding", FORWARDED_SOURCE}
)
# No setting, that second: a server that ended is back by then, or somebody has to look after it.
_UNAVAILABLE = b'{"message":"The server of this router cannot be reached; try again"}'


class Forwarder:
    """Needs `run` to be running."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._group: asyncio.TaskGroup | None = None
        self._kept: list[Upstream] = []
        self._under_way = 0

    async def run(self) -> None:
        """Until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                await asyncio.get_running_loop().create_future()
        finally:
            self._group = None
            for upstream in self._kept:
                upstream.close()
            self._kept.clear()

    def handle(self, request: Request, responder: Responder) -> None:
        if self._group is None or self._under_way >= REQUESTS_UNDER_WAY:
            _refuse(responder)
            return
        self._under_way += 1
        if self._kept:
            self._kept.pop().send(request, responder)
        else:
            self._group.create_task(self._connect(request, responder))

    def ended(self, upstream: Upstream, *, reusable: bool) -> None:
        """The answer is complete, or will not be."""
        self._under_way -= 1
        if reusable and self._group is not None and len(self._kept) < KEPT_CONNECTIONS:
            self._kept.append(upstream)
        else:
            upstream.close()

    def lost(self, upstream: Upstream) -> None:
        if upstream in self._kept:
            self._kept.remove(upstream)

    async def _connect(self, request: Request, responder: Responder) -> None:
        try:
            _, upstream = await asyncio.get_running_loop().create_unix_connection(lambda: Upstream(self), self._path)
        except OSError as error:
            log.warning("the server cannot be reached: %s", error)
            self._under_way -= 1
            _refuse(responder)
        else:
            upstream.send(request, responder)


class Upstream(asyncio.Protocol):
    """One connection to the server, with at most one request on it."""

    def __init__(self, forwarder: Forwarder) -> None:
        self._forwarder = forwarder
        self._transport = cast("asyncio.Transport", None)
        self._parser: httptools.HttpResponseParser | None = None
        self._responder: Responder | None = None
        self._stream: ResponseStream | None = None
        self._headers: list[tuple[str, str]] = []
        self._length: int | None = None
        self._body: list[bytes] = []
        self._has_body = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def send(self, request: Request, responder: Responder) -> None:
        self._responder = responder
        self._stream = None
        self._headers = []
        self._length = None
        self._body = []
        self._has_body = request.method != "HEAD"
        self._parser = httptools.HttpResponseParser(self)
        responder.on_disconnect(self._caller_left)
        lines = [b"%b %b HTTP/1.1" % (request.method.encode("latin-1"), request.target)]
        lines += [b"%b: %b" % header for header in request.headers.items() if header[0] not in _NOT_SENT]
        if is_for_function_url(request):
            lines.append(b"%b: %b" % (FORWARDED_SOURCE, responder.peer.encode("latin-1")))
        lines += [b"content-length: %d" % len(request.body), b"", b""]
        self._transport.writelines([b"\r\n".join(lines), request.body])

    def close(self) -> None:
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        if self._parser is None:
            self.close()  # nothing was asked
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            log.warning("the server's answer cannot be read: %s", error)
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forwarder.lost(self)
        responder, self._responder = self._responder, None
        if responder is None:
            return
        self._forwarder.ended(self, reusable=False)
        if self._stream is not None:
            self._stream.abort()
        elif not responder.closed:
            _refuse(responder)

    # --- the parser's side ---

    def on_header(self, name: bytes, value: bytes) -> None:
        text = name.decode("latin-1")
        if text.lower() == "content-length":
            self._length = int(value)
        if text.lower() not in _PER_HOP:
            self._headers.append((text, value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        assert self._parser is not None
        assert self._responder is not None
        if not self._has_body or self._length is None or self._length > WHOLE_ANSWER_BYTES:
            self._stream = self._responder.start(self._parser.get_status_code(), self._headers)
            self._stream.on_flow(self._transport.pause_reading, self._transport.resume_reading)
        if not self._has_body:
            self.on_message_complete()  # the parser does not know it, and would wait for as many bytes as are named

    def on_body(self, piece: bytes) -> None:
        if self._stream is not None:
            self._stream.write(piece)
        else:
            self._body.append(piece)

    def on_message_complete(self) -> None:
        responder, self._responder = self._responder, None
        if self._parser is None or responder is None:
            return
        status, keep_alive = self._parser.get_status_code(), self._parser.should_keep_alive()
        self._parser = None
        if self._stream is not None:
            self._stream.end()
        else:
            responder.send(status, self._headers, b"".join(self._body))
        self._forwarder.ended(self, reusable=keep_alive)

    def _caller_left(self) -> None:
        """Closing is how the server learns of it."""
        if self._responder is not None:
            self.close()


def _refuse(responder: Responder) -> None:
    responder.send(503, (("Content-Type", "application/json"), ("Retry-After", "1")), _UNAVAILABLE)
