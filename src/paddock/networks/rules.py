"""Security groups, routes and what never passes, as rules of nftables. Pure: values in, statements out.

In the router a packet of a new flow passes three questions: does it come from where it says (`apart`), may one of its
sender's groups send it (`egress`), and may one of its receiver's groups take it (`ingress`) or does its subnet's route
lead out (`admitted`). No answer is a no. Answers to what was let through pass by the state of their flow.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from paddock.model.ids import InstanceId, SecurityGroupId, SubnetId
from paddock.model.network import IpPermission, IpProtocol, Network, SecurityGroup, SubnetRoute
from paddock.networks.nft import Statement

FAMILY = "inet"
ROUTER_TABLE = "paddock"
UPLINK = "uplink"
"""The router's end of the cable to the machine."""
UPLINK_PREFIX = "pdk-"
"""Of the machine's ends of all installations."""
TABLE_PREFIX = "paddock-"
"""Of the machine's tables of all installations."""
NEVER = (
    "0.0.0.0/8",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "168.63.129.16",
    "100.100.100.200",
    "192.0.0.192",
    "224.0.0.0/3",
)
"""No destination for anyone: this host, loopback, link-local (with the metadata of most clouds), the metadata and host
services of Azure, Alibaba and Oracle, and multicast with all that lies above.
"""
_ANYWHERE = "0.0.0.0/0"
_ANY_ICMP = -1
_RAW, _FILTER, _SOURCE_NAT = -300, 0, 100
_BEFORE_OTHERS = -10
_INTERFACES_AND_ADDRESSES = ["ifname", "ipv4_addr"]


@dataclass(frozen=True, slots=True)
class Member:
    """An instance in the network: `interface` is the router's end of its cable."""

    instance_id: InstanceId
    interface: str
    private_ip_address: str
    subnet_id: SubnetId
    security_group_ids: tuple[SecurityGroupId, ...]


def router_rules(network: Network, members: Sequence[Member]) -> list[Statement]:
    """Replaces what was there before, in one step."""
    chains = [
        _chain("apart", hook="prerouting", priority=_RAW, policy="accept"),
        _chain("input", hook="input", priority=_FILTER, policy="drop"),
        _chain("forward", hook="forward", priority=_FILTER, policy="drop"),
        _chain("leave", kind="nat", hook="postrouting", priority=_SOURCE_NAT, policy="accept"),
        *(_plain_chain(name) for name in ("egress", "admitted", "ingress")),
    ]
    return [
        *_fresh_table(ROUTER_TABLE),
        *_router_sets(network, members),
        *chains,
        *(_plain_chain(name(group)) for group in network.security_groups for name in (_out, _into)),
        *_shared_rules(),
        *(statement for group in network.security_groups for statement in _group_rules(group)),
        *_end_of_chains(),
    ]


def machine_rules(
    table: str, uplink: str, address: str, ways_out: Sequence[str], opened: Sequence[str]
) -> list[Statement]:
    """For the machine that the router hangs on by `uplink`, whose far end has `address`.

    Instances reach nothing of the machine itself and leave by `ways_out` only; nothing new comes in to them. `opened`
    are interfaces that forward only because of us: they forward for us alone. They are kept, to be found again.
    """
    uplinks = f"{UPLINK_PREFIX}*"
    rules = [
        _rule(table, "input", _equals(_meta("iifname"), uplink), DROP),
        _rule(table, "forward", _equals(_meta("iifname"), uplink), _differs(_meta("oifname"), "@ways_out"), DROP),
        _rule(
            table,
            "forward",
            _equals(_meta("oifname"), uplink),
            _differs(_state(), _set(["established", "related"])),
            DROP,
        ),
        _rule(
            table,
            "forward",
            _equals(_meta("iifname"), "@opened"),
            _differs(_meta("oifname"), uplinks),
            DROP,
        ),
        _rule(table, "leave", _equals(_source(), address), _equals(_meta("oifname"), "@ways_out"), MASQUERADE),
    ]
    return [
        *_fresh_table(table),
        _named_set("ways_out", "ifname", list(ways_out), table=table),
        _named_set("opened", "ifname", list(opened), table=table),
        _chain("input", hook="input", priority=_BEFORE_OTHERS, policy="accept", table=table),
        _chain("forward", hook="forward", priority=_BEFORE_OTHERS, policy="accept", table=table),
        _chain("leave", kind="nat", hook="postrouting", priority=_SOURCE_NAT, policy="accept", table=table),
        *rules,
    ]


