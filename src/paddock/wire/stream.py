"""Cuts a byte stream into frames and a body into frames. Sans I/O: whoever owns the socket feeds and writes.

A `FrameReader` belongs to one connection; after a `FrameError` that connection is of no use any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from paddock.wire.frames import HEAD, HEAD_BYTES, MAX_CHUNK_BYTES, MAX_FRAME_BYTES, MORE, FrameKind, pack_head


class FrameError(Exception):
    """The peer does not speak our protocol."""


class Frame(msgspec.Struct, frozen=True, gc=False):
    kind: FrameKind
    more: bool
    call: int
    header: bytes
    payload: bytes


unpack = HEAD.unpack_from
_KINDS = {int(kind): kind for kind in FrameKind}


class FrameReader:
    """Keeps the bytes of a frame that has not arrived whole."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterable[Frame]:
        """The frames that are complete now. What is no frame raises `FrameError` behind those before it: they are
        answers that somebody waits for.
        """
        if self._rest:
            data = self._rest + data
        frames: list[Frame] = []
        at = 0
        end = len(data)
        while end - at >= HEAD_BYTES:
            body_bytes, number, flags, header_bytes, call = unpack(data, at)
            kind = _KINDS.get(number)
            if kind is None or body_bytes > MAX_FRAME_BYTES or header_bytes > body_bytes:
                return _broken_after(frames, f"frame of kind {number} with {body_bytes} bytes")
            body_at = at + HEAD_BYTES
            frame_end = body_at + body_bytes
            if frame_end > end:
                break
            payload_at = body_at + header_bytes
            frames.append(Frame(kind, flags & MORE != 0, call, data[body_at:payload_at], data[payload_at:frame_end]))
            at = frame_end
        self._rest = data[at:]
        return frames


def _broken_after(frames: list[Frame], reason: str) -> Iterator[Frame]:
    yield from frames
    raise FrameError(reason)


def frames_of(kind: FrameKind, call: int, header: bytes, payload: bytes) -> list[bytes]:
    """The pieces to write for one message, in order; a large payload is cut and never copied whole."""
    if len(payload) <= MAX_CHUNK_BYTES:
        return [pack_head(kind, call, len(header) + len(payload), header_bytes=len(header)), header, payload]
    pieces = [pack_head(kind, call, len(header), header_bytes=len(header), flags=MORE), header]
    view = memoryview(payload)
    for at in range(0, len(payload), MAX_CHUNK_BYTES):
        chunk = view[at : at + MAX_CHUNK_BYTES]
        flags = MORE if at + MAX_CHUNK_BYTES < len(payload) else 0
        pieces.append(pack_head(FrameKind.DATA, call, len(chunk), flags=flags))
        pieces.append(chunk)  # type: ignore[arg-type]  # a transport takes any buffer
    return pieces
