"""What an instance has received and sent, by the kernel's count: over an interface of its own, or by its control group.

An interface belongs to the instance alone, so that its count is all that its functions and extensions moved to and
from anywhere but the instance itself. In the machine's network the packets of their sockets are counted instead. The
loopback counts in neither: it is where the instance talks to itself, and to this machine through it. What server and
agent tell each other, and what the agent fetches, is the machine's.
"""

from __future__ import annotations

import logging

from paddock.launchers.cgroups import Cgroup
from paddock.ports.instance_network import NOT_COUNTED, NetworkMeter, NetworkUse

_LOG = logging.getLogger("paddock.agent")
PROC_NET_DEV = "/proc/self/net/dev"
_SENT = 8
"""The ninth number of a line; the first is what was received."""


class InterfaceMeter:
    def __init__(self, interface: str) -> None:
        self._interface = interface

    def used(self) -> NetworkUse:
        """One small file of the instance's own network."""
        try:
            with open(PROC_NET_DEV, "rb") as file:  # noqa: PTH123  # once a second, beside invocations
                return use_of(self._interface, file.read())
        except OSError:
            return NOT_COUNTED


def network_meter(interface: str | None, cgroup: Cgroup | None) -> NetworkMeter | None:
    """By the instance's interface, or by its control group where it has none: then before anything runs in there. None
    where that cannot be done.
    """
    if interface is not None:
        return InterfaceMeter(interface)
    from paddock.networks.packet_counter import CannotCount, PacketCounter  # noqa: PLC0415  # only for those without

    try:
        return PacketCounter(None if cgroup is None else cgroup.sockets)
    except CannotCount as reason:
        _LOG.info("what passes the network is not counted: %s", reason)
        return None


def use_of(interface: str, table: bytes) -> NetworkUse:
    """`table` is `/proc/net/dev`: the interface's name, a colon, eight numbers of what came and eight of what went."""
    for line in table.splitlines():
        name, colon, numbers = line.partition(b":")
        if colon and name.strip() == interface.encode():
            try:
                counted = [int(number) for number in numbers.split()]
                return NetworkUse(counted[0], counted[_SENT])
            except (IndexError, ValueError):
                return NOT_COUNTED
    return NOT_COUNTED