def no_rules(table: str) -> list[Statement]:
    """Whether or not the table was there."""
    return _fresh_table(table)[:2]


# The router


def _router_sets(network: Network, members: Sequence[Member]) -> list[Statement]:
    known = [
        _named_set(
            "attached", _INTERFACES_AND_ADDRESSES, [_pair(each.interface, each.private_ip_address) for each in members]
        ),
        _named_set("instances", "ipv4_addr", [each.private_ip_address for each in members]),
        _named_set("never", "ipv4_addr", [_block(block) for block in NEVER], flags=["interval"]),
        _named_set("vpc", "ipv4_addr", [_block(each.cidr_block) for each in network.subnets], flags=["interval"]),
        _named_set(
            "routed",
            "ipv4_addr",
            [_block(subnet.cidr_block) for subnet in network.subnets if subnet.route is SubnetRoute.NAT],
            flags=["interval"],
        ),
    ]
    for group in network.security_groups:
        held = [each.private_ip_address for each in members if group.group_id in each.security_group_ids]
        known.append(_named_set(_members(group.group_id), "ipv4_addr", held))
    return known


def _shared_rules() -> list[Statement]:
    interface_and_source = {"concat": [_meta("iifname"), _source()]}
    return [
        _rule(ROUTER_TABLE, "apart", _equals(_meta("iifname"), UPLINK), ACCEPT),
        _rule(ROUTER_TABLE, "apart", _equals(interface_and_source, "@attached"), ACCEPT),
        _rule(ROUTER_TABLE, "apart", COUNTER, DROP),
        _rule(ROUTER_TABLE, "forward", _equals(_state(), _set(["established", "related"])), ACCEPT),
        _rule(ROUTER_TABLE, "forward", _equals(_destination(), "@never"), DROP),
        _rule(ROUTER_TABLE, "forward", _differs(_meta("iifname"), UPLINK), {"jump": {"target": "egress"}}),
        _rule(ROUTER_TABLE, "admitted", _equals(_destination(), "@instances"), {"goto": {"target": "ingress"}}),
        # What nobody in the VPC has is not looked for outside, where somebody may have it.
        _rule(ROUTER_TABLE, "admitted", _equals(_destination(), "@vpc"), DROP),
        _rule(ROUTER_TABLE, "admitted", _equals(_meta("oifname"), UPLINK), _equals(_source(), "@routed"), ACCEPT),
        _rule(ROUTER_TABLE, "leave", _equals(_meta("oifname"), UPLINK), MASQUERADE),
    ]


def _group_rules(group: SecurityGroup) -> list[Statement]:
    """A sender's rule that fits leads to `admitted`; a receiver's accepts."""
    members = f"@{_members(group.group_id)}"
    admitted = {"goto": {"target": "admitted"}}
    return [
        _rule(ROUTER_TABLE, "egress", _equals(_source(), members), {"jump": {"target": _out(group)}}),
        _rule(ROUTER_TABLE, "ingress", _equals(_destination(), members), {"jump": {"target": _into(group)}}),
        *(
            _rule(ROUTER_TABLE, _out(group), *_fits(each, _destination()), admitted)
            for each in group.ip_permissions_egress
        ),
        *(_rule(ROUTER_TABLE, _into(group), *_fits(each, _source()), ACCEPT) for each in group.ip_permissions),
    ]


