"""A machine, what is outside of it and another network beside it, each a namespace that the test makes and removes.

Nothing here touches the network of the machine that runs the tests.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from paddock.model.ids import InstanceId, SecurityGroupId, SubnetId
from paddock.model.network import Network
from paddock.networks import links, namespaces, nft
from paddock.networks.machine import read, write
from paddock.networks.names import Names
from paddock.networks.vpc import VpcNetwork
from paddock.ports.instance_network import Attachment

MACHINE, OUTSIDE, BESIDE = "198.51.100.1", "203.0.113.10", "192.0.2.10"
"""Addresses for documentation: of the machine towards the outside, of someone outside, of someone beside."""
METADATA = "169.254.169.254"
ALL_PROTOCOLS = 3
"""ETH_P_ALL of linux/if_ether.h."""
SILENCE_SECONDS = 0.4
"""How long nothing must come: a machine that is slower makes a test that something is shut less sharp, never fail."""
ANSWER_SECONDS = 20.0
_FORWARDING = Path("/proc/sys/net/ipv4/conf")
_Result = TypeVar("_Result")


class Driven:
    """A VPC whose machine is the world's: each call is made from inside."""

    def __init__(self, machine: Path, network: Network, installation: Path) -> None:
        self.described = network
        self.names = Names.of(installation)
        self._machine = machine
        self._installation = installation
        self._vpc = VpcNetwork(network, installation=installation)

    def again(self, network: Network | None = None) -> Driven:
        """As after the death of the server."""
        return Driven(self._machine, network or self.described, self._installation)

    def attach(
        self, instance_id: InstanceId, subnet_id: SubnetId, security_group_ids: tuple[SecurityGroupId, ...]
    ) -> Attachment:
        return self._do(lambda: self._vpc.attach(instance_id, subnet_id, security_group_ids))

    def detach(self, instance_id: InstanceId) -> None:
        self._do(lambda: self._vpc.detach(instance_id))

    def attached(self) -> Mapping[InstanceId, Attachment]:
        return self._do(self._vpc.attached)

    def refresh(self) -> None:
        self._do(self._vpc.refresh)

    def remove_all(self) -> None:
        self._do(self._vpc.remove_all)

    def hindrances(self) -> tuple[str, ...]:
        return self._do(self._vpc.hindrances)

    def unavailable_because(self) -> str | None:
        return self._do(self._vpc.unavailable_because)

    def join(self, name: str, *groups: str, subnet: int = 0) -> Attachment:
        """An instance of that name in that subnet, with those groups."""
        subnet_id = self.described.subnets[subnet].subnet_id
        return self.attach(InstanceId(name), subnet_id, tuple(SecurityGroupId(group) for group in groups))

    def _do(self, work: Callable[[], _Result]) -> _Result:
        return namespaces.inside(self._machine, work)


@dataclass(frozen=True, slots=True)
class Traces:
    """All that a network could leave in the machine."""

    links: frozenset[str]
    addresses: frozenset[str]
    tables: frozenset[tuple[str, str]]
    forwarding: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class World:
    machine: Path
    outside: Path
    beside: Path

    def traces(self) -> Traces:
        def look() -> Traces:
            found = frozenset(each.name for each in links.links())
            forwarding = {name: read(_FORWARDING / name / "forwarding") for name in (*sorted(found), "all", "default")}
            return Traces(found, links.addresses(), frozenset(nft.tables()), forwarding)

        return namespaces.inside(self.machine, look)

    def forwards(self, interface: str) -> bool:
        return namespaces.inside(self.machine, lambda: read(_FORWARDING / interface / "forwarding")) == "1"


@contextmanager
def a_world(prefix: str) -> Iterator[World]:
    """The machine's default route leads outside by `wan`; `lan` leads to its other network. Nobody forwards."""
    paths = [namespaces.NAMED / f"{prefix}-{name}" for name in ("machine", "outside", "beside")]
    machine, outside, beside = paths
    world = World(machine, outside, beside)
    try:
        for path in paths:
            namespaces.create(path)
            namespaces.inside(path, lambda: links.set_up("lo"))
        _cable(world.machine, "wan", MACHINE, world.outside, "198.51.100.2")
        _cable(world.machine, "lan", "192.0.2.1", world.beside, BESIDE)
        namespaces.inside(world.machine, _routes_of_the_machine)
        namespaces.inside(world.outside, _addresses_outside)
        namespaces.inside(world.beside, lambda: links.add_route("default", "peer", "192.0.2.1"))
        yield world
    finally:
        for path in paths:
            namespaces.remove(path)


def _cable(machine: Path, name: str, address: str, other: Path, other_address: str) -> None:
    def near_end() -> None:
        links.add_pair(name, "peer", other)
        links.add_address(name, address, other_address)
        links.set_up(name)

    def far_end() -> None:
        links.add_address("peer", other_address, address)
        links.set_up("peer")

    namespaces.inside(machine, near_end)
    namespaces.inside(other, far_end)


def _routes_of_the_machine() -> None:
    write(Path("/proc/sys/net/ipv4/ip_forward"), "0")
    links.add_route("default", "wan", "198.51.100.2")


def _addresses_outside() -> None:
    """Outside knows the way to the machine, and believes that it is the way to everything else as well."""
    links.add_address("lo", OUTSIDE)
    links.add_address("lo", METADATA)
    links.add_route("default", "peer", MACHINE)


# Talking


def listening(where: Path, address: str, port: int) -> socket.socket:
    def listen() -> socket.socket:
        return socket.create_server((address, port))

    return namespaces.inside(where, listen)


def receiving(where: Path, address: str, port: int) -> socket.socket:
    def bind() -> socket.socket:
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        receiver.bind((address, port))
        return receiver

    return namespaces.inside(where, bind)


def watching(where: Path, interface: str) -> socket.socket:
    """All that comes in or goes out by an interface, also what is dropped behind it."""

    def watch() -> socket.socket:
        watcher = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ALL_PROTOCOLS))
        watcher.bind((interface, 0))
        return watcher

    return namespaces.inside(where, watch)


def reaches(where: Path, address: str, port: int) -> bool:
    """Whether a connection comes about; who listens must be there."""

    def connect() -> bool:
        try:
            socket.create_connection((address, port), timeout=SILENCE_SECONDS).close()
        except TimeoutError:
            return False
        except OSError as error:
            if error.errno in {errno.EHOSTUNREACH, errno.ENETUNREACH}:
                return False
            raise
        return True

    return namespaces.inside(where, connect)


def connected(where: Path, address: str, port: int) -> socket.socket:
    def connect() -> socket.socket:
        return socket.create_connection((address, port), timeout=ANSWER_SECONDS)

    return namespaces.inside(where, connect)


def seen_by(listener: socket.socket, where: Path, port: int, address: str) -> str:
    """The address that somebody who connects from `where` has, as the other side sees it."""
    listener.settimeout(ANSWER_SECONDS)
    with connected(where, address, port):
        accepted, (peer, _) = listener.accept()
        accepted.close()
    return str(peer)


def heard(receiver: socket.socket, text: bytes) -> bool:
    """Whether a datagram that ends so comes; others before it are passed over."""
    receiver.settimeout(SILENCE_SECONDS)
    try:
        while not receiver.recv(2000).endswith(text):
            pass
    except TimeoutError:
        return False
    return True


def tell(where: Path, address: str, port: int, text: bytes, source: tuple[str, int] = ("", 0)) -> None:
    """A datagram; what is refused on the way is silence too."""

    def send() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sender.bind(source)
            sender.sendto(text, (address, port))

    namespaces.inside(where, send)
