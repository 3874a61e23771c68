"""Interfaces, addresses and routes by netlink, in the namespace of the calling thread. Linux only; imports anywhere."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_LINK_SCOPE = 253
_UNICAST = 1
_HALF_OF_THE_WORLD = 1
_FLOWS = Path("/proc/sys/net/netfilter/nf_conntrack_count")
_EXISTS = (errno.EEXIST,)
_GONE = (errno.ENODEV, errno.ENOENT, errno.ESRCH)


class LinkError(Exception):
    """What the kernel refused, in a line."""


@dataclass(frozen=True, slots=True)
class Link:
    """`alias` is the text that an administrator, or we, wrote to it."""

    name: str
    alias: str


def links() -> tuple[Link, ...]:
    with _netlink("list links") as ip:
        found = [(each.get("ifname"), each.get("ifalias")) for each in ip.get_links()]
    return tuple(Link(str(name), str(alias or "")) for name, alias in found)


def alias_of(name: str) -> str | None:
    """None where there is no such link."""
    found: list[Any] = []
    with _netlink(f"look at link {name}", _GONE) as ip:
        found = ip.link("get", ifname=name)
    return str(found[0].get("ifalias") or "") if found else None


def add_pair(name: str, peer: str, peer_namespace: Path) -> None:
    """A cable between here and there; both ends are down. One whose end here exists is left as it is."""
    descriptor = os.open(peer_namespace, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with _netlink(f"add link {name}", _EXISTS) as ip:
            ip.link("add", ifname=name, kind="veth", peer={"ifname": peer, "net_ns_fd": descriptor})
    finally:
        os.close(descriptor)


def remove(name: str) -> None:
    """With its other end. One that is gone is removed already."""
    with _netlink(f"remove link {name}", _GONE) as ip:
        for index in ip.link_lookup(ifname=name):
            ip.link("del", index=index)


def set_up(name: str) -> None:
    with _netlink(f"set link {name} up") as ip:
        ip.link("set", index=_index(name), state="up")


def set_alias(name: str, alias: str) -> None:
    with _netlink(f"set alias of {name}") as ip:
        ip.link("set", index=_index(name), ifalias=alias)


def add_address(name: str, address: str, peer: str | None = None) -> None:
    """A /32. With a peer there is a route to it, and to nothing else."""
    with _netlink(f"add {address} to {name}", _EXISTS) as ip:
        if peer is None:
            ip.addr("add", index=_index(name), address=address, prefixlen=32)
        else:
            ip.addr("add", index=_index(name), local=address, address=peer, prefixlen=32)


def addresses() -> frozenset[str]:
    """All of this namespace, with those at the other ends of cables."""
    with _netlink("list addresses") as ip:
        found = [each.get(key) for each in ip.get_addr(family=socket.AF_INET) for key in ("address", "local")]
    return frozenset(str(each) for each in found if each)


def add_route(destination: str, name: str, gateway: str | None = None) -> None:
    """`destination` may be "default". It replaces a route to the same."""
    with _netlink(f"add route to {destination}") as ip:
        terms: dict[str, Any] = {"dst": destination, "oif": _index(name)}
        terms |= {"scope": _LINK_SCOPE} if gateway is None else {"gateway": gateway}
        ip.route("replace", **terms)


def interfaces_of_default_routes() -> tuple[str, ...]:
    """By name, of every routing table; none where this namespace has no way out.

    Tunnels often lay two halves of the world over the default route instead of replacing it: those count too.
    """
    with _netlink("list routes") as ip:
        names = {each["index"]: str(each.get("ifname")) for each in ip.get_links()}
        routes = [each for each in ip.get_routes(family=socket.AF_INET) if each["dst_len"] <= _HALF_OF_THE_WORLD]
    found = {index for each in routes if each["type"] == _UNICAST for index in _ways(each)}
    return tuple(sorted(names[index] for index in found if index in names))


def forget_flows(address: str) -> None:
    """Connections that are tracked from or to an address: whoever has it next has none of them.

    The kernel looks through a table that may be large, so it is asked only where there are any.
    """
    if _FLOWS.exists() and _FLOWS.read_text(encoding="ascii").strip() == "0":
        return
    from pyroute2 import NFCTSocket  # type: ignore[import-untyped]  # noqa: PLC0415  # Linux only
    from pyroute2.netlink.nfnetlink.nfctsocket import NFCTAttrTuple  # type: ignore[import-untyped]  # noqa: PLC0415

    with _refusals(f"forget flows of {address}", _GONE), NFCTSocket() as tracked:
        for one_side in (NFCTAttrTuple(saddr=address), NFCTAttrTuple(daddr=address)):
            for flow in list(tracked.dump(tuple_orig=one_side)):
                found = NFCTAttrTuple.from_netlink(socket.AF_INET, flow.get_attr("CTA_TUPLE_ORIG"))
                with _refusals(f"forget a flow of {address}", _GONE):
                    tracked.entry("del", tuple_orig=found)


def _ways(route: Any) -> Iterator[int]:
    """A route leads through one interface or over several."""
    if route.get("oif"):
        yield route.get("oif")
    for hop in route.get("multipath") or ():
        yield hop["oif"]


def _index(name: str) -> int:
    try:
        return socket.if_nametoindex(name)
    except OSError as error:
        raise LinkError(f"{name}: {error.strerror}") from error


@contextmanager
def _netlink(what: str, harmless: tuple[int, ...] = ()) -> Iterator[Any]:
    from pyroute2 import IPRoute  # noqa: PLC0415  # Linux only

    with _refusals(what, harmless), IPRoute() as ip:
        yield ip


@contextmanager
def _refusals(what: str, harmless: tuple[int, ...]) -> Iterator[None]:
    from pyroute2.netlink.exceptions import NetlinkError  # type: ignore[import-untyped]  # noqa: PLC0415

    try:
        yield
    except NetlinkError as error:
        if error.code not in harmless:
            raise LinkError(f"{what}: {os.strerror(error.code)}") from error
    except OSError as error:
        raise LinkError(f"{what}: {error}") from error
