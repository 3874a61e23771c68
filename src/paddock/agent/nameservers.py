"""Which resolvers the machine asks, and what an environment with a network of its own finds in its `resolv.conf`.

Source: manual page resolv.conf(5); Amazon VPC user guide, "DNS attributes for your VPC"; what Amazon Linux has on EC2.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paddock.ports.instance_network import RESOLVER_ADDRESS

NAME_PORT = 53
MACHINE_RESOLV_CONF = Path("/etc/resolv.conf")
_MOST_SERVERS = 3
_WITHOUT_ANY = ("127.0.0.1",)
"""What the C library does then."""
_LONGEST = 64 * 1024
"""Of a file that has a few lines."""


@dataclass(frozen=True, slots=True)
class NameServer:
    """`address` is what `connect` takes."""

    family: int
    address: Any


def resolv_conf_inside(region: str) -> str:
    """As DHCP writes it in a VPC."""
    domain = "ec2.internal" if region == "us-east-1" else f"{region}.compute.internal"
    return f"search {domain}\noptions timeout:2 attempts:5\nnameserver {RESOLVER_ADDRESS}\n"


def nameservers_in(text: str) -> tuple[str, ...]:
    """The first three, as the C library takes them."""
    words = (line.split() for line in text.splitlines())
    found = [line[1] for line in words if len(line) > 1 and line[0] == "nameserver"]
    return tuple(found[:_MOST_SERVERS]) or _WITHOUT_ANY


class MachineNameServers:
    """Read again when the file has changed. Blocking a little, and in the machine's network: an address may name one of
    its interfaces.
    """

    def __init__(self, path: Path = MACHINE_RESOLV_CONF, port: int = NAME_PORT) -> None:
        self._path = path
        self._port = port
        self._read: tuple[int, ...] | None = None
        self._servers: tuple[NameServer, ...] = ()

    def __call__(self) -> tuple[NameServer, ...]:
        state = self._state()
        if state != self._read or not self._servers:
            self._servers = tuple(self._resolved(self._text()))
            self._read = state
        return self._servers

    def _state(self) -> tuple[int, ...]:
        try:
            found = self._path.stat()
        except OSError:
            return ()
        return found.st_mtime_ns, found.st_ino, found.st_size, found.st_dev

    def _text(self) -> str:
        try:
            with self._path.open("rb") as file:
                return file.read(_LONGEST).decode("utf-8", "replace")
        except OSError:
            return ""

    def _resolved(self, text: str) -> list[NameServer]:
        servers = []
        for address in nameservers_in(text):
            try:
                found = socket.getaddrinfo(
                    address, self._port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
                )
            except (OSError, UnicodeError):
                continue
            servers.append(NameServer(found[0][0], found[0][4]))
        return servers
