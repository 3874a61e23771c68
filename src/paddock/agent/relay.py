"""Passes a connection of an instance with a network of its own on to one place in the machine's network, byte by byte.

Knows nothing of what is said. Memory is bounded: no more is read before what was read is taken.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import dataclass

from paddock.agent.limits import RELAY_CHUNK_BYTES, RELAY_CONNECT_SECONDS
from paddock.agent.machine_sockets import MachineSockets

LOOPBACK = "127.0.0.1"
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """In the machine's network; `address` is a numeric one."""

    address: str
    port: int

    @property
    def family(self) -> int:
        return socket.AF_INET6 if ":" in self.address else socket.AF_INET


async def relay(connection: socket.socket, endpoint: Endpoint | None, sockets: MachineSockets) -> None:
    """Until one side ends it. With nothing there, the connection is reset."""
    if endpoint is None:
        _break_off(connection)
        return
    loop = asyncio.get_running_loop()
    with await sockets.open(endpoint.family, socket.SOCK_STREAM) as server:
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            async with asyncio.timeout(RELAY_CONNECT_SECONDS):
                await loop.sock_connect(server, (endpoint.address, endpoint.port))
            await _pass_both_ways(connection, server)
        except* (OSError, TimeoutError):
            _break_off(connection)
            _break_off(server)


async def _pass_both_ways(connection: socket.socket, server: socket.socket) -> None:
    """A server that has said its last reads nothing more."""
    async with asyncio.TaskGroup() as both:
        asking = both.create_task(_pass_on(connection, server))
        await _pass_on(server, connection)
        asking.cancel()


async def _pass_on(source: socket.socket, target: socket.socket) -> None:
    """To the end, which is passed on too. No more is read before what was read is taken."""
    loop = asyncio.get_running_loop()
    while piece := await loop.sock_recv(source, RELAY_CHUNK_BYTES):
        await loop.sock_sendall(target, piece)
    target.shutdown(socket.SHUT_WR)


def _break_off(connection: socket.socket) -> None:
    """When it is closed: an ordinary end would make half an answer look whole."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
