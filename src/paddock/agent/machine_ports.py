"""Services of this machine that its operator opened to instances: on their loopback, at the ports they have on its own.

A database on a laptop is at `127.0.0.1` for a function with and without a network of its own.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence

from paddock.agent.accepting import accept_connections, listener_at
from paddock.agent.limits import MACHINE_PORT_CONNECTIONS
from paddock.agent.machine_sockets import MachineSockets
from paddock.agent.relay import LOOPBACK, Endpoint, relay


class MachinePorts:
    """Listens from the beginning. Raises `OSError`."""

    def __init__(self, ports: Sequence[int], sockets: MachineSockets) -> None:
        self._sockets = sockets
        self._listeners: list[socket.socket] = []
        try:
            for port in ports:
                self._listeners.append(listener_at(LOOPBACK, port))
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        for listener in self._listeners:
            listener.close()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            for listener in self._listeners:
                group.create_task(self._accept(listener))

    async def _accept(self, listener: socket.socket) -> None:
        endpoint = Endpoint(LOOPBACK, listener.getsockname()[1])

        async def serve(connection: socket.socket) -> None:
            await relay(connection, endpoint, self._sockets)

        await accept_connections(listener, MACHINE_PORT_CONNECTIONS, serve)
