"""What an instance with a network of its own finds in it, as in a VPC: a resolver, and Paddock's own endpoint.

Beside the way of invocations: their answers go over the agent's own connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from paddock.agent.endpoint_relay import EndpointRelay
from paddock.agent.machine_sockets import MachineSockets
from paddock.agent.nameservers import MachineNameServers
from paddock.agent.network_namespace import MachineNetwork
from paddock.agent.resolver import Resolver
from paddock.ports.clock import IdSource


@asynccontextmanager
async def network_services(
    machine: MachineNetwork, server_file: str | None, ids: IdSource, servers: MachineNameServers | None = None
) -> AsyncIterator[None]:
    """While the block runs; nothing where the instance shares the machine's network. Raises `OSError`."""
    if not machine.is_elsewhere:
        yield
        return
    sockets = MachineSockets(machine)
    resolver = Resolver(sockets, servers or MachineNameServers(), ids)
    try:
        async with asyncio.TaskGroup() as group:
            services = [group.create_task(resolver.run())]
            if server_file is not None:
                services.append(group.create_task(EndpointRelay(Path(server_file), sockets).run()))
            yield
            for service in services:
                service.cancel()
    finally:
        resolver.close()
        sockets.close()
