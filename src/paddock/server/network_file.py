"""Reads the operator's network: which subnets lie in which zones, where they lead, and which security groups there are.

vpc_id: vpc-mine
subnets:
  - {subnet_id: subnet-1, zone: us-east-1a, cidr_block: 10.0.0.0/20}
  - {subnet_id: subnet-2, zone: us-east-1b, cidr_block: 10.0.16.0/20, route: none}     # else nat
security_groups:                 # the first is the default
  - sg-web                       # nothing comes in, everything goes out
  - group_id: sg-database
    ip_permissions:
      - {ip_protocol: tcp, from_port: 5432, to_port: 5432, group_id: sg-web}
    ip_permissions_egress:
      - {ip_protocol: tcp, from_port: 443, cidr_ip: 0.0.0.0/0}
machine_ports: [5432]            # of this machine's 127.0.0.1, for instances at theirs

Rules are those of AWS's `IpPermissions`, one for each target. What `--network host` does not enforce is read too.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import yaml

from paddock.model.errors import SettingsError
from paddock.model.ids import AvailabilityZone, Region, SecurityGroupId, SubnetId
from paddock.model.network import (
    EVERYWHERE,
    IpPermission,
    IpProtocol,
    Network,
    SecurityGroup,
    Subnet,
    SubnetRoute,
    default_network,
)

MAX_SUBNETS = 200
"""AWS's default quota of subnets in one VPC."""
MAX_RULES = 60
"""AWS's default quota of rules in one direction of a security group."""
MAX_MACHINE_PORTS = 16
"""Each is a listener on every instance; who needs more has a network of his own for it."""

_SUBNET_ID = re.compile(r"subnet-[0-9a-z]+")
_GROUP_ID = re.compile(r"sg-[0-9a-zA-Z]+")
_HIGHEST_PORT = 65535
_HIGHEST_ICMP = 255
_ANY_ICMP = -1
_PROTOCOL_NUMBERS = {"6": "tcp", "17": "udp", "1": "icmp"}
_KEYS = frozenset({"vpc_id", "subnets", "security_groups", "machine_ports"})
_RULE_KEYS = frozenset({"ip_protocol", "from_port", "to_port", "cidr_ip", "group_id"})
_NOT_FOR_SUBNETS = tuple(
    ipaddress.IPv4Network(block) for block in ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3")
)
"""This host, loopback, link-local (AWS keeps its own services there), multicast and what lies above."""


