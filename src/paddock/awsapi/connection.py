"""One HTTP/1.1 connection: bytes in, whole requests to the handler, answers out in the order of the requests.

A plain request that comes whole is taken apart by `known_lines`; for all else the parser is httptools. This module adds
what neither decides: limits, deadlines, refusals, 100-continue, and that one request is answered before the next is
given to the handler. It knows neither AWS nor routes.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import cast

import httptools

from paddock.awsapi.body import BodyReader
from paddock.awsapi.heads import RefusedError, request_of, size_of_head
from paddock.awsapi.limits import DIRECT_BODY_BYTES, READ_ON_BYTES, SMALL_BODY_BYTES
from paddock.awsapi.listening import FULL, Listening
from paddock.awsapi.messages import Request
from paddock.awsapi.responses import Response
from paddock.awsapi.unsent import unsent_bytes

log = logging.getLogger(__name__)

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
NEVER = 1 << 62
"""A deadline in ticks that does not come."""

SMALL_BODY_DIGITS = len(str(DIRECT_BODY_BYTES))
"""A length of fewer digits is below every limit; such a body mostly comes in one piece and is taken as it is."""


class Connection(asyncio.Protocol):
    """Owned by its event loop; `Listening` gives it limits, time and the handlers, and sweeps it."""

    def __init__(self, listening: Listening) -> None:
        self.listening = listening
        self._limits = listening.limits
        self._transport = cast("asyncio.Transport", None)
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._fed_bytes = 0
        self._in_head = False
        self._whole_body = -1
        self._request: Request | None = None
        self._keep_alive = True
        self._body = BodyReader()
        self._reserved = 0
        self._owes_continue = False
        self._current: Response | None = None
        self._waiting: deque[tuple[Response, int]] = deque()
        self._at_rest = False
        self._serving = False
        self._deaf = False
        self.write_paused = False
        self._unsent_bytes = 0
        self.deadline = NEVER

    # --- the transport's side ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if self.listening.admit(self):
            self._at_rest = True
            self._wait_for_request()
        else:
            self._deaf = True
            self._transport.write(FULL)
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        if self._at_rest:
            self._at_rest = False
            request = self.listening.known_lines.request(data)
            if request is not None:
                self._keep_alive = True
                self._give(Response(self, request, keep_alive=True), 0)
                return
        if self._deaf:
            return
        if self._body.direct:
            data = self._take_direct(data)
        if data:
            self._feed(data)

    def eof_received(self) -> None:
        """A client that closes its side has stopped waiting: there is no half-open state to tell the two apart."""

    def connection_lost(self, exc: Exception | None) -> None:
        self.listening.forget(self)
        self._release()
        self._deaf = True
        self._at_rest = False
        self._waiting.clear()
        if self._current is not None:
            self._current.disconnected()
            self._current = None
        del self._parser  # it knows us: the two would wait for a garbage collection, with all that we keep

    def pause_writing(self) -> None:
        self.write_paused = True
        self._wait_for_reader()
        if self._current is not None:
            self._current.flow_changed(paused=True)

    def resume_writing(self) -> None:
        self.write_paused = False
        self.deadline = NEVER
        if self._current is not None:
            self._current.flow_changed(paused=False)
        elif not self._deaf:
            self._wait_for_request()

    # --- the parser's side ---

    def on_message_begin(self) -> None:
        if self._deaf:
            return
        self._url = b""
        self._headers = {}
        self._in_head = True
        if self._current is None:
            self._set_deadline(self._limits.header_timeout_seconds)

    def on_url(self, part: bytes) -> None:
        self._url += part

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._in_head:
            return  # a trailer cannot change what was signed
        name = name.lower()
        value = value.rstrip()
        headers = self._headers
        if name in headers:
            value = headers[name] + b"," + value
        headers[name] = value

    def on_headers_complete(self) -> None:
        if self._deaf:
            return
        self._in_head = False
        headers = self._headers
        limit = self._limits.head_bytes
        if self._fed_bytes > limit and size_of_head(self._url, headers) > limit:
            raise RefusedError(431)
        self._keep_alive = self._parser.should_keep_alive()
        request = self._request = request_of(self._parser, self._url, headers, self._keep_alive)
        length = headers.get(b"content-length")
        if length is not None and len(length) < SMALL_BODY_DIGITS and b"expect" not in headers:
            self._whole_body = int(length)
        elif length is not None or b"transfer-encoding" in headers:
            self._whole_body = -1
            self._expect_body(request, None if length is None else int(length))

    def on_body(self, piece: bytes) -> None:
        request = self._request
        if self._deaf or request is None:
            return
        if len(piece) == self._whole_body:
            request.body = piece
            return
        self._fed_bytes = 0
        if not self._body.pending:
            self._body.begin(self._whole_body, SMALL_BODY_BYTES, direct=False)
            self._wait_for_body()
        if not self._body.add(piece):
            raise RefusedError(413)

    def on_message_complete(self) -> None:
        request = self._request
        if self._deaf or request is None:
            return
        self._request = None
        self._fed_bytes = 0
        if self._body.pending:
            request.body, request.body_sha256 = self._body.finish()
            self._release()
        self._owes_continue = False
        self._accept(Response(self, request, keep_alive=self._keep_alive), 0)

    # --- the answer's side ---

    @property
    def peer(self) -> str:
        address = self._transport.get_extra_info("peername")
        return str(address[0]) if isinstance(address, tuple) else ""

    def write(self, data: bytes) -> None:
        self._transport.write(data)

    def answered(self, last: bytes, *, keep_alive: bool) -> None:
        if last:
            self._transport.write(last)
        self._current = None
        if not keep_alive or self.listening.closing:
            self._end()
        elif self._waiting:
            self._serve_waiting()
        elif self._request is not None:
            self._set_deadline(self._limits.body_stall_seconds)
            self._send_continue()
        elif self.write_paused:
            self._wait_for_reader()
        else:
            self._at_rest = not self._in_head
            self.deadline = self.listening.tick + self._limits.idle_timeout_seconds

    def abort(self) -> None:
        self._transport.abort()

    # --- deadlines and the end ---

    @property
    def busy(self) -> bool:
        return self._current is not None

    def expire(self) -> None:
        """The deadline has come: what that means depends on what was awaited."""
        self.deadline = NEVER
        if (self.write_paused or self._deaf) and self._is_read():
            self._wait_for_reader()
        elif self.write_paused or self._deaf:
            self._transport.abort()
        elif self._request is not None and self._body.goes_on():
            self._wait_for_body()
        elif self._in_head or self._request is not None:
            self._refuse(408)
        else:
            self._close()

    def close_when_idle(self) -> None:
        if self._current is None:
            self._close()
        else:
            self._current.close_after()

    # --- inside ---

    def _take_direct(self, data: bytes) -> bytes:
        """Keep what belongs to the body, answer if that was its end, return what follows it."""
        rest = self._body.take(data)
        if not self._body.direct:
            self._parser = httptools.HttpRequestParser(self)
            self.on_message_complete()
        return b"" if self._deaf else rest

    def _feed(self, data: bytes) -> None:
        self._fed_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # Another protocol was offered and not taken: what follows is HTTP/1.1 again (RFC 9110, 7.8).
            rest = data[upgrade.args[0] :]
            if rest and not self._deaf:
                self._feed(rest)
            return
        except httptools.HttpParserCallbackError as stopped:
            cause = stopped.__context__
            if not isinstance(cause, RefusedError):
                raise
            self._refuse(cause.status)
            return
        except httptools.HttpParserError as error:
            if not self._deaf:
                self._refuse(505 if "version" in str(error).lower() else 400)
            return
        if self._fed_bytes > self._limits.head_bytes and (self._in_head or self._request is not None):
            self._refuse(431)  # a head, or what follows the last chunk of a body, without an end

    def _expect_body(self, request: Request, length: int | None) -> None:
        """Refuse a body that is too long before it is read; prepare to read it otherwise."""
        limit = SMALL_BODY_BYTES
        if length is None or length > SMALL_BODY_BYTES:
            limit = self.listening.body_limit(request.method, request.path, request.headers)
            if length is not None and length > limit:
                raise RefusedError(413)
            self._reserve(limit if length is None else length)
        self._body.begin(length, limit, direct=length is not None and length > DIRECT_BODY_BYTES)
        self._wait_for_body()
        expect = request.headers.get(b"expect")
        if expect is not None and not request.http_10:
            if expect.lower() != b"100-continue":
                raise RefusedError(417)
            self._owes_continue = True
            self._send_continue()

    def _reserve(self, size: int) -> None:
        if self.listening.arriving_bytes + size > self._limits.arriving_bytes:
            raise RefusedError(503)
        self.listening.arriving_bytes += size
        self._reserved = size

    def _release(self) -> None:
        self.listening.arriving_bytes -= self._reserved
        self._reserved = 0

    def _send_continue(self) -> None:
        """Only when no earlier answer is still to be written."""
        if self._owes_continue and self._current is None and not self._waiting:
            self._owes_continue = False
            self._transport.write(CONTINUE)

    def _accept(self, response: Response, refused: int) -> None:
        if self._current is None and not self._waiting:
            self._give(response, refused)
            return
        if len(self._waiting) >= self._limits.pipelined_requests:
            self._deaf = True
            refused = 503
            response.close_after()
        self._waiting.append((response, refused))
        self._transport.pause_reading()

    def _give(self, response: Response, refused: int) -> None:
        self._current = response
        self.deadline = NEVER
        try:
            if refused:
                self.listening.refuse(response.request, response, refused)
            else:
                self.listening.handler(response.request, response)
        except Exception:
            log.exception("a handler failed on %s %s", response.request.method, response.request.path)
            if response.started:
                response.abort()
            else:
                response.close_after()
                self.listening.refuse(response.request, response, 500)

    def _serve_waiting(self) -> None:
        """A loop and not a recursion: each answer given at once would otherwise nest in the one before."""
        if self._serving:
            return
        self._serving = True
        while self._waiting and self._current is None:
            response, refused = self._waiting.popleft()
            self._give(response, refused)
        self._serving = False
        if not self._waiting and not self._transport.is_closing():
            self._transport.resume_reading()

    def _refuse(self, status: int) -> None:
        """Answer what is being received with `status`, in its turn, and read no further."""
        self._deaf = True
        request = self._request or Request("GET", self._url, "", "", self._headers)
        self._request = None
        self._in_head = False
        response = Response(self, request, keep_alive=False)
        if self._current is None and not self._waiting:
            self._give(response, status)
        else:
            self._waiting.append((response, status))

    def _end(self) -> None:
        """Close after the last answer. A client still sending gets time to read it: closing now would reset it."""
        self._waiting.clear()
        if self._deaf and not self._transport.is_closing():
            self._transport.resume_reading()
            if self._transport.can_write_eof():
                self._transport.write_eof()
            self._set_deadline(self._limits.linger_seconds)
        else:
            self._close()

    def _close(self) -> None:
        """What is written still goes out, but not for ever: the client may never read it."""
        self._deaf = True
        self._at_rest = False
        self._wait_for_reader()
        self._transport.close()

    def _wait_for_reader(self) -> None:
        self._unsent_bytes = unsent_bytes(self._transport)
        self._set_deadline(self._limits.write_stall_seconds)

    def _is_read(self) -> bool:
        """Slowly, perhaps. Whoever still makes the answer bounds it, and its end must find the client."""
        return self._current is not None or self._unsent_bytes - unsent_bytes(self._transport) >= READ_ON_BYTES

    def _wait_for_request(self) -> None:
        self._set_deadline(self._limits.idle_timeout_seconds)

    def _wait_for_body(self) -> None:
        """While an earlier request is being answered nothing is late."""
        if self._current is None:
            self._set_deadline(self._limits.body_stall_seconds)

    def _set_deadline(self, seconds: int) -> None:
        self.deadline = self.listening.tick + seconds
