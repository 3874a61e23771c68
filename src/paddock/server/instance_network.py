"""Which network instances get: found out before anything of a server is started, and said in a line where it cannot be.

While the server runs, it follows the ways out that this machine has.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from paddock.launchers.attachments import Attachments
from paddock.launchers.cgroups import tried_group
from paddock.model.errors import StartError
from paddock.model.ids import Region
from paddock.networks.packet_counter import CannotCount, PacketCounter
from paddock.networks.vpc import VpcNetwork
from paddock.ports.instance_network import NetworkError
from paddock.server.network_file import load_network
from paddock.server.settings import Settings

_LOG = logging.getLogger(__name__)
LOOK_SECONDS = 5.0
"""A machine that was moved to another network has its ways out again within that time, and so do its instances."""
ROUTES = Path("/proc/self/net/route")


@dataclass(frozen=True, slots=True)
class InstanceNetworks:
    """`vpc` is None where there is none and never was."""

    attachments: Attachments
    vpc: VpcNetwork | None = None

    async def follow_ways_out(self, routes: Path = ROUTES) -> None:
        """Until cancelled. Looking is reading a line or two; what costs more is done only when something changed."""
        if self.vpc is None:
            return
        seen = _text_of(routes)
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            now = _text_of(routes)
            if now == seen:
                continue
            try:
                await asyncio.to_thread(self.vpc.refresh)
            except (NetworkError, OSError) as error:
                _LOG.warning("instances may not get out of this machine: %s", error)
            else:
                seen = now


def found_networks(settings: Settings, say: Callable[[str], None]) -> InstanceNetworks:
    """Blocking. Raises `StartError`, and `SettingsError` for a network file that cannot be used."""
    vpc = VpcNetwork(load_network(settings.network_file, Region(settings.region)), installation=settings.data_dir)
    if settings.network == "host":
        # Instances of an earlier start may still be in there: they give back what they have.
        former = vpc if vpc.is_there else None
        reason = uncounted_because()
        if reason is not None:
            # No hindrance: who starts this as an ordinary user need not care.
            _LOG.info("NetworkIn and NetworkOut are no data: %s", reason)
        return InstanceNetworks(Attachments(former, attaches=False), former)
    reason = vpc.unavailable_because()
    if reason is not None:
        raise StartError(f"--network vpc cannot be had: {reason}")
    try:
        vpc.refresh()
        hindrances = vpc.hindrances()
    except (NetworkError, OSError) as error:
        raise StartError(f"--network vpc cannot be had: {error}") from error
    for hindrance in hindrances:
        say(f"network: {hindrance}")
    return InstanceNetworks(Attachments(vpc), vpc)


def uncounted_because() -> str | None:
    """Why instances in the machine's network cannot be counted apart, found out by trying. Blocking."""
    with tried_group() as group:
        try:
            PacketCounter(None if group is None else group.sockets).close()
        except CannotCount as reason:
            return str(reason)
    return None


def _text_of(routes: Path) -> str:
    try:
        return routes.read_text(encoding="ascii")
    except OSError:
        return ""
