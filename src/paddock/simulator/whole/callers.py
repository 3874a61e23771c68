"""Callers from outside: HTTP/1.1 over the network in memory, on connections that are kept and used again.

Some read slowly, some leave before they are answered. All they know is the address of the endpoint.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import cast

import httptools

from paddock.ports.clock import Dice

HOST, PORT = "127.0.0.1", 4600
KEPT_SECONDS = 60.0
"""SDKs drop a connection that was idle for so long; the server does so later."""
KEPT_SHARE = 0.7
"""Of the connections, after each answer: new ones must come to every router, also to one that has just begun."""
SIP_BYTES = 16 * 1024
SIP_SECONDS = 0.05
"""One who reads slowly rests so long after so much."""


class Manner(StrEnum):
    """How a caller behaves. One who leaves, closes the connection while the call is under way."""

    WAITS = "caller waits"
    READS_SLOWLY = "caller reads slowly"
    LEAVES = "caller leaves"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. `path` says what for."""

    path: str
    body: bytes
    headers: tuple[str, ...] = ()

    def encoded(self) -> bytes:
        lines = [f"POST {self.path} HTTP/1.1", f"Host: {HOST}:{PORT}", f"Content-Length: {len(self.body)}"]
        return "\r\n".join((*lines, *self.headers, "", "")).encode() + self.body


@dataclass(slots=True)
class Answer:
    """`status` is 0 where none came; `whole` is False where the connection broke off before the end."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    whole: bool = False

    @property
    def function_error(self) -> str | None:
        return self.headers.get("x-amz-function-error")

    @property
    def error(self) -> str:
        return self.headers.get("x-amzn-errortype", "no answer" if not self.status else str(self.status))


class CallerConnection(asyncio.Protocol):
    """At most one request at a time. `strays` counts answers that nobody had asked for."""

    def __init__(self) -> None:
        self.strays = 0
        self.idle_since = 0.0
        self.answers = 0
        self._transport = cast("asyncio.Transport", None)
        self._parser = httptools.HttpResponseParser(self)
        self._answer: Answer | None = None
        self._done: asyncio.Future[None] | None = None
        self._sipped: int | None = None

    # The transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._answer is None:
            self.strays += 1
            self.close()
            return
        if self._sipped is not None:
            self._sip(len(data))
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._finish()

    # A call

    @property
    def usable(self) -> bool:
        return not self._transport.is_closing()

    async def ask(self, request: bytes, *, slowly: bool) -> Answer:
        answer = self._answer = Answer()
        self._parser = httptools.HttpResponseParser(self)
        self._sipped = 0 if slowly else None
        done = self._done = asyncio.get_running_loop().create_future()
        if self.usable:
            self._transport.write(request)
            await done
        self._answer = None
        return answer

    def close(self) -> None:
        self._transport.abort()

    def _sip(self, size: int) -> None:
        assert self._sipped is not None
        self._sipped += size
        if self._sipped >= SIP_BYTES:
            self._sipped = 0
            self._transport.pause_reading()
            asyncio.get_running_loop().call_later(SIP_SECONDS, self._transport.resume_reading)

    def _finish(self) -> None:
        if self._done is not None and not self._done.done():
            self._done.set_result(None)

    # The parser's side

    def on_header(self, name: bytes, value: bytes) -> None:
        assert self._answer is not None
        self._answer.headers[name.decode().lower()] = value.decode()

    def on_headers_complete(self) -> None:
        assert self._answer is not None
        self._answer.status = self._parser.get_status_code()

    def on_body(self, piece: bytes) -> None:
        assert self._answer is not None
        self._answer.body += piece

    def on_message_complete(self) -> None:
        assert self._answer is not None
        self._answer.whole = True
        self.answers += 1
        if not self._parser.should_keep_alive():
            self.close()
        self._finish()


class Callers:
    """All of them, and the connections they share. `seen` counts how they behaved."""

    def __init__(self, dice: Dice) -> None:
        self.seen: Counter[str] = Counter()
        self.strays = 0
        self._dice = dice
        self._kept: list[CallerConnection] = []

    async def call(self, asked: Asked, manner: Manner) -> Answer | None:
        """None: nobody listens. One who leaves gets what came until then."""
        connection = await self._connection()
        if connection is None:
            return None
        self.seen[manner] += 1
        asking = connection.ask(asked.encoded(), slowly=manner is Manner.READS_SLOWLY)
        if manner is Manner.LEAVES:
            loop = asyncio.get_running_loop()
            loop.call_later(self._dice.uniform(0.0, 1.5), connection.close)
        try:
            answer = await asking
        except BaseException:
            connection.close()
            raise
        if self._dice.random() >= KEPT_SHARE:
            connection.close()
        elif connection.usable and manner is not Manner.LEAVES:
            connection.idle_since = asyncio.get_running_loop().time()
            self._kept.append(connection)
        return answer

    async def _connection(self) -> CallerConnection | None:
        loop = asyncio.get_running_loop()
        while self._kept:
            kept = self._kept.pop()
            self.strays += kept.strays
            if kept.usable and loop.time() - kept.idle_since < KEPT_SECONDS:
                self.seen["connection used again"] += 1
                return kept
            kept.close()
        try:
            _, made = await loop.create_connection(CallerConnection, HOST, PORT)
        except OSError:
            return None
        return made

    def close(self) -> None:
        for kept in self._kept:
            self.strays += kept.strays
            kept.close()
        self._kept.clear()
