"""An HTTP/1.1 server: `serve` listens, each connection is a `Connection`, one timer keeps all their deadlines.

It runs on whatever event loop is running; it is made for uvloop. It knows neither AWS nor what a handler does.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from paddock.awsapi.connection import Connection
from paddock.awsapi.limits import MIB, SWEEP_SECONDS, HttpLimits
from paddock.awsapi.listening import Listening, refuse_plainly
from paddock.awsapi.messages import BodyLimit, Handler, Refusal
from paddock.ports.clock import Clock

LOOPBACK = "127.0.0.1"
DEFAULT_BODY_BYTES = 6 * MIB
CLOSE_POLL_SECONDS = 0.05


class ListenError(Exception):
    """The address cannot be listened on; the text is one line that says which and what to do."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen: a unix socket if `unix_path` is given, else TCP; port 0 takes a free one.

    `reuse_port` lets several processes share the port.
    """

    host: str = LOOPBACK
    port: int = 0
    unix_path: Path | None = None
    reuse_port: bool = False

    def __str__(self) -> str:
        return str(self.unix_path) if self.unix_path is not None else f"{self.host}:{self.port}"


class Server:
    """A listening server. `close` lets what is being answered end, for a while."""

    def __init__(self, listening: Listening, server: asyncio.Server, address: Address) -> None:
        self._listening = listening
        self._server = server
        self._address = address
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(SWEEP_SECONDS, self._sweep)

    @property
    def port(self) -> int:
        """The port in use, also when any was asked for; 0 on a unix socket."""
        if self._address.unix_path is not None:
            return 0
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://{self._address.host}:{self.port}"

    @property
    def connections(self) -> int:
        return len(self._listening.connections)

    async def close(self, grace_seconds: float) -> None:
        self._listening.closing = True
        self._server.close()
        for connection in tuple(self._listening.connections):
            connection.close_when_idle()
        waited = 0.0
        while self._listening.connections and waited < grace_seconds:
            await asyncio.sleep(CLOSE_POLL_SECONDS)
            waited += CLOSE_POLL_SECONDS
        for connection in tuple(self._listening.connections):
            connection.abort()
        await self._server.wait_closed()
        self._timer.cancel()
        if self._address.unix_path is not None:
            self._address.unix_path.unlink(missing_ok=True)

    def _sweep(self) -> None:
        self._timer = self._loop.call_later(SWEEP_SECONDS, self._sweep)
        self._listening.sweep()


def same_limit(_method: str, _path: str, _headers: Mapping[bytes, bytes]) -> int:
    return DEFAULT_BODY_BYTES


@asynccontextmanager
async def serve(
    handler: Handler,
    address: Address,
    *,
    clock: Clock,
    refuse: Refusal = refuse_plainly,
    body_limit: BodyLimit = same_limit,
    limits: HttpLimits | None = None,
    grace_seconds: float = 5.0,
) -> AsyncIterator[Server]:
    """Listen while the context is open. Raises `ListenError` when the address cannot be had.

    `grace_seconds` is how long answers in progress may still take once the context ends.
    """
    listening = Listening(handler, refuse, body_limit, limits or HttpLimits(), clock)
    try:
        raw = await _listen(listening, address)
    except OSError as error:
        raise ListenError(_why_not(error, address)) from error
    server = Server(listening, raw, address)
    try:
        yield server
    finally:
        await server.close(grace_seconds)


async def _listen(listening: Listening, address: Address) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    backlog = listening.limits.backlog
    if address.unix_path is not None:
        return await loop.create_unix_server(lambda: Connection(listening), str(address.unix_path), backlog=backlog)
    return await loop.create_server(
        lambda: Connection(listening),
        address.host,
        address.port,
        backlog=backlog,
        reuse_port=True if address.reuse_port else None,
    )


def _why_not(error: OSError, address: Address) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"cannot listen on {address}: it is in use; stop what uses it or choose another port"
    if error.errno in {errno.EACCES, errno.EPERM}:
        return f"cannot listen on {address}: permission denied; ports below 1024 need privileges"
    return f"cannot listen on {address}: {error.strerror or error}"