def _end_of_chains() -> Iterable[Statement]:
    return [_rule(ROUTER_TABLE, name, COUNTER, DROP) for name in ("admitted", "ingress", "egress")]


def _fits(permission: IpPermission, other_side: Any) -> list[Statement]:
    """The conditions of one rule; none for "all traffic with everyone"."""
    conditions: list[Statement] = []
    if permission.group_id is not None:
        conditions.append(_equals(other_side, f"@{_members(permission.group_id)}"))
    elif permission.cidr_ip is not None and permission.cidr_ip != _ANYWHERE:
        conditions.append(_equals(other_side, _block(permission.cidr_ip)))
    protocol, first, last = permission.ip_protocol, permission.from_port, permission.to_port
    if protocol is IpProtocol.ICMP:
        conditions.append(_equals(_meta("l4proto"), "icmp"))
        if first not in {None, _ANY_ICMP}:
            conditions.append(_equals(_field("icmp", "type"), first))
        if last not in {None, _ANY_ICMP}:
            conditions.append(_equals(_field("icmp", "code"), last))
    elif protocol is not IpProtocol.ALL:
        ports = first if first == last else {"range": [first, last]}
        conditions.append(_equals(_field(protocol.value, "dport"), ports))
    return conditions


def _members(group_id: SecurityGroupId) -> str:
    return f"members-{group_id}"


def _out(group: SecurityGroup) -> str:
    return f"out-{group.group_id}"


def _into(group: SecurityGroup) -> str:
    return f"in-{group.group_id}"


# Words of libnftables-json(5)

ACCEPT: Statement = {"accept": None}
DROP: Statement = {"drop": None}
MASQUERADE: Statement = {"masquerade": None}
COUNTER: Statement = {"counter": None}


def _fresh_table(name: str) -> list[Statement]:
    table = {"table": {"family": FAMILY, "name": name}}
    return [{"add": table}, {"delete": table}, {"add": table}]


def _chain(
    name: str, *, hook: str, priority: int, policy: str, kind: str = "filter", table: str = ROUTER_TABLE
) -> Statement:
    where = {"type": kind, "hook": hook, "prio": priority, "policy": policy}
    return {"add": {"chain": {"family": FAMILY, "table": table, "name": name, **where}}}


def _plain_chain(name: str) -> Statement:
    return {"add": {"chain": {"family": FAMILY, "table": ROUTER_TABLE, "name": name}}}


def _named_set(
    name: str, kind: str | list[str], elements: list[Any], *, flags: Sequence[str] = (), table: str = ROUTER_TABLE
) -> Statement:
    described: dict[str, Any] = {"family": FAMILY, "table": table, "name": name, "type": kind}
    if flags:
        described["flags"] = list(flags)
    if elements:
        described["elem"] = elements
    return {"add": {"set": described}}


def _rule(table: str, chain: str, *expressions: Statement) -> Statement:
    return {"add": {"rule": {"family": FAMILY, "table": table, "chain": chain, "expr": list(expressions)}}}


def _equals(left: Any, right: Any) -> Statement:
    return {"match": {"op": "==", "left": left, "right": right}}


def _differs(left: Any, right: Any) -> Statement:
    return {"match": {"op": "!=", "left": left, "right": right}}


def _meta(key: str) -> Statement:
    return {"meta": {"key": key}}


def _state() -> Statement:
    return {"ct": {"key": "state"}}


def _field(protocol: str, field: str) -> Statement:
    return {"payload": {"protocol": protocol, "field": field}}


def _source() -> Statement:
    return _field("ip", "saddr")


def _destination() -> Statement:
    return _field("ip", "daddr")


def _set(values: list[str]) -> Statement:
    return {"set": values}


def _pair(interface: str, address: str) -> Statement:
    return {"concat": [interface, address]}


def _block(block: str) -> Any:
    """An address, or a prefix as nftables writes it."""
    address, slash, length = block.partition("/")
    if not slash or length == "32":
        return address
    return {"prefix": {"addr": address, "len": int(length)}}
