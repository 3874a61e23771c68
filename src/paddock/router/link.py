"""The router's end of one connection to an agent: calls out, answers in, many at a time.

Small frames are written together, once per turn of the event loop, because a write costs more than all the router does
for an invocation; one that is alone on the connection is written at once. A payload longer than a chunk waits in line
with the other long ones and is written a chunk at a time while the agent reads, so that it never holds up small ones.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Protocol, cast

import msgspec

from paddock.core.routing.pool import RoutedEnvironment
from paddock.router.calls import Call
from paddock.wire.agent import (
    AgentHello,
    EnvironmentChanged,
    EnvironmentReport,
    ResultHeader,
    ServerHello,
    SlotReleased,
    agent_message_decoder,
    encoder,
    result_header_decoder,
    slot_released_decoder,
    stream_header_decoder,
)
from paddock.wire.frames import HEAD, MAX_CHUNK_BYTES, FrameKind, pack_head
from paddock.wire.stream import Frame, FrameError, FrameReader, frames_of

log = logging.getLogger(__name__)

WRITE_BUFFER_BYTES = 4 * MAX_CHUNK_BYTES
"""What a small frame may find before it in the buffer when long payloads are under way: about 0.1 ms of copying."""
CONTROL_CALL = 0

# What each invocation needs, found at once.
INVOKE, RESULT = FrameKind.INVOKE, FrameKind.RESULT
pack, encode, decode_result = HEAD.pack, encoder.encode, result_header_decoder.decode


class LinkOwner(Protocol):
    """Told of everything that arrives. `finished`: the call has its whole answer, or was refused."""

    def greeted(self, link: AgentLink, hello: AgentHello) -> None: ...

    def finished(self, link: AgentLink, call: Call, result: ResultHeader, body: bytes) -> None: ...

    def slot_released(self, released: SlotReleased) -> None: ...

    def environment_changed(self, report: EnvironmentReport) -> None: ...

    def gone(self, link: AgentLink, calls: tuple[Call, ...]) -> None:
        """These will not be answered. Comes once, also when nothing was ever greeted."""
        ...


class AgentLink(asyncio.Protocol):
    def __init__(self, hello: ServerHello, owner: LinkOwner) -> None:
        self._hello = hello
        self._owner = owner
        self._transport = cast("asyncio.Transport", None)
        self._reader = FrameReader()
        self._calls: dict[int, Call] = {}
        self._parts: dict[int, tuple[ResultHeader, list[bytes]]] = {}
        self._number = 0
        self._long: deque[deque[bytes]] = deque()
        self._control_pieces: list[bytes] = []
        self._loop = asyncio.get_running_loop()
        self._frames: list[bytes] = []
        self._paused = False
        self.greeted = False
        self.closed = self._loop.create_future()

    # --- calls out ---

    def send(self, call: Call, environment: RoutedEnvironment) -> None:
        self._number = number = self._number + 1
        call.number = number
        call.channel = self
        self._calls[number] = call
        header = encode(call.header(environment))
        payload = call.payload
        header_bytes, payload_bytes = len(header), len(payload)
        if payload_bytes <= MAX_CHUNK_BYTES:
            frame = pack(header_bytes + payload_bytes, INVOKE, 0, header_bytes, number) + header + payload
            if len(self._calls) == 1:
                self._transport.write(frame)
            else:
                self._write_soon(frame)
        else:
            # Head and body in turn, so always an even number of pieces.
            self._long.append(deque(frames_of(FrameKind.INVOKE, number, header, payload)))
            self._write_long()

    def cancel(self, number: int) -> None:
        self._tell(FrameKind.CANCEL, number)

    def pause(self, number: int) -> None:
        self._tell(FrameKind.PAUSE, number)

    def resume(self, number: int) -> None:
        self._tell(FrameKind.RESUME, number)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # --- the transport's side ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        hello = encoder.encode(self._hello)
        self._transport.write(pack_head(FrameKind.CONTROL, CONTROL_CALL, len(hello)) + hello)

    def data_received(self, data: bytes) -> None:
        try:
            for frame in self._reader.feed(data):
                if frame.kind is RESULT and not frame.more:
                    result = decode_result(frame.header)
                    call = self._calls.pop(frame.call, None)
                    if call is not None:
                        self._owner.finished(self, call, result, frame.payload)
                else:
                    self._other(frame)
        except (FrameError, msgspec.MsgspecError) as error:
            log.warning("an agent does not speak our protocol: %s", error)
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        calls = tuple(self._calls.values())
        self._calls.clear()
        self._parts.clear()
        self._long.clear()
        if not self.closed.done():
            self.closed.set_result(None)
        self._owner.gone(self, calls)

    def pause_writing(self) -> None:
        self._paused = True

    def resume_writing(self) -> None:
        self._paused = False
        self._write_long()

    # --- answers in ---

    def _other(self, frame: Frame) -> None:
        kind = frame.kind
        if kind is FrameKind.CONTROL or frame.call == CONTROL_CALL:
            self._control(frame)
        elif kind is FrameKind.SLOT_RELEASED:
            self._owner.slot_released(slot_released_decoder.decode(frame.header))
        elif (call := self._calls.get(frame.call)) is None:
            return
        elif kind is RESULT:
            self._parts[frame.call] = (decode_result(frame.header), [frame.payload])
        elif kind is FrameKind.DATA:
            self._data(call, frame)
        elif kind is FrameKind.STREAM_HEAD:
            call.stream_started(stream_header_decoder.decode(frame.header).content_type)
        elif kind is FrameKind.STREAM_END:
            del self._calls[frame.call]
            self._owner.finished(self, call, decode_result(frame.header), frame.payload)

    def _data(self, call: Call, frame: Frame) -> None:
        """A piece of a long answer, or of a stream."""
        parts = self._parts.get(frame.call)
        if parts is None:
            call.stream_continued(frame.payload)
            return
        result, pieces = parts
        pieces.append(frame.payload)
        if not frame.more:
            del self._calls[frame.call], self._parts[frame.call]
            self._owner.finished(self, call, result, b"".join(pieces))

    def _control(self, frame: Frame) -> None:
        """A message longer than a chunk comes in pieces."""
        self._control_pieces.append(frame.payload)
        if frame.more:
            return
        message = b"".join(self._control_pieces)
        self._control_pieces.clear()
        decoded = agent_message_decoder.decode(message)
        if isinstance(decoded, AgentHello):
            self.greeted = True
            self._owner.greeted(self, decoded)
        elif isinstance(decoded, EnvironmentChanged):
            self._owner.environment_changed(decoded.environment)

    # --- inside ---

    def _tell(self, kind: FrameKind, number: int) -> None:
        if number in self._calls:
            self._write_soon(pack_head(kind, number, 0))

    def _write_soon(self, frame: bytes) -> None:
        if not self._frames:
            self._loop.call_soon(self._flush)
        self._frames.append(frame)

    def _flush(self) -> None:
        frames = self._frames
        self._frames = []
        self._transport.write(frames[0] if len(frames) == 1 else b"".join(frames))

    def _write_long(self) -> None:
        """One chunk of each long payload in turn, until the agent falls behind or all is written."""
        waiting = self._long
        while waiting and not self._paused:
            pieces = waiting.popleft()
            self._transport.writelines((pieces.popleft(), pieces.popleft()))
            if pieces:
                waiting.append(pieces)
