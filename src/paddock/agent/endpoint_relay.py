"""Paddock's own endpoint for functions on an instance with a network of its own, as a VPC endpoint is on AWS.

`127.0.0.1` and the port of the server mean the same inside as on the machine, so a function needs no other address.
Bytes are passed on as they come; nothing else of the machine is reached this way, and without a server nothing is.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
import os
import socket
import struct
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from paddock.agent.accepting import accept_connections, listener_at
from paddock.agent.limits import (
    RELAY_CHUNK_BYTES,
    RELAY_CONNECT_SECONDS,
    RELAY_CONNECTIONS,
    RELAY_LOOK_SECONDS,
)
from paddock.agent.machine_sockets import MachineSockets

_LOG = logging.getLogger("paddock.agent")
_LOOPBACK = "127.0.0.1"
_LOOPBACKS = {"0.0.0.0": _LOOPBACK, "::": "::1", "localhost": _LOOPBACK}  # noqa: S104  # what another listens on
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """In the machine's network; `address` is a numeric one."""

    address: str
    port: int

    @property
    def family(self) -> int:
        return socket.AF_INET6 if ":" in self.address else socket.AF_INET


def endpoint_in(announcement: bytes) -> Endpoint | None:
    """What the server's file says, if its process is still there: the port of a dead one may be another's by now."""
    try:
        said = json.loads(announcement)
        url, pid = urlsplit(str(said["url"])), int(said["pid"])
        name, port = url.hostname, url.port
    except (ValueError, KeyError, TypeError):
        return None
    if name is None or port is None or not _is_alive(pid):
        return None
    address = _LOOPBACKS.get(name, name)
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return None
    return Endpoint(address, port)


class EndpointRelay:
    def __init__(self, server_file: Path, sockets: MachineSockets) -> None:
        self._server_file = server_file
        self._sockets = sockets
        self._said = ""

    def endpoint(self) -> Endpoint | None:
        try:
            return endpoint_in(self._server_file.read_bytes())
        except OSError:
            return None

    async def run(self) -> None:
        """Until cancelled. Listens at the port where the server was last seen, also while it is away."""
        listener = None
        accepting = None
        async with asyncio.TaskGroup() as group:
            while True:
                endpoint = self.endpoint()
                if endpoint is not None and (listener is None or listener.getsockname()[1] != endpoint.port):
                    opened = self._listen(endpoint.port)
                    if opened is not None:
                        if accepting is not None:
                            accepting.cancel()
                        listener, accepting = opened, group.create_task(self._accept(opened))
                await asyncio.sleep(RELAY_LOOK_SECONDS)

    def _listen(self, port: int) -> socket.socket | None:
        """None when a function was there before; that is tried again, and said once."""
        try:
            return listener_at(_LOOPBACK, port)
        except OSError as error:
            if str(error) != self._said:
                self._said = str(error)
                _LOG.warning("functions cannot reach the endpoint at %s:%d: %s", _LOOPBACK, port, error)
            return None

    async def _accept(self, listener: socket.socket) -> None:
        with listener:
            await accept_connections(listener, RELAY_CONNECTIONS, self._serve)

    async def _serve(self, connection: socket.socket) -> None:
        endpoint = self.endpoint()
        if endpoint is None:
            _break_off(connection)
            return
        loop = asyncio.get_running_loop()
        with await self._sockets.open(endpoint.family, socket.SOCK_STREAM) as server:
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


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True
