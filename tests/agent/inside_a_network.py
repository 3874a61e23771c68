"""Enters a namespace as an agent does, serves what an instance finds there, and runs a command in it.

Arguments: the namespace, the server's file, the machine's ports that are open, its resolv.conf and its resolvers' port,
the command.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import uvloop

from paddock.agent.nameservers import MachineNameServers
from paddock.agent.network_namespace import MachineNetwork, enter
from paddock.agent.network_services import network_services
from paddock.ports.clock import RandomIds


async def serve(
    machine: MachineNetwork, server_file: str, ports: list[int], servers: MachineNameServers, command: list[str]
) -> int:
    async with network_services(machine, server_file, ports, RandomIds(), servers):
        process = await asyncio.create_subprocess_exec(*command)
        return await process.wait()


def main() -> int:
    namespace, server_file, opened, resolv_conf, port, *command = sys.argv[1:]
    ports = [int(one) for one in opened.split()]
    machine = enter(Path(namespace))
    servers = MachineNameServers(Path(resolv_conf), int(port))
    return uvloop.run(serve(machine, server_file, ports, servers, command))


if __name__ == "__main__":
    sys.exit(main())
