"""The agent proper, in the watchdog's child: reads its bootstrap, opens its socket, runs until it is told to end.

Must be up quickly: imports stay lean, and what only an environment needs is imported when there is one.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import signal
import socket
import sys
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import msgspec

from paddock.agent.disk import DiskMeter
from paddock.agent.instance_agent import InstanceAgent
from paddock.agent.journal import open_journal
from paddock.agent.limits import SHUTDOWN_GRACE_SECONDS
from paddock.agent.network_meter import network_meter
from paddock.agent.network_namespace import IN_IT_ALREADY, MachineNetwork, enter
from paddock.agent.runtime_commands import InstalledRuntimes
from paddock.isolation.ladder import Isolation, select
from paddock.isolation.view import IsolationUnavailable, Rung
from paddock.launchers.cgroups import Cgroup, CpuShare, open_cgroups_here
from paddock.launchers.instance_directory import InstanceDirectory
from paddock.ports import collector
from paddock.ports.clock import IdSource, RandomIds, SystemClock
from paddock.wire.bootstrap import UNIX_PREFIX, AgentBootstrap, decode_bootstrap

_LOG = logging.getLogger("paddock.agent")
_UNHEARD = "agent.new"
"""What the agent's socket is called before it listens. Shorter than its name: a unix socket's path is short."""


def run(bootstrap_path: Path, fence_after_seconds: float | None) -> int:
    """The process's exit status."""
    try:
        bootstrap = decode_bootstrap(bootstrap_path.read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        sys.stderr.write(f"paddock.agent: {bootstrap_path} is no bootstrap of an agent: {error}\n")
        return 2
    if fence_after_seconds is not None:
        bootstrap = msgspec.structs.replace(bootstrap, fence_after_seconds=fence_after_seconds)
    if not bootstrap.address.startswith(UNIX_PREFIX):
        sys.stderr.write("paddock.agent: an agent listens on a unix socket only\n")
        return 2
    open_journal(Path(bootstrap.directory))
    _raise_open_files()
    try:
        machine_network = _enter_network(bootstrap)
        minimum = None if bootstrap.isolation_min is None else Rung[bootstrap.isolation_min.upper()]
        isolation = select(minimum, Path(bootstrap.directory))
    except (IsolationUnavailable, OSError) as unavailable:
        _LOG.error("the agent cannot start: %s", unavailable)
        return 1
    try:
        # The loop is not closed: that would wait for threads that install a runtime or unpack a package.
        _new_loop().run_until_complete(_serve(bootstrap, isolation, machine_network))
    except OSError as error:
        _LOG.error("the agent cannot go on: %s", error)  # one line says it all
        return 1
    return 0


def _enter_network(bootstrap: AgentBootstrap) -> MachineNetwork:
    """First of all, so that nothing of the instance was ever in another. Raises `OSError`."""
    if bootstrap.network_namespace is None:
        return IN_IT_ALREADY
    return enter(Path(bootstrap.network_namespace))


def _new_loop() -> asyncio.AbstractEventLoop:
    """Uvloop where it is installed: half the CPU for each invocation."""
    try:
        import uvloop  # noqa: PLC0415  # optional by design
    except ImportError:
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()


def _raise_open_files() -> None:
    """Every runtime worker holds up to four connections here."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def _serve(bootstrap: AgentBootstrap, isolation: Isolation, machine_network: MachineNetwork) -> None:
    path = _socket_path(bootstrap)
    ids = RandomIds()
    cgroup = _open_cgroup(bootstrap)
    agent = InstanceAgent(
        bootstrap,
        InstalledRuntimes(
            Path(bootstrap.data_dir),
            bootstrap.region,
            strict=bootstrap.strict_runtimes,
            aws_layout=isolation.has_aws_layout,
            network=machine_network,
        ),
        cgroup,
        isolation,
        path.parent,
        SystemClock(),
        ids,
    )
    agent.disk = DiskMeter()
    agent.network = network_meter(bootstrap.network_interface, cgroup)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, agent.shut_down, SHUTDOWN_GRACE_SECONDS)
    collector.settle()
    async with _network_services(bootstrap, machine_network, ids):
        server = await loop.create_unix_server(agent.connection, sock=_bound(path))
        _LOG.info("instance %s is up", bootstrap.instance_id)
        try:
            await agent.run()
        finally:
            server.close()
    _LOG.info("instance %s has ended", bootstrap.instance_id)


def _network_services(
    bootstrap: AgentBootstrap, machine_network: MachineNetwork, ids: IdSource
) -> AbstractAsyncContextManager[None]:
    """Imported only where there are any."""
    if not machine_network.is_elsewhere:
        return contextlib.nullcontext()
    from paddock.agent.network_services import network_services  # noqa: PLC0415  # see above

    return network_services(machine_network, bootstrap.server_file, bootstrap.machine_ports, ids)


def _socket_path(bootstrap: AgentBootstrap) -> Path:
    return Path(bootstrap.address.removeprefix(UNIX_PREFIX))


def _bound(path: Path) -> socket.socket:
    """A socket that its owner alone can connect to; the directory is private already. Who sees its path is not refused:
    it listens before it is called that.
    """
    unheard = path.with_name(_UNHEARD)
    unheard.unlink(missing_ok=True)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    umask = os.umask(0o177)
    try:
        bound.bind(str(unheard))
    finally:
        os.umask(umask)
    bound.listen()
    unheard.replace(path)
    return bound


def _open_cgroup(bootstrap: AgentBootstrap) -> Cgroup | None:
    """The watchdog removes what is made here; it reads the list."""
    cpu = CpuShare(bootstrap.entitled_cores, bootstrap.strict_cpu)
    # Named like the socket directory: unlike the instance's id, that is unique on this machine.
    cgroup = open_cgroups_here(f"paddock-{_socket_path(bootstrap).parent.name}", cpu)
    if cgroup is not None:
        made = "".join(f"{directory}\n" for directory in cgroup.directories)
        InstanceDirectory(Path(bootstrap.directory)).cgroups.write_text(made, encoding="utf-8")
    return cgroup