def load_network(path: Path | None, region: Region) -> Network:
    """The default network without a file. Raises `SettingsError` that names the file and the fault."""
    if path is None:
        return default_network(region)
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise SettingsError(f"{path} cannot be read: {reason}") from error
    try:
        return _network(loaded, region)
    except (KeyError, TypeError, ValueError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise SettingsError(f"{path}: {what}; it takes vpc_id, subnets and security_groups") from error


def _network(loaded: Any, region: Region) -> Network:
    found = _mapping(loaded, _KEYS, "it")
    subnets = tuple(_subnet(each, region) for each in _list(found["subnets"], "subnets"))
    groups = tuple(_security_group(each) for each in _list(found["security_groups"], "security_groups"))
    if not 1 <= len(subnets) <= MAX_SUBNETS:
        raise ValueError(f"subnets must be 1 to {MAX_SUBNETS}")
    if len({subnet.subnet_id for subnet in subnets}) != len(subnets):
        raise ValueError("a subnet stands there twice")
    _check_apart(subnets)
    if not groups:
        raise ValueError("security_groups must name one at least")
    ports = _machine_ports(_list(found.get("machine_ports", ()), "machine_ports"))
    network = Network(str(found["vpc_id"]), subnets, groups, ports)
    _check_groups(network)
    return network


def _subnet(each: Any, region: Region) -> Subnet:
    found = _mapping(each, frozenset({"subnet_id", "zone", "cidr_block", "route"}), "a subnet")
    zone = str(found["zone"])
    if not re.fullmatch(re.escape(region) + "[a-z]", zone):
        raise ValueError(f"{zone} is no zone of {region}")
    block = _block(found["cidr_block"], "cidr_block")
    if any(block.overlaps(taken) for taken in _NOT_FOR_SUBNETS):
        raise ValueError(f"cidr_block {block} is not one that a subnet may have")
    route = str(found.get("route", SubnetRoute.NAT))
    if route not in set(SubnetRoute):
        raise ValueError(f"route {route!r} must be {' or '.join(SubnetRoute)}")
    subnet_id = SubnetId(_matching(_SUBNET_ID, found["subnet_id"]))
    return Subnet(subnet_id, AvailabilityZone(zone), str(block), SubnetRoute(route))


def _machine_ports(loaded: Sequence[Any]) -> tuple[int, ...]:
    ports = tuple(_number(each, range(1, _HIGHEST_PORT + 1), "a port", "machine_ports") for each in loaded)
    if len(ports) > MAX_MACHINE_PORTS:
        raise ValueError(f"machine_ports must be {MAX_MACHINE_PORTS} at most")
    return tuple(sorted(set(ports)))


def _check_apart(subnets: Sequence[Subnet]) -> None:
    for one, other in combinations(subnets, 2):
        if ipaddress.IPv4Network(one.cidr_block).overlaps(ipaddress.IPv4Network(other.cidr_block)):
            raise ValueError(f"{one.subnet_id} and {other.subnet_id} overlap")


def _security_group(each: Any) -> SecurityGroup:
    """A name alone has what AWS gives a new group."""
    if isinstance(each, str):
        return SecurityGroup(SecurityGroupId(_matching(_GROUP_ID, each)))
    found = _mapping(each, frozenset({"group_id", "ip_permissions", "ip_permissions_egress"}), "a security group")
    group_id = SecurityGroupId(_matching(_GROUP_ID, found["group_id"]))
    return SecurityGroup(
        group_id,
        _rules(found.get("ip_permissions", ()), f"ip_permissions of {group_id}"),
        _rules(found["ip_permissions_egress"], f"ip_permissions_egress of {group_id}")
        if "ip_permissions_egress" in found
        else (EVERYWHERE,),
    )


def _check_groups(network: Network) -> None:
    known = network.security_group_ids
    if len(set(known)) != len(known):
        raise ValueError("a security group stands there twice")
    for group in network.security_groups:
        for rule in (*group.ip_permissions, *group.ip_permissions_egress):
            if rule.group_id is not None and rule.group_id not in known:
                raise ValueError(f"{group.group_id} has a rule for {rule.group_id}, which stands nowhere")


def _rules(loaded: Any, where: str) -> tuple[IpPermission, ...]:
    rules = _list(loaded, where)
    if len(rules) > MAX_RULES:
        raise ValueError(f"{where} must be {MAX_RULES} at most")
    return tuple(_rule(each, where) for each in rules)


def _rule(each: Any, where: str) -> IpPermission:
    found = _mapping(each, _RULE_KEYS, f"a rule in {where}")
    given = str(found["ip_protocol"])
    name = _PROTOCOL_NUMBERS.get(given, given)
    if name not in set(IpProtocol):
        raise ValueError(f"ip_protocol {given!r} in {where} must be tcp, udp, icmp or -1")
    protocol = IpProtocol(name)
    from_port, to_port = _ports(found, protocol, where)
    if ("cidr_ip" in found) == ("group_id" in found):
        raise ValueError(f"a rule in {where} takes either cidr_ip or group_id")
    if "group_id" in found:
        group_id = SecurityGroupId(_matching(_GROUP_ID, found["group_id"]))
        return IpPermission(protocol, from_port, to_port, group_id=group_id)
    return IpPermission(protocol, from_port, to_port, cidr_ip=str(_block(found["cidr_ip"], f"cidr_ip in {where}")))


def _ports(found: dict[str, Any], protocol: IpProtocol, where: str) -> tuple[int | None, int | None]:
    if protocol is IpProtocol.ALL:
        if found.get("from_port", -1) != -1 or found.get("to_port", -1) != -1:
            raise ValueError(f"a rule in {where} for all protocols takes no ports")
        return None, None
    if protocol is IpProtocol.ICMP:
        kind = _number(found.get("from_port", _ANY_ICMP), range(_ANY_ICMP, _HIGHEST_ICMP + 1), "from_port", where)
        code = _number(found.get("to_port", _ANY_ICMP), range(_ANY_ICMP, _HIGHEST_ICMP + 1), "to_port", where)
        if kind == _ANY_ICMP and code != _ANY_ICMP:
            raise ValueError(f"a rule in {where} has an ICMP code (to_port) without a type (from_port)")
        return kind, code
    first = _number(found["from_port"], range(_HIGHEST_PORT + 1), "from_port", where)
    last = _number(found.get("to_port", first), range(_HIGHEST_PORT + 1), "to_port", where)
    if last < first:
        raise ValueError(f"to_port {last} in {where} is below from_port {first}")
    return first, last


def _number(value: Any, allowed: range, name: str, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value not in allowed:
        raise ValueError(f"{name} {value!r} in {where} must be {allowed[0]} to {allowed[-1]}")
    return value


def _block(value: Any, name: str) -> ipaddress.IPv4Network:
    try:
        return ipaddress.IPv4Network(str(value))
    except ValueError as error:
        raise ValueError(f"{name}: {error}; networks here are IPv4 only") from error


def _list(value: Any, name: str) -> Sequence[Any]:
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"{name} must be a list")  # noqa: TRY004  # a fault of the file, not of a type
    return value


def _mapping(value: Any, known: frozenset[str], name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{name} must hold a mapping")  # noqa: TRY004  # a fault of the file, not of a type
    unknown = _unknown(value, known)
    if unknown:
        raise ValueError(f"{name} does not take {unknown}")
    return value


def _unknown(found: Iterable[Any], known: frozenset[str]) -> str:
    return ", ".join(sorted(str(each) for each in found if each not in known))


def _matching(pattern: re.Pattern[str], value: Any) -> str:
    if not pattern.fullmatch(str(value)):
        raise ValueError(f"{value!r} is no id like {pattern.pattern}")
    return str(value)
