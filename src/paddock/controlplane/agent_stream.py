"""The control connection to an agent: frames on a stream, messages in frames. Knows no instance and keeps nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Protocol, cast

import msgspec

from paddock.controlplane.limits import SENT_BUFFER_BYTES
from paddock.wire.agent import AgentMessage, ServerMessage, agent_message_decoder, encoder
from paddock.wire.frames import MAX_FRAME_BYTES, FrameKind, pack_head
from paddock.wire.stream import Frame, FrameError, FrameReader

log = logging.getLogger(__name__)

UNIX_PREFIX = "unix:"
TCP_PREFIX = "tcp:"


class AgentChannel(Protocol):
    """An open connection. After it has closed, what is sent goes nowhere."""

    def send(self, message: ServerMessage) -> None: ...

    async def drained(self) -> None:
        """Wait until the agent has read enough for more to be worth sending; returns at once when it is closed."""
        ...

    async def wait_closed(self) -> None: ...

    def close(self) -> None: ...


class AgentConnector(Protocol):
    async def connect(self, address: str, receive: Callable[[AgentMessage], None]) -> AgentChannel:
        """Raises `OSError` when nobody listens there (yet). `receive` is called in order, never after the close."""
        ...


class StreamConnector:
    """Over unix sockets and TCP."""

    async def connect(self, address: str, receive: Callable[[AgentMessage], None]) -> AgentChannel:
        loop = asyncio.get_running_loop()
        if address.startswith(UNIX_PREFIX):
            path = address.removeprefix(UNIX_PREFIX)
            _, channel = await loop.create_unix_connection(lambda: _Channel(receive), path)
            return channel
        place, _, port = address.removeprefix(TCP_PREFIX).rpartition(":")
        if not address.startswith(TCP_PREFIX) or not port.isdecimal():
            raise OSError(f"{address!r} is not an agent's address")
        _, channel = await loop.create_connection(lambda: _Channel(receive), place, int(port))
        return channel


class _Channel(asyncio.Protocol):
    def __init__(self, receive: Callable[[AgentMessage], None]) -> None:
        self._receive = receive
        self._reader = FrameReader()
        self._pieces: list[bytes] = []
        self._arriving_bytes = 0
        self._transport = cast("asyncio.Transport", None)
        self._closed = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()

    # AgentChannel

    def send(self, message: ServerMessage) -> None:
        if self._closed.is_set() or self._transport.is_closing():
            return
        body = encoder.encode(message)
        if len(body) > MAX_FRAME_BYTES:
            raise FrameError(f"a message of {len(body)} bytes")
        self._transport.writelines([pack_head(FrameKind.CONTROL, 0, len(body)), body])

    async def drained(self) -> None:
        await self._writable.wait()

    async def wait_closed(self) -> None:
        await self._closed.wait()

    def close(self) -> None:
        self._transport.abort()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=SENT_BUFFER_BYTES)

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._reader.feed(data):
                self._take(frame)
        except (FrameError, msgspec.MsgspecError) as error:
            log.warning("an agent does not speak our protocol: %s", error)
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed.set()
        self._writable.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def _take(self, frame: Frame) -> None:
        """A control message whole, or one that comes in pieces; calls belong to routers' connections."""
        if frame.kind not in (FrameKind.CONTROL, FrameKind.DATA) or frame.call != 0:
            raise FrameError(f"{frame.kind.name} on a control connection")
        self._pieces.append(frame.payload)
        self._arriving_bytes += len(frame.payload)
        if self._arriving_bytes > MAX_FRAME_BYTES:
            raise FrameError("a message without end")
        if not frame.more:
            body = b"".join(self._pieces)
            self._pieces.clear()
            self._arriving_bytes = 0
            self._receive(agent_message_decoder.decode(body))
