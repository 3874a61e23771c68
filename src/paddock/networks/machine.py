"""The machine that a router hangs on: the cable, forwarding where it must be, and a table of our own. Linux only.

Works in the namespace of the calling thread. Tables, addresses and switches of others are never changed; a switch that
we turned is noted in our table, so that whoever comes later can turn it back.
"""

from __future__ import annotations

from pathlib import Path

from paddock.networks import links, namespaces, nft
from paddock.networks.names import Names, Pair
from paddock.networks.rules import FAMILY, TABLE_PREFIX, UPLINK, UPLINK_PREFIX, machine_rules, no_rules

_IPV4 = Path("/proc/sys/net/ipv4")
_IPV6 = Path("/proc/sys/net/ipv6")


class NoUplink(Exception):
    """No address is free for it."""


def connect(names: Names, router: Path) -> None:
    """The cable and its rules, once: its alias is written last and says that all of it is there."""
    if _pair(names) is not None:
        return
    links.remove(names.uplink)
    taken = links.addresses()
    pair = next((each for each in names.pairs() if not {each.machine, each.router} & taken), None)
    if pair is None:
        raise NoUplink("no link-local address is free for the uplink")
    links.add_pair(names.uplink, UPLINK, router)
    without_ipv6(names.uplink)
    links.add_address(names.uplink, pair.machine, pair.router)
    links.set_up(names.uplink)
    write(_forwarding(names.uplink), "1")

    def far_end() -> None:
        without_ipv6(UPLINK)
        links.add_address(UPLINK, pair.router, pair.machine)
        links.set_up(UPLINK)
        links.add_route("default", UPLINK, pair.machine)

    namespaces.inside(router, far_end)
    _apply(names, pair)
    links.set_alias(names.uplink, f"{pair.machine} {pair.router}")


def refresh(names: Names) -> None:
    """Rules and forwarding for the ways out that this machine has now."""
    pair = _pair(names)
    if pair is not None:
        _apply(names, pair)


def disconnect(names: Names) -> None:
    """Nothing of it is left, and what was switched for it is switched back."""
    if (FAMILY, names.table) in nft.tables():
        _close(_opened(names.table) - _opened_by_others(names))
        nft.apply(no_rules(names.table))
    links.remove(names.uplink)


def hindrances(names: Names) -> tuple[str, ...]:
    """What of this machine keeps packets from leaving, a line each, with what helps."""
    found = []
    if not links.interfaces_of_default_routes():
        found.append("this machine has no default route: instances reach one another, and nothing outside")
    found.extend(
        f"table {family} {table} of this machine forwards only what it is told to: {_what_helps(table, names)}"
        for family, table in _tables_that_drop(names)
    )
    return tuple(found)


def without_ipv6(interface: str) -> None:
    """Where the kernel has it at all."""
    switch = _IPV6 / "conf" / interface / "disable_ipv6"
    if switch.exists():
        write(switch, "1")


def write(switch: Path, value: str) -> None:
    if read(switch) != value:
        switch.write_text(value, encoding="ascii")


def read(switch: Path) -> str | None:
    try:
        return switch.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return None


def _apply(names: Names, pair: Pair) -> None:
    ways_out = links.interfaces_of_default_routes()
    already, shared = _opened(names.table), _opened_by_others(names)
    opened = set()
    if read(_IPV4 / "ip_forward") == "0":
        opened = {each for each in ways_out if each in already | shared or read(_forwarding(each)) == "0"}
    nft.apply(machine_rules(names.table, names.uplink, pair.router, ways_out, sorted(opened)))
    for interface in (names.uplink, *opened):
        write(_forwarding(interface), "1")
    _close(already - opened - shared)


def _pair(names: Names) -> Pair | None:
    words = (links.alias_of(names.uplink) or "").split(" ")
    return Pair(*words) if len(words) == 2 else None


def _forwarding(interface: str) -> Path:
    return _IPV4 / "conf" / interface / "forwarding"


def _opened(table: str) -> set[str]:
    return set(nft.elements(FAMILY, table, "opened"))


def _opened_by_others(names: Names) -> set[str]:
    """By other installations: who ends last switches back."""
    theirs = [
        table
        for family, table in nft.tables()
        if family == FAMILY and table.startswith(TABLE_PREFIX) and table != names.table
    ]
    return {each for table in theirs for each in _opened(table)}


def _close(interfaces: set[str]) -> None:
    """Unless all forward by now: then somebody else wants it."""
    if read(_IPV4 / "ip_forward") != "0":
        return
    for interface in interfaces:
        if _forwarding(interface).exists():
            write(_forwarding(interface), "0")


def _tables_that_drop(names: Names) -> list[tuple[str, str]]:
    """Those of others, IPv4's, where no rule names our uplink. What iptables-legacy keeps cannot be seen from here."""
    chains = [each["chain"] for each in nft.listing("chains") if "chain" in each]
    found = {
        (str(chain["family"]), str(chain["table"]))
        for chain in chains
        if chain.get("hook") == "forward" and chain.get("policy") == "drop" and chain["family"] in {"ip", FAMILY}
    }
    return sorted(each for each in found if each[1] != names.table and not _names_us(each, names))


def _names_us(table: tuple[str, str], names: Names) -> bool:
    said = str(nft.listing("table", *table))
    return f"'{names.uplink}'" in said or f"'{UPLINK_PREFIX}*'" in said


def _what_helps(table: str, names: Names) -> str:
    if table != "filter":
        return f"let it forward from and to {names.uplink}"
    chain = "DOCKER-USER" if _has_docker_chain() else "FORWARD"
    return " && ".join(f"iptables -I {chain} -{way} {names.uplink} -j ACCEPT" for way in "io")


def _has_docker_chain() -> bool:
    return any(each.get("chain", {}).get("name") == "DOCKER-USER" for each in nft.listing("chains"))
