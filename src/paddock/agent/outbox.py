"""What goes out on one connection to a server: small frames at once, large bodies chunk by chunk in turn.

A chunk of a large body is written only while little is unsent, so a small answer never waits for more than what is in
the transport's buffer already. Payloads are cut as views, never copied.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterator, Sequence

from paddock.agent.limits import LINK_BUFFER_BYTES
from paddock.wire.frames import HEAD, MAX_CHUNK_BYTES, MORE, FrameKind

_DATA = int(FrameKind.DATA)


class Outbox:
    def __init__(self, transport: asyncio.WriteTransport, loop: asyncio.AbstractEventLoop) -> None:
        self.blocked = False
        self._loop = loop
        self._frames: list[bytes] = []
        self._transport = transport
        self._large: deque[Iterator[tuple[bytes, memoryview]]] = deque()
        transport.set_write_buffer_limits(high=LINK_BUFFER_BYTES, low=LINK_BUFFER_BYTES // 4)

    def frame(self, kind: FrameKind, call: int, header: bytes, payload: bytes = b"", flags: int = 0) -> None:
        """For a payload of at most `MAX_CHUNK_BYTES`, and for control messages. Written at the end of this turn of the
        loop, together with the others.
        """
        frames = self._frames
        if not frames:
            self._loop.call_soon(self.flush)
        length = len(header) + len(payload)
        frames.append(HEAD.pack(length, kind, flags, len(header), call) + header + payload)

    def flush(self) -> None:
        frames = self._frames
        if frames:
            self._frames = []
            self._transport.write(frames[0] if len(frames) == 1 else b"".join(frames))

    def body(self, kind: FrameKind, call: int, header: bytes, pieces: Sequence[bytes]) -> None:
        """A message whose body came in pieces, of any size."""
        if len(pieces) == 1 and len(pieces[0]) <= MAX_CHUNK_BYTES:
            self.frame(kind, call, header, pieces[0])
            return
        total = sum(map(len, pieces))
        if total <= MAX_CHUNK_BYTES:
            self.frame(kind, call, header, b"".join(pieces))
            return
        self.frame(kind, call, header, flags=MORE)
        self.flush()
        self._large.append(_data_frames(call, pieces, total))
        self._pump()

    def data(self, call: int, chunk: bytes) -> None:
        """A piece of a stream, in the order of the calls."""
        self.flush()
        for head, view in _data_frames(call, [chunk], len(chunk)):
            self._transport.writelines([head, view])

    def block(self) -> None:
        """The transport says that its buffer is full: from within a write of ours or of anyone's."""
        self.blocked = True

    def unblock(self) -> None:
        self.blocked = False
        self._pump()

    def _pump(self) -> None:
        large = self._large
        while large and not self.blocked:
            frames = large.popleft()
            piece = next(frames, None)
            if piece is not None:
                large.append(frames)
                self._transport.writelines(piece)

    def clear(self) -> None:
        self._large.clear()


def _data_frames(call: int, pieces: Sequence[bytes], total: int) -> Iterator[tuple[bytes, memoryview]]:
    left = total
    for piece in pieces:
        view = memoryview(piece)
        for at in range(0, len(piece), MAX_CHUNK_BYTES):
            chunk = view[at : at + MAX_CHUNK_BYTES]
            left -= len(chunk)
            yield HEAD.pack(len(chunk), _DATA, MORE if left else 0, 0, call), chunk
