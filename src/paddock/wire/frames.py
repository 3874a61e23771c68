"""Frames on the stream between server and agent: a fixed head of 16 bytes, then the body. No I/O here.

    length  u32  bytes of the body
    kind    u8   `FrameKind`
    flags   u8   `MORE`: the body goes on in a later frame of the same call
    header  u16  bytes of the body's msgpack header (0 when the body is all payload)
    call    u64  which call of this connection; 0 for control messages

A payload is passed through untouched behind the header. One longer than `MAX_CHUNK_BYTES` is cut into frames of kind
`DATA`, so that a large one cannot hold up the small ones behind it.
"""

from __future__ import annotations

import struct
from enum import IntEnum

HEAD = struct.Struct("<IBBHQ")
HEAD_BYTES = HEAD.size
MORE = 0x01
MAX_CHUNK_BYTES = 64 * 1024
"""About 30 microseconds of memory bandwidth: what a small frame may have to wait for behind a chunk of a large one."""
MAX_FRAME_BYTES = 16 * 1024 * 1024
"""A frame beyond this is a broken or hostile peer; the connection is closed."""


class FrameKind(IntEnum):
    CONTROL = 1
    """A msgpack message of `wire.agent`; both ways."""
    INVOKE = 2
    """Server to agent: header `InvokeHeader`, then the event."""
    RESULT = 3
    """Agent to server: header `ResultHeader`, then the function's answer. Ends the call unless MORE is set."""
    STREAM_HEAD = 4
    """Agent to server: header `StreamHeader`; DATA frames follow as the function writes."""
    DATA = 5
    """A further piece of a body or stream; without MORE the last of a body."""
    STREAM_END = 6
    """Agent to server: header `ResultHeader` of a streamed answer. Ends the call."""
    CANCEL = 7
    """Server to agent: the caller is gone; the answer may be thrown away. The invocation itself goes on."""
    PAUSE = 8
    """Server to agent: the reader of this call's stream is slow; stop reading from the runtime."""
    RESUME = 9
    SLOT_RELEASED = 10
    """Agent to server: header `SlotReleased`; a slot that outlived its call (a timed-out handler) is free again."""


def pack_head(kind: FrameKind, call: int, body_bytes: int, *, header_bytes: int = 0, flags: int = 0) -> bytes:
    return HEAD.pack(body_bytes, kind, flags, header_bytes, call)
