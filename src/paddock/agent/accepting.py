"""Serves connections of a listening socket, each by a task of its own, no more than a number of them at a time.

For listeners beside the way of invocations. Who comes when all places are taken waits in the kernel's queue.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable

_LOG = logging.getLogger("paddock.agent")
_BACKLOG = 128
_PAUSE_SECONDS = 0.1
"""When nothing can be accepted, because descriptors have run out."""


def listener_at(address: str, port: int) -> socket.socket:
    """IPv4. Raises `OSError`."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, port))
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener


async def accept_connections(
    listener: socket.socket, most: int, serve: Callable[[socket.socket], Awaitable[None]]
) -> None:
    """Until cancelled, and with it all that are served. `serve` need not close its socket."""
    room = asyncio.Semaphore(most)
    async with asyncio.TaskGroup() as group:
        while True:
            await room.acquire()
            group.create_task(_served(await _accepted(listener), serve, room))


async def _accepted(listener: socket.socket) -> socket.socket:
    loop = asyncio.get_running_loop()
    while True:
        try:
            connection, _ = await loop.sock_accept(listener)
        except OSError:
            await asyncio.sleep(_PAUSE_SECONDS)
        else:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return connection


async def _served(
    connection: socket.socket, serve: Callable[[socket.socket], Awaitable[None]], room: asyncio.Semaphore
) -> None:
    try:
        await serve(connection)
    except (OSError, TimeoutError):
        pass  # one side left, or was silent for too long
    except Exception:  # noqa: BLE001  # an instance does not end over one connection
        _LOG.exception("a connection failed")
    finally:
        connection.close()
        room.release()
