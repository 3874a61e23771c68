"""What an instance has received and sent over its own interface, by the kernel's count. Nothing where it has none.

The interface belongs to the instance alone, so that its count is all that its functions and extensions moved to and
from anywhere but the instance itself. What server and agent tell each other does not pass here.
"""

from __future__ import annotations

from typing import NamedTuple

PROC_NET_DEV = "/proc/self/net/dev"
_SENT = 8
"""The ninth number of a line; the first is what was received."""


class NetworkUse(NamedTuple):
    """Bytes since the interface was made; None where nobody counts."""

    in_bytes: int | None = None
    out_bytes: int | None = None


NOT_COUNTED = NetworkUse()


class NetworkMeter:
    """`interface` is None for an instance in the machine's network, which counts all of them together."""

    def __init__(self, interface: str | None) -> None:
        self._interface = interface

    def used(self) -> NetworkUse:
        """One small file of the instance's own network: microseconds."""
        if self._interface is None:
            return NOT_COUNTED
        try:
            with open(PROC_NET_DEV, "rb") as file:  # noqa: PTH123  # once a second, beside invocations
                return use_of(self._interface, file.read())
        except OSError:
            return NOT_COUNTED


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
