"""Which connection of the Runtime API belongs to which process: by the kernel's tables of sockets.

Asked once for each runtime worker that writes logs, never for an invocation. Linux; elsewhere nothing is found.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Protocol

_LOOPBACK = "0100007F"
_MAX_TABLE_BYTES = 4 * 1024 * 1024
"""Of `/proc/net/tcp`: on a machine with more sockets than that, lines stay without a request id."""


class Connection(Protocol):
    """Of a runtime. `last_invocation_id` was delivered on it."""

    peer_port: int
    last_invocation_id: str


def invocation_on(connections: Iterable[Connection], ports: Sequence[int]) -> str:
    """Which invocation the process that owns these ports runs, or ran last; empty when none is known."""
    for connection in connections:
        if connection.peer_port in ports and connection.last_invocation_id:
            return connection.last_invocation_id
    return ""


def local_ports(pid: int, remote_port: int) -> list[int]:
    """The local ports of the process's connections to `127.0.0.1:remote_port`."""
    sockets = _socket_inodes(pid)
    if not sockets:
        return []
    try:
        with open(f"/proc/{pid}/net/tcp", "rb") as file:  # noqa: PTH123
            table = file.read(_MAX_TABLE_BYTES).decode("ascii", "replace")
    except OSError:
        return []
    remote = f"{_LOOPBACK}:{remote_port:04X}"
    ports = []
    for line in table.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 9 and fields[2] == remote and fields[9] in sockets:
            ports.append(int(fields[1].rpartition(":")[2], 16))
    return ports


def _socket_inodes(pid: int) -> set[str]:
    directory = f"/proc/{pid}/fd"
    found = set()
    try:
        names = os.listdir(directory)  # noqa: PTH208
    except OSError:
        return set()
    for name in names:
        try:
            target = os.readlink(f"{directory}/{name}")  # noqa: PTH115
        except OSError:
            continue
        if target.startswith("socket:["):
            found.add(target[8:-1])
    return found
