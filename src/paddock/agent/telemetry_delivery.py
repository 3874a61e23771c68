"""Carries batches of telemetry to a listener inside the environment: an HTTP request each, or lines over TCP.

Environments share the loopback of their instance. Where each has a user of its own, nothing is sent to a listener of
anybody else: neither to another environment nor to a service of the instance. Where they have none, a function could
reach all of these by itself, and nothing is checked. Logs nothing of what it carries.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from paddock.agent.limits import TELEMETRY_DELIVERY_SECONDS, TELEMETRY_REPLY_BYTES
from paddock.core.environment.telemetry import Destination
from paddock.core.environment.telemetry_events import as_array, as_lines
from paddock.isolation.peers import Peers

_LOOPBACK = "127.0.0.1"
_ANYWHERE = ("0.0.0.0", 0)  # noqa: S104  # the other end of a listener
_FIRST_ERROR_STATUS = 400
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3})\b")


class Undelivered(Exception):
    """The subscriber did not take the batch."""


@dataclass(frozen=True, slots=True)
class ListenerGuard:
    """Knows whose a listener on the loopback is."""

    peers: Peers
    uid: int

    def admits(self, port: int) -> bool:
        return self.peers.user_of((_LOOPBACK, port), _ANYWHERE) == self.uid


class Carrier(Protocol):
    async def open(self) -> None:
        """What can be done before there is a batch. That nobody listens yet is no failure."""
        ...

    async def carry(self, events: Sequence[bytes]) -> None:
        """Raises `Undelivered`."""

    def close(self) -> None: ...


def carrier(destination: Destination, guard: ListenerGuard | None) -> Carrier:
    return HttpCarrier(destination, guard) if destination.method else TcpCarrier(destination.port, guard)


class HttpCarrier:
    """One connection for each batch: a batch a second is not worth keeping one open that may have died meanwhile."""

    def __init__(self, destination: Destination, guard: ListenerGuard | None) -> None:
        self._destination = destination
        self._guard = guard

    async def open(self) -> None:
        """Nothing is open before a batch."""

    async def carry(self, events: Sequence[bytes]) -> None:
        try:
            async with asyncio.timeout(TELEMETRY_DELIVERY_SECONDS):
                status = await self._request(as_array(events))
        except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            raise Undelivered from error
        if status >= _FIRST_ERROR_STATUS:
            raise Undelivered(str(status))

    async def _request(self, body: bytes) -> int:
        to = self._destination
        sequence_id = base64.b64encode(hashlib.sha256(body).digest()).decode()
        head = (
            f"{to.method} {to.target} HTTP/1.1\r\nHost: {to.authority}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nSequence-Id: {sequence_id}\r\nConnection: close\r\n\r\n"
        )
        reader, writer = await connected(to.port, self._guard)
        try:
            writer.write(head.encode())
            writer.write(body)
            await writer.drain()
            answer = await reader.readuntil(b"\r\n\r\n")
        finally:
            # Not `close`, which would wait for a subscriber that does not read.
            writer.transport.abort()
        return _status(answer)

    def close(self) -> None:
        """Nothing is open between two batches."""


class TcpCarrier:
    """One connection from the subscription on, for as long as it holds."""

    def __init__(self, port: int, guard: ListenerGuard | None) -> None:
        self._port = port
        self._guard = guard
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def open(self) -> None:
        try:
            async with asyncio.timeout(TELEMETRY_DELIVERY_SECONDS):
                await self._connect()
        except (OSError, TimeoutError):
            self.close()

    async def carry(self, events: Sequence[bytes]) -> None:
        try:
            async with asyncio.timeout(TELEMETRY_DELIVERY_SECONDS):
                await self._write(as_lines(events))
        except (OSError, TimeoutError) as error:
            self.close()
            raise Undelivered from error

    async def _write(self, lines: bytes) -> None:
        if self._writer is None or self._reader is None or self._reader.at_eof() or self._writer.is_closing():
            self._writer = await self._connect()
        self._writer.write(lines)
        await self._writer.drain()

    async def _connect(self) -> asyncio.StreamWriter:
        self.close()
        self._reader, self._writer = await connected(self._port, self._guard)
        # So that a batch has left us when `drain` returns.
        self._writer.transport.set_write_buffer_limits(0)
        return self._writer

    def close(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = None


def _status(answer: bytes) -> int:
    """Raises `ValueError`."""
    match = _STATUS_LINE.match(answer)
    if match is None:
        raise ValueError("not an HTTP answer")
    return int(match[1])


async def connected(port: int, guard: ListenerGuard | None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Looked at before and after, so that nobody can step in between. Raises `OSError`."""
    _admit(port, guard)
    reader, writer = await asyncio.open_connection(_LOOPBACK, port, limit=TELEMETRY_REPLY_BYTES)
    try:
        _admit(port, guard)
    except OSError:
        writer.transport.abort()
        raise
    return reader, writer


def _admit(port: int, guard: ListenerGuard | None) -> None:
    if guard is not None and not guard.admits(port):
        raise PermissionError(f"no listener of the environment on port {port}")
