"""What an instance with a network of its own finds in it, as in a VPC: a resolver, Paddock's own endpoint, and what of
the machine was opened to it.

Beside the way of invocations: their answers go over the agent's own connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from paddock.agent.endpoint_relay import EndpointRelay
from paddock.agent.machine_ports import MachinePorts
from paddock.agent.machine_sockets import MachineSockets
from paddock.agent.nameservers import MachineNameServers
from paddock.agent.network_namespace import MachineNetwork
from paddock.agent.resolver import Resolver
from paddock.ports.clock import IdSource


@asynccontextmanager
async def network_services(
    machine: MachineNetwork,
    server_file: str | None,
    machine_ports: Sequence[int],
    ids: IdSource,
    servers: MachineNameServers | None = None,
) -> AsyncIterator[None]:
    """While the block runs. Raises `OSError`."""
    sockets = MachineSockets(machine)
    async with AsyncExitStack() as stack:
        stack.callback(sockets.close)
        resolver = Resolver(sockets, servers or MachineNameServers(), ids)
        stack.callback(resolver.close)
        opened = MachinePorts(machine_ports, sockets)
        stack.callback(opened.close)
        async with asyncio.TaskGroup() as group:
            services = [group.create_task(resolver.run()), group.create_task(opened.run())]
            if server_file is not None:
                services.append(group.create_task(EndpointRelay(Path(server_file), sockets).run()))
            yield
            for service in services:
                service.cancel()
