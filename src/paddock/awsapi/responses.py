"""The server's side of one answer: renders the head, writes whole or chunked bodies, tells of a client that has gone.

Knows the connection only as a `Link`: where to write, and whom to tell that the answer is complete.
"""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Protocol

from paddock.awsapi.limits import JOIN_WRITE_BYTES
from paddock.awsapi.listening import Listening
from paddock.awsapi.messages import Headers, Request, ResponseStream

_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}
_BODILESS = frozenset({204, 304})


class Link(Protocol):
    """What an answer needs of its connection."""

    listening: Listening
    write_paused: bool

    @property
    def peer(self) -> str: ...

    def write(self, data: bytes) -> None: ...

    def answered(self, last: bytes, *, keep_alive: bool) -> None:
        """With these bytes the answer is complete: write them, and go on with the next request, or close."""
        ...

    def abort(self) -> None: ...


class Response:
    """The answer to one request. Both `Responder` and, once started, `ResponseStream`."""

    __slots__ = (
        "_chunked",
        "_disconnected",
        "_keep_alive",
        "_link",
        "_pause",
        "_resume",
        "closed",
        "request",
        "started",
    )

    def __init__(self, link: Link, request: Request, *, keep_alive: bool) -> None:
        self.request = request
        self.closed = False
        self.started = False
        self._link = link
        self._keep_alive = keep_alive
        self._chunked = False
        self._disconnected: Callable[[], None] | None = None
        self._pause: Callable[[], None] | None = None
        self._resume: Callable[[], None] | None = None

    @property
    def paused(self) -> bool:
        return self._link.write_paused

    @property
    def peer(self) -> str:
        return self._link.peer

    def close_after(self) -> None:
        """Do not keep the connection once this is answered."""
        self._keep_alive = False

    def send(self, status: int, headers: Headers, body: bytes) -> None:
        """After `start` it is too late for another answer: what was begun is cut."""
        self.send_lines(status, _lines_of(headers), body)

    def send_lines(self, status: int, lines: str, body: bytes) -> None:
        if self.closed:
            return
        if self.started:
            self.abort()
            return
        length = "" if status in _BODILESS else f"Content-Length: {len(body)}\r\n"
        head = self._head(status, length, lines)
        self.started = True
        if self.request.method == "HEAD" or status in _BODILESS:
            body = b""
        if len(body) <= JOIN_WRITE_BYTES:
            self._complete(head + body)
        else:
            self._link.write(head)
            self._complete(body)

    def start(self, status: int, headers: Headers) -> ResponseStream:
        if self.closed:
            return self
        if self.request.http_10:
            self._keep_alive = False  # such a client knows the end of a stream by the end of the connection
        else:
            self._chunked = self.request.method != "HEAD" and status not in _BODILESS
        framing = "Transfer-Encoding: chunked\r\n" if self._chunked else ""
        head = self._head(status, framing, _lines_of(headers))
        if self.started:
            raise RuntimeError("a request is answered once")
        self.started = True
        self._link.write(head)
        return self

    def write(self, chunk: bytes) -> None:
        if self.closed or not chunk or self.request.method == "HEAD":
            return
        if not self._chunked:
            self._link.write(chunk)
        elif len(chunk) <= JOIN_WRITE_BYTES:
            self._link.write(b"%x\r\n%b\r\n" % (len(chunk), chunk))
        else:
            self._link.write(b"%x\r\n" % len(chunk))
            self._link.write(chunk)
            self._link.write(b"\r\n")

    def end(self) -> None:
        if self.closed:
            return
        self._complete(b"0\r\n\r\n" if self._chunked else b"")

    def abort(self) -> None:
        if not self.closed:
            self._link.abort()

    def on_disconnect(self, callback: Callable[[], None]) -> None:
        self._disconnected = callback

    def on_flow(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        self._pause, self._resume = pause, resume

    def disconnected(self) -> None:
        """The client has gone."""
        if self.closed:
            return
        self.closed = True
        callback, self._disconnected = self._disconnected, None
        self._pause = self._resume = None
        if callback is not None:
            callback()

    def flow_changed(self, *, paused: bool) -> None:
        callback = self._pause if paused else self._resume
        if callback is not None:
            callback()

    def _complete(self, last: bytes) -> None:
        self.closed = True
        # Whom they call knows us: the two would wait for a garbage collection, with the request and all that it holds.
        self._disconnected = self._pause = self._resume = None
        self._link.answered(last, keep_alive=self._keep_alive)

    def _head(self, status: int, framing: str, lines: str) -> bytes:
        connection = ""
        if not self._keep_alive:
            connection = "Connection: close\r\n"
        elif self.request.http_10:
            connection = "Connection: keep-alive\r\n"
        status_line = _STATUS_LINES.get(status) or f"HTTP/1.1 {status} \r\n"
        return f"{status_line}{self._link.listening.date_line}{framing}{connection}{lines}\r\n".encode("latin-1")


def _lines_of(headers: Headers) -> str:
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers])
    if lines.count("\n") != len(headers) or lines.count("\r") != len(headers):
        raise ValueError("a header with a line break in it")
    return lines
