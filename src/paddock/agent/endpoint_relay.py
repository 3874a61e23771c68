"""Paddock's own endpoint for functions on an instance with a network of its own, as a VPC endpoint is on AWS.

`127.0.0.1` and the port of the server mean the same inside as on the machine, so a function needs no other address.
Bytes are passed on as they come; nothing else of the machine is reached this way, and without a server nothing is.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import logging
import socket
from pathlib import Path
from urllib.parse import urlsplit

from paddock.agent.accepting import accept_connections, listener_at
from paddock.agent.limits import RELAY_CONNECTIONS, RELAY_LOOK_SECONDS
from paddock.agent.machine_sockets import MachineSockets
from paddock.agent.relay import LOOPBACK, Endpoint, relay
from paddock.launchers.processes import is_there

_LOG = logging.getLogger("paddock.agent")
_LOOPBACKS = {"0.0.0.0": LOOPBACK, "::": "::1", "localhost": LOOPBACK}  # noqa: S104  # what another listens on


def endpoint_in(announcement: bytes) -> Endpoint | None:
    """What the server's file says, if its process is still there: the port of a dead one may be another's by now."""
    try:
        said = json.loads(announcement)
        url, pid = urlsplit(str(said["url"])), int(said["pid"])
        name, port = url.hostname, url.port
    except (ValueError, KeyError, TypeError):
        return None
    if name is None or port is None or not is_there(pid):
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
            return listener_at(LOOPBACK, port)
        except OSError as error:
            if str(error) != self._said:
                self._said = str(error)
                _LOG.warning("functions cannot reach the endpoint at %s:%d: %s", LOOPBACK, port, error)
            return None

    async def _accept(self, listener: socket.socket) -> None:
        with listener:
            await accept_connections(listener, RELAY_CONNECTIONS, self._serve)

    async def _serve(self, connection: socket.socket) -> None:
        await relay(connection, self.endpoint(), self._sockets)
