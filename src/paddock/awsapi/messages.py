"""What the HTTP server hands to its handlers: a whole request, and the one way to answer it.

Header names are lower-case bytes. A header sent several times is one entry, its values joined by a comma in order: the
form in which SigV4 signs it and in which RFC 9110 lets a recipient read it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

Headers = Sequence[tuple[str, str]]


class Request(msgspec.Struct, eq=False, gc=False):
    """A request whose body has arrived whole. `path` and `query` are as sent, still percent-encoded.

    `body_sha256` (hexadecimal) is there when the body was large enough to be hashed while it arrived.
    """

    method: str
    target: bytes
    path: str
    query: str
    headers: Mapping[bytes, bytes]
    body: bytes = b""
    http_10: bool = False
    body_sha256: str | None = None

    def header(self, name: bytes) -> str | None:
        value = self.headers.get(name)
        return None if value is None else value.decode("latin-1")


class ResponseStream(Protocol):
    """An answer in pieces. After `closed` what is written goes nowhere; that is not an error."""

    @property
    def closed(self) -> bool: ...

    @property
    def paused(self) -> bool:
        """The client reads more slowly than we write: produce no more until `resume` is called."""
        ...

    def write(self, chunk: bytes) -> None: ...

    def end(self) -> None: ...

    def abort(self) -> None:
        """Break the connection, so that the client sees a cut answer and not a complete one."""
        ...

    def on_flow(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        """Call these when the client falls behind and when it has caught up."""
        ...


class Responder(Protocol):
    """Answers one request, once: `send` for a whole answer, `start` for a stream; `send` after `start` cuts that."""

    @property
    def closed(self) -> bool:
        """Answered, or the client has gone."""
        ...

    @property
    def peer(self) -> str:
        """The address of who sent the request; empty on a unix socket."""
        ...

    def send(self, status: int, headers: Headers, body: bytes) -> None: ...

    def send_lines(self, status: int, lines: str, body: bytes) -> None:
        """As `send`, with the headers as lines, each with its end: nothing in them is looked at any more."""
        ...

    def start(self, status: int, headers: Headers) -> ResponseStream: ...

    def on_disconnect(self, callback: Callable[[], None]) -> None:
        """Call this if the client goes before the answer is complete."""
        ...


Handler = Callable[[Request, Responder], None]
"""Called synchronously when a request is complete; it answers now or keeps the responder and answers later."""

Refusal = Callable[[Request, Responder, int], None]
"""Words an answer to a request (its head only, no body) that the server refuses with the given status."""

BodyLimit = Callable[[str, str, Mapping[bytes, bytes]], int]
"""The most bytes a body may have, by method, path and headers. Asked only for bodies that are not small."""
