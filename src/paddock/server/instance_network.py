"""Which network instances get: found out before anything of a server is started, and said in a line where it cannot be.

Blocking.
"""

from __future__ import annotations

from collections.abc import Callable

from paddock.launchers.attachments import Attachments
from paddock.model.errors import StartError
from paddock.model.ids import Region
from paddock.networks.vpc import VpcNetwork
from paddock.ports.instance_network import NetworkError
from paddock.server.network_file import load_network
from paddock.server.settings import Settings


def attachments_of(settings: Settings, say: Callable[[str], None]) -> Attachments:
    """Raises `StartError`, and `SettingsError` for a network file that cannot be used."""
    vpc = VpcNetwork(load_network(settings.network_file, Region(settings.region)), installation=settings.data_dir)
    if settings.network == "host":
        # Instances of an earlier start may still be in there: they give back what they have.
        return Attachments(vpc if vpc.is_there else None, attaches=False)
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
    return Attachments(vpc)
