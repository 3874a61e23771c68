"""One connection from a server: hello, control messages, calls. Cuts nothing open that it can pass on.

Knows no environment: calls and messages go to the `LinkOwner`, answers come back through the `Call`.
"""

from __future__ import annotations

import asyncio
import re
from typing import Protocol, cast

import msgspec

from paddock.agent.answer_stream import AnswerStream
from paddock.agent.calls import Call
from paddock.agent.limits import HELLO_SECONDS, MAX_EVENT_BYTES, SMALL_MESSAGE_BYTES
from paddock.agent.outbox import Outbox
from paddock.wire.agent import (
    AgentMessage,
    InvokeHeader,
    Role,
    ServerHello,
    ServerMessage,
    encoder,
    invoke_header_decoder,
    server_message_decoder,
)
from paddock.wire.frames import MAX_FRAME_BYTES, FrameKind
from paddock.wire.stream import Frame, FrameError, FrameReader

_INVOKE, _DATA, _CONTROL = FrameKind.INVOKE, FrameKind.DATA, FrameKind.CONTROL
_decode = invoke_header_decoder.decode
_is_request_id = re.compile(r"[0-9A-Za-z_-]{1,128}").fullmatch
"""Request ids stand in headers and log records unescaped."""


class LinkOwner(Protocol):
    def admits(self, link: Link) -> bool:
        """Whether one more connection may stay; `lost` follows in either case."""
        ...

    def hello(self, link: Link, message: ServerHello) -> bool:
        """Answers the hello; False refuses the connection."""
        ...

    def lost(self, link: Link) -> None: ...

    def control(self, link: Link, message: ServerMessage) -> None: ...

    def has_room(self, environment_id: str) -> bool:
        """Whether a call for it, whose event is still coming in, may be taken."""
        ...

    def invoke(self, call: Call) -> None: ...


class _Arriving:
    """A call, or the one control message, whose body comes in several frames."""

    __slots__ = ("header", "pieces", "size")

    def __init__(self, header: InvokeHeader | None, piece: bytes) -> None:
        self.header = header
        self.pieces = [piece] if piece else []
        self.size = len(piece)


class Link(asyncio.Protocol):
    def __init__(self, owner: LinkOwner) -> None:
        self.role: Role | None = None
        self.outbox: Outbox | None = None
        self.calls: dict[int, Call] = {}
        self.streams: dict[Call, AnswerStream] = {}
        self._owner = owner
        self._reader = FrameReader()
        self._arriving: dict[int, _Arriving] = {}
        self._transport: asyncio.Transport | None = None
        self._hello_timer: asyncio.TimerHandle | None = None

    # The connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        loop = asyncio.get_running_loop()
        self.outbox = Outbox(self._transport, loop)
        if not self._owner.admits(self):
            self.close()
            return
        self._hello_timer = loop.call_later(HELLO_SECONDS, self.close)

    def data_received(self, data: bytes) -> None:
        if self.role is None and len(data) > SMALL_MESSAGE_BYTES:
            self.close()
            return
        try:
            for frame in self._reader.feed(data):
                if frame.kind is _INVOKE:
                    self._invoke(frame)
                else:
                    self._other(frame)
        except (FrameError, msgspec.MsgspecError, UnicodeDecodeError):
            self.close()

    def pause_writing(self) -> None:
        if self.outbox is not None:
            self.outbox.block()
            self._block_streams(blocked=True)

    def resume_writing(self) -> None:
        if self.outbox is not None:
            self.outbox.unblock()
            self._block_streams(blocked=self.outbox.blocked)

    def _block_streams(self, *, blocked: bool) -> None:
        for stream in list(self.streams.values()):
            stream.blocked = blocked
            stream.regulate()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_hello_timer()
        if self.outbox is not None:
            self.outbox.clear()
            self.outbox = None
        for stream in self.streams.values():
            stream.let_run()
        self.streams.clear()
        self.calls.clear()
        self._arriving.clear()
        self._owner.lost(self)

    def close(self) -> None:
        if self._transport is not None:
            if self.outbox is not None:
                self.outbox.flush()
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _cancel_hello_timer(self) -> None:
        if self._hello_timer is not None:
            self._hello_timer.cancel()
            self._hello_timer = None

    # Outgoing

    def send(self, message: AgentMessage) -> None:
        self.send_encoded(encoder.encode(message))

    def send_encoded(self, message: bytes) -> None:
        if self.outbox is not None:
            self.outbox.frame(_CONTROL, 0, b"", message)

    # Incoming

    def _invoke(self, frame: Frame) -> None:
        if self.role is None:
            raise FrameError("a call before the hello")
        header = _decode(frame.header)
        payload = frame.payload
        if not frame.more:
            self._take(frame.call, header, [payload], len(payload))
        elif self._owner.has_room(header.environment_id):
            self._arriving[frame.call] = _Arriving(header, payload)
        else:
            self._take(frame.call, header, [], 0)

    def _take(self, number: int, header: InvokeHeader, event: list[bytes], event_bytes: int) -> None:
        call = Call(self, number, header, event, event_bytes)
        if event_bytes > MAX_EVENT_BYTES or _is_request_id(header.invocation_id) is None:
            call.refuse("InvalidRequest")
            return
        self.calls[number] = call
        self._owner.invoke(call)

    def _other(self, frame: Frame) -> None:
        kind = frame.kind
        if self.role is None:
            self._hello(frame)
        elif kind is _DATA:
            self._continue(frame)
        elif kind is _CONTROL:
            if frame.more:
                self._arriving[0] = _Arriving(None, frame.payload)
            else:
                self._control(frame.payload)
        elif kind is FrameKind.CANCEL or kind is FrameKind.PAUSE or kind is FrameKind.RESUME:
            self._steer(kind, frame.call)
        else:
            raise FrameError(f"a server does not send {kind.name}")

    def _continue(self, frame: Frame) -> None:
        """More of a body; of one that was refused the rest is passed over."""
        arriving = self._arriving.get(frame.call)
        if arriving is None:
            return
        arriving.size += len(frame.payload)
        if arriving.size > (MAX_FRAME_BYTES if arriving.header is None else MAX_EVENT_BYTES + MAX_FRAME_BYTES):
            raise FrameError("a body without end")
        arriving.pieces.append(frame.payload)
        if not frame.more:
            del self._arriving[frame.call]
            if arriving.header is None:
                self._control(b"".join(arriving.pieces))
            else:
                self._take(frame.call, arriving.header, arriving.pieces, arriving.size)

    def _hello(self, frame: Frame) -> None:
        message = server_message_decoder.decode(frame.payload) if frame.kind is _CONTROL else None
        if not isinstance(message, ServerHello) or not self._owner.hello(self, message):
            raise FrameError("no hello of ours")
        self._cancel_hello_timer()

    def _control(self, payload: bytes) -> None:
        self._owner.control(self, server_message_decoder.decode(payload))

    def _steer(self, kind: FrameKind, number: int) -> None:
        call = self.calls.get(number)
        if call is None:
            return
        if kind is FrameKind.CANCEL:
            call.cancel()
        else:
            call.pause(paused=kind is FrameKind.PAUSE)
