"""Security groups as rules of nftables: what each says, with no kernel asked."""

from __future__ import annotations

from typing import Any

import pytest

from paddock.model.ids import AvailabilityZone, InstanceId, Region, SecurityGroupId, SubnetId
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
from paddock.networks.nft import Statement
from paddock.networks.rules import Member, machine_rules, no_rules, router_rules

GROUP, OTHER = SecurityGroupId("sg-a"), SecurityGroupId("sg-b")
SUBNETS = (
    Subnet(SubnetId("subnet-nat"), AvailabilityZone("us-east-1a"), "10.0.0.0/24"),
    Subnet(SubnetId("subnet-none"), AvailabilityZone("us-east-1b"), "10.0.1.0/24", SubnetRoute.NONE),
)
MEMBERS = (
    Member(InstanceId("i-1"), "veth1", "10.0.0.4", SubnetId("subnet-nat"), (GROUP,)),
    Member(InstanceId("i-2"), "veth2", "10.0.1.4", SubnetId("subnet-none"), (GROUP, OTHER)),
)


def network(*permissions: IpPermission, egress: tuple[IpPermission, ...] = (EVERYWHERE,)) -> Network:
    return Network("vpc-1", SUBNETS, (SecurityGroup(GROUP, permissions, egress), SecurityGroup(OTHER)))


def added(statements: list[Statement], kind: str) -> list[dict[str, Any]]:
    return [each["add"][kind] for each in statements if kind in each.get("add", {})]


def rules_of(statements: list[Statement], chain: str) -> list[list[Statement]]:
    return [each["expr"] for each in added(statements, "rule") if each["chain"] == chain]


def elements_of(statements: list[Statement], name: str) -> list[Any]:
    (found,) = (each for each in added(statements, "set") if each["name"] == name)
    return list(found.get("elem", []))


def matches(expressions: list[Statement]) -> dict[str, Any]:
    """What a rule asks for: `tcp dport` or `l4proto` and the like, with the value."""
    found = {}
    for each in expressions:
        if "match" in each:
            left = each["match"]["left"]
            payload = left.get("payload")
            name = f"{payload['protocol']} {payload['field']}" if payload else left["meta"]["key"]
            found[name] = each["match"]["right"]
    return found


@pytest.mark.parametrize(
    ("permission", "asked"),
    [
        (EVERYWHERE, {}),
        (IpPermission(IpProtocol.ALL, cidr_ip="10.0.0.0/8"), {"ip saddr": {"prefix": {"addr": "10.0.0.0", "len": 8}}}),
        (IpPermission(IpProtocol.ALL, cidr_ip="10.0.0.9/32"), {"ip saddr": "10.0.0.9"}),
        (IpPermission(IpProtocol.TCP, 443, 443, cidr_ip="0.0.0.0/0"), {"tcp dport": 443}),
        (IpPermission(IpProtocol.UDP, 53, 54, cidr_ip="0.0.0.0/0"), {"udp dport": {"range": [53, 54]}}),
        (
            IpPermission(IpProtocol.TCP, 0, 65535, group_id=OTHER),
            {"ip saddr": "@members-sg-b", "tcp dport": {"range": [0, 65535]}},
        ),
        (IpPermission(IpProtocol.ICMP, -1, -1, cidr_ip="0.0.0.0/0"), {"l4proto": "icmp"}),
        (IpPermission(IpProtocol.ICMP, 8, -1, cidr_ip="0.0.0.0/0"), {"l4proto": "icmp", "icmp type": 8}),
        (IpPermission(IpProtocol.ICMP, 3, 4, cidr_ip="0.0.0.0/0"), {"l4proto": "icmp", "icmp type": 3, "icmp code": 4}),
    ],
)
def test_a_rule_asks_for_what_the_permission_names(permission: IpPermission, asked: dict[str, Any]) -> None:
    (incoming,) = rules_of(router_rules(network(permission), MEMBERS), "in-sg-a")
    (outgoing,) = rules_of(router_rules(network(egress=(permission,)), MEMBERS), "out-sg-a")

    assert matches(incoming) == asked
    assert matches(outgoing) == {key.replace("saddr", "daddr"): value for key, value in asked.items()}
    assert incoming[-1] == {"accept": None}
    assert outgoing[-1] == {"goto": {"target": "admitted"}}


def test_a_group_without_rules_allows_nothing() -> None:
    rules = router_rules(network(egress=()), MEMBERS)

    assert rules_of(rules, "in-sg-a") == rules_of(rules, "out-sg-a") == []


def test_whoever_is_asked_last_says_no() -> None:
    rules = router_rules(network(), MEMBERS)

    policies = {each["hook"]: each["policy"] for each in added(rules, "chain") if each.get("type") == "filter"}
    assert policies == {"prerouting": "accept", "input": "drop", "forward": "drop"}
    for chain in ("apart", "egress", "admitted", "ingress"):
        assert rules_of(rules, chain)[-1][-1] == {"drop": None}


def test_instances_are_members_of_all_their_groups_and_are_heard_on_their_own_cables_only() -> None:
    rules = router_rules(network(), MEMBERS)

    assert elements_of(rules, "members-sg-a") == ["10.0.0.4", "10.0.1.4"]
    assert elements_of(rules, "members-sg-b") == ["10.0.1.4"]
    assert elements_of(rules, "attached") == [{"concat": ["veth1", "10.0.0.4"]}, {"concat": ["veth2", "10.0.1.4"]}]


def test_only_subnets_with_a_route_lead_out() -> None:
    assert elements_of(router_rules(network(), MEMBERS), "routed") == [{"prefix": {"addr": "10.0.0.0", "len": 24}}]


def test_the_metadata_service_of_the_machine_is_no_destination() -> None:
    never = elements_of(router_rules(default_network(Region("us-east-1")), ()), "never")

    assert {"prefix": {"addr": "169.254.0.0", "len": 16}} in never
    assert "168.63.129.16" in never


@pytest.mark.parametrize(
    "statements",
    [router_rules(network(), MEMBERS), machine_rules("paddock-x", "pdk-x", "169.254.64.1", ["eth0"], ["eth0"])],
)
def test_the_old_rules_go_in_the_same_step_as_the_new_ones_come(statements: list[Statement]) -> None:
    table = next(iter(statements[0].values()))
    assert [*statements[:3]] == [{"add": table}, {"delete": table}, {"add": table}]
    assert {each["add"][kind]["table"] for each in statements[3:] for kind in each["add"]} == {table["table"]["name"]}
    assert no_rules(table["table"]["name"]) == statements[:2]
