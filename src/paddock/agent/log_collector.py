"""Reads what the processes of one environment write: the main process's stdout and stderr, and the connections that
runtime workers open to the log socket.

A worker's connection tells its process by the kernel's word, which is how a plain `print` finds its invocation. Node.js
opens one for each worker thread, and its end is the only sure sign that the thread is gone.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from collections.abc import Callable
from typing import IO, cast

from paddock.agent.limits import SPARE_CONNECTIONS
from paddock.agent.log_lines import LineCutter
from paddock.agent.log_shipping import LogStream
from paddock.agent.telemetry import TelemetryHub
from paddock.agent.timebase import Timebase
from paddock.core.environment.telemetry import Category

_PIPE_BYTES = 1024 * 1024
"""The most a pipe of an ordinary user holds on Linux."""
_CREDENTIALS = struct.Struct("3i")
_PEER_CREDENTIALS_OPTION = getattr(socket, "SO_PEERCRED", None)


class LogCollector:
    """`request_of` names the invocation that a process runs just now, or nothing. `connection_closed` is told of the
    end of each worker's connection.
    """

    def __init__(
        self,
        stream: LogStream,
        timebase: Timebase,
        *,
        max_concurrency: int,
        request_of: Callable[[int], str],
        connection_closed: Callable[[], None],
    ) -> None:
        self.telemetry: TelemetryHub | None = None
        self.stream = stream
        self.timebase = timebase
        self.request_of = request_of
        self.connection_closed = connection_closed
        self.open: set[LogReader] = set()
        self._max_open = 2 * max_concurrency + SPARE_CONNECTIONS
        self._open_pipes = 0
        self._pipes_closed = asyncio.Event()
        self._server: asyncio.Server | None = None

    async def listen(self, path: str, backlog: int) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: LogReader(self, of_worker=True), path, backlog=backlog)

    async def read(self, pipe: IO[bytes], category: Category = Category.FUNCTION) -> None:
        """Takes the pipe over."""
        loop = asyncio.get_running_loop()
        self._open_pipes += 1
        await loop.connect_read_pipe(lambda: LogReader(self, of_worker=False, pipe=pipe, category=category), pipe)

    def read_what_is_there(self) -> None:
        """Without waiting for the loop: what was written before a runtime's post is in the pipes when that comes."""
        for reader in list(self.open):
            reader.pull()

    def pipe_closed(self) -> None:
        self._open_pipes -= 1
        if not self._open_pipes:
            self._pipes_closed.set()

    async def all_read(self) -> None:
        """The main process's pipes have been read to their end."""
        if self._open_pipes:
            await self._pipes_closed.wait()

    def admits(self) -> bool:
        return len(self.open) < self._max_open

    def lines(self, lines: list[bytes], peer_pid: int, category: Category) -> None:
        at_ms = self.timebase.epoch_ms(self.timebase.monotonic())
        request_id = self.request_of(peer_pid) if peer_pid else ""
        for line in lines:
            self.stream.add(at_ms, line, request_id)
        if self.telemetry is not None:
            self.telemetry.lines(category, at_ms, lines)
        self.stream.throttle()

    def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for reader in list(self.open):
            reader.close()
        self.stream.closed = True


class LogReader(asyncio.Protocol):
    """One stream of bytes: a pipe, or a worker's connection."""

    def __init__(
        self,
        collector: LogCollector,
        *,
        of_worker: bool,
        pipe: IO[bytes] | None = None,
        category: Category = Category.FUNCTION,
    ) -> None:
        self._collector = collector
        self._category = category
        self._pipe = pipe
        self._of_worker = of_worker
        self._cutter = LineCutter()
        self._peer_pid = 0
        self._transport: asyncio.ReadTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.ReadTransport", transport)
        if self._of_worker:
            if not self._collector.admits():
                transport.close()
                return
            self._peer_pid = _peer_pid(transport)
        self._collector.open.add(self)
        self._collector.stream.attach(self._transport)

    def data_received(self, data: bytes) -> None:
        lines = self._cutter.feed(data)
        if lines:
            self._collector.lines(lines, self._peer_pid, self._category)

    def pull(self) -> None:
        """As much as the pipe may hold, so that a flood cannot keep us here."""
        if self._pipe is None or self._transport is None or self._transport.is_closing():
            return
        try:
            data = os.read(self._pipe.fileno(), _PIPE_BYTES)
        except (OSError, ValueError):
            return
        if data:
            self.data_received(data)

    def eof_received(self) -> None:
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        lines = self._cutter.flush()
        if lines:
            self._collector.lines(lines, self._peer_pid, self._category)
        if self._transport is not None:
            self._collector.stream.detach(self._transport)
        if self in self._collector.open:
            self._collector.open.discard(self)
            if self._of_worker:
                self._collector.connection_closed()
            else:
                self._collector.pipe_closed()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


def _peer_pid(transport: asyncio.BaseTransport) -> int:
    """Zero where the kernel does not tell."""
    peer = transport.get_extra_info("socket")
    if peer is None or _PEER_CREDENTIALS_OPTION is None:
        return 0
    try:
        credentials = peer.getsockopt(socket.SOL_SOCKET, _PEER_CREDENTIALS_OPTION, _CREDENTIALS.size)
    except OSError:
        return 0
    pid: int = _CREDENTIALS.unpack(credentials)[0]
    return pid
