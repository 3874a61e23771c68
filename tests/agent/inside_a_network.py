"""Enters a namespace as an agent does, serves what an instance finds there, and runs a command in it.

Arguments: the namespace, the server's file, the machine's resolv.conf and its resolvers' port, the command.
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


async def serve(machine: MachineNetwork, server_file: str, servers: MachineNameServers, command: list[str]) -> int:
    async with network_services(machine, server_file, RandomIds(), servers):
        process = await asyncio.create_subprocess_exec(*command)
        return await process.wait()


def main() -> int:
    namespace, server_file, resolv_conf, port, *command = sys.argv[1:]
    machine = enter(Path(namespace))
    return uvloop.run(serve(machine, server_file, MachineNameServers(Path(resolv_conf), int(port)), command))


if __name__ == "__main__":
    sys.exit(main())
