"""Carries batches of telemetry to a listener inside the environment: an HTTP request each, or lines over TCP.

Environments share the loopback of their instance; one that has files of its own has an address there as well, and is
looked for at that first. Where each has a user of its own, nothing is sent to a listener of anybody else: neither to
another environment nor to a service of the instance. Where they have none, a function could reach all of these by
itself, and nothing is checked. Logs nothing of what it carries.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from paddock.agent.limits import TELEMETRY_DELIVERY_SECONDS, TELEMETRY_REPLY_BYTES
from paddock.core.environment.telemetry import Destination
from paddock.core.environment.telemetry_events import as_array, as_lines
from paddock.isolation.loopback import LOOPBACK
from paddock.isolation.peers import Peers

_ANYWHERE = ("0.0.0.0", 0)  # noqa: S104  # the other end of a listener
_FIRST_ERROR_STATUS = 400
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3})\b")


class Undelivered(Exception):
    """The subscriber did not take the batch."""


@dataclass(frozen=True, slots=True)
class Listeners:
    """Of one environment: at which addresses of the loopback they may be, and whose they must be. Without `peers`
    nobody is asked.
    """

    addresses: tuple[str, ...] = (LOOPBACK,)
    peers: Peers | None = None
    uid: int | None = None

    def admits(self, address: str, port: int) -> bool:
        return self.peers is None or self.peers.user_of((address, port), _ANYWHERE) == self.uid


class Carrier(Protocol):
    async def open(self) -> None:
        """What can be done before there is a batch. That nobody listens yet is no failure."""
        ...

    async def carry(self, events: Sequence[bytes]) -> None:
        """Raises `Undelivered`."""

    def close(self) -> None: ...


def carrier(destination: Destination, listeners: Listeners) -> Carrier:
    return HttpCarrier(destination, listeners) if destination.method else TcpCarrier(destination.port, listeners)


class HttpCarrier:
    """One connection for each batch: a batch a second is not worth keeping one open that may have died meanwhile."""

    def __init__(self, destination: Destination, listeners: Listeners) -> None:
        self._destination = destination
        self._listeners = listeners

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
        reader, writer = await connected(to.port, self._listeners)
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

    def __init__(self, port: int, listeners: Listeners) -> None:
        self._port = port
        self._listeners = listeners
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
        self._reader, self._writer = await connected(self._port, self._listeners)
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


async def connected(port: int, listeners: Listeners) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """At the first address where there is one. Raises `OSError`."""
    *others, last = listeners.addresses
    for address in others:
        with contextlib.suppress(OSError):
            return await _connected(address, port, listeners)
    return await _connected(last, port, listeners)


async def _connected(
    address: str, port: int, listeners: Listeners
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Looked at before and after, so that nobody can step in between."""
    _admit(address, port, listeners)
    reader, writer = await asyncio.open_connection(address, port, limit=TELEMETRY_REPLY_BYTES)
    try:
        _admit(address, port, listeners)
    except OSError:
        writer.transport.abort()
        raise
    return reader, writer


def _admit(address: str, port: int, listeners: Listeners) -> None:
    if not listeners.admits(address, port):
        raise PermissionError(f"no listener of the environment on port {port}")
