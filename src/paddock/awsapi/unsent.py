"""How much of what was written a client has not taken yet: what waits in the transport, and in the kernel's queue."""

from __future__ import annotations

import asyncio
import fcntl
import struct
import termios

_COUNT = struct.Struct("i")


def unsent_bytes(transport: asyncio.Transport) -> int:
    """The kernel's queue may hold megabytes, of which a third must go before the transport hears of any progress."""
    return transport.get_write_buffer_size() + _queued_bytes(transport)


def _queued_bytes(transport: asyncio.Transport) -> int:
    """Zero where the kernel does not tell, and once the socket is closed."""
    socket = transport.get_extra_info("socket")
    try:
        answer = fcntl.ioctl(socket.fileno(), termios.TIOCOUTQ, bytes(_COUNT.size))
    except (AttributeError, OSError, ValueError):
        return 0
    return int(_COUNT.unpack(answer)[0])
