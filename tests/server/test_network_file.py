"""The operator's network file: what it gives, and what a bad one says."""

from __future__ import annotations

from pathlib import Path

import pytest

from paddock.model.errors import SettingsError
from paddock.model.ids import Region, SecurityGroupId
from paddock.model.network import EVERYWHERE, IpPermission, IpProtocol, SubnetRoute
from paddock.server.network_file import load_network

REGION = Region("us-east-1")
SUBNET = "{subnet_id: subnet-1, zone: us-east-1a, cidr_block: 10.0.0.0/20}"
_MANY = ", ".join(["{ip_protocol: -1, cidr_ip: 0.0.0.0/0}"] * 61)


def test_without_a_file_there_are_three_subnets_in_three_zones() -> None:
    network = load_network(None, REGION)

    assert [subnet.subnet_id for subnet in network.subnets] == ["subnet-a", "subnet-b", "subnet-c"]
    assert len({subnet.zone for subnet in network.subnets}) == 3


def test_a_file_names_others(tmp_path: Path) -> None:
    file = tmp_path / "network.yaml"
    file.write_text(f"vpc_id: vpc-1\nsubnets: [{SUBNET}]\nsecurity_groups: [sg-web, sg-db]\n")

    network = load_network(file, REGION)

    assert network.default_security_group_id == "sg-web"
    assert network.subnets[0].zone == "us-east-1a"


WITH_RULES = """
vpc_id: vpc-1
subnets:
  - {subnet_id: subnet-1, zone: us-east-1a, cidr_block: 10.0.0.0/20}
  - {subnet_id: subnet-2, zone: us-east-1b, cidr_block: 10.0.16.0/20, route: none}
security_groups:
  - sg-web
  - group_id: sg-database
    ip_permissions:
      - {ip_protocol: tcp, from_port: 5432, group_id: sg-web}
      - {ip_protocol: icmp, from_port: 8, cidr_ip: 10.0.0.0/8}
    ip_permissions_egress:
      - {ip_protocol: 17, from_port: 53, to_port: 54, cidr_ip: 203.0.113.7}
      - {ip_protocol: -1, cidr_ip: 10.0.0.0/20}
  - {group_id: sg-shut, ip_permissions_egress: []}
"""


def test_rules_and_routes_are_said_in_awss_words(tmp_path: Path) -> None:
    file = tmp_path / "network.yaml"
    file.write_text(WITH_RULES)

    network = load_network(file, REGION)

    assert [subnet.route for subnet in network.subnets] == [SubnetRoute.NAT, SubnetRoute.NONE]
    web, database, shut = network.security_groups
    assert (web.ip_permissions, web.ip_permissions_egress) == ((), (EVERYWHERE,))
    assert database.ip_permissions == (
        IpPermission(IpProtocol.TCP, 5432, 5432, group_id=SecurityGroupId("sg-web")),
        IpPermission(IpProtocol.ICMP, 8, -1, cidr_ip="10.0.0.0/8"),
    )
    assert database.ip_permissions_egress == (
        IpPermission(IpProtocol.UDP, 53, 54, cidr_ip="203.0.113.7/32"),
        IpPermission(IpProtocol.ALL, cidr_ip="10.0.0.0/20"),
    )
    assert shut.ip_permissions_egress == ()


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("{from_port: 1, cidr_ip: 0.0.0.0/0}", "'ip_protocol' is missing"),
        ("{ip_protocol: sctp, cidr_ip: 0.0.0.0/0}", "'sctp' in ip_permissions of sg-a must be tcp, udp, icmp or -1"),
        ("{ip_protocol: tcp, cidr_ip: 0.0.0.0/0}", "'from_port' is missing"),
        ("{ip_protocol: tcp, from_port: 65536, cidr_ip: 0.0.0.0/0}", "from_port 65536 .* must be 0 to 65535"),
        ("{ip_protocol: tcp, from_port: '80', cidr_ip: 0.0.0.0/0}", "from_port '80' .* must be"),
        ("{ip_protocol: tcp, from_port: true, cidr_ip: 0.0.0.0/0}", "from_port True .* must be"),
        ("{ip_protocol: udp, from_port: 9, to_port: 8, cidr_ip: 0.0.0.0/0}", "to_port 8 .* is below from_port 9"),
        ("{ip_protocol: -1, from_port: 9, cidr_ip: 0.0.0.0/0}", "takes no ports"),
        ("{ip_protocol: icmp, to_port: 9, cidr_ip: 0.0.0.0/0}", "without a type"),
        ("{ip_protocol: -1}", "either cidr_ip or group_id"),
        ("{ip_protocol: -1, cidr_ip: 0.0.0.0/0, group_id: sg-a}", "either cidr_ip or group_id"),
        ("{ip_protocol: -1, cidr_ip: 10.0.0.1/8}", "host bits set"),
        ("{ip_protocol: -1, cidr_ip: '::/0'}", "IPv4 only"),
        ("{ip_protocol: -1, group_id: sg-b}", "sg-a has a rule for sg-b, which stands nowhere"),
        ("{ip_protocol: -1, cidr_ipv6: '::/0'}", "does not take cidr_ipv6"),
        ("tcp", "must hold a mapping"),
    ],
)
def test_a_rule_that_cannot_be_meant_is_named_with_its_fault(tmp_path: Path, rule: str, said: str) -> None:
    file = tmp_path / "network.yaml"
    groups = f"[{{group_id: sg-a, ip_permissions: [{rule}]}}]"
    file.write_text(f"vpc_id: v\nsubnets: [{SUBNET}]\nsecurity_groups: {groups}\n")

    with pytest.raises(SettingsError, match=said) as refused:
        load_network(file, REGION)

    assert str(refused.value).startswith(str(file))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- 1", "mapping"),
        ("vpc_id: v\nsubnets: []\nsecurity_groups: [sg-a]", "subnets must be"),
        (f"vpc_id: v\nsubnets: [{SUBNET}]\nsecurity_groups: []", "one at least"),
        (f"vpc_id: v\nsubnets: [{SUBNET}, {SUBNET}]\nsecurity_groups: [sg-a]", "twice"),
        (f"vpc_id: v\nsubnets: [{SUBNET}]\nsecurity_groups: [web]", "no id like"),
        ("vpc_id: v\nsecurity_groups: [sg-a]", "missing"),
        (f"vpc_id: v\nsubnets: [{SUBNET.replace('1a', '2a')}]\nsecurity_groups: [sg-a]", "no zone"),
        (f"vpc_id: v\nsubnets: [{SUBNET.replace('/20', '/99')}]\nsecurity_groups: [sg-a]", "99"),
        (f"vpc_id: v\nsubnets: [{SUBNET}]\nsecurity_groups: [sg-a]\nmachine_ports: 5432", "must be a list"),
        (f"vpc_id: v\nsubnets: [{SUBNET}]\nsecurity_groups: [sg-a]\nmachine_ports: [0]", "1 to 65535"),
        (f"vpc_id: v\nsubnets: [{SUBNET}]\nsecurity_groups: [sg-a]\nmachine_ports: [http]", "1 to 65535"),
        (f"vpc_id: v\nsubnets: [{SUBNET}]\nsecurity_groups: [sg-a]\nmachine_ports: {list(range(1, 18))}", "at most"),
        ("{", "cannot be read"),
        (f"vpc_id: v\nsubnets: [{SUBNET}]\nsecurity_groups: [sg-a, sg-a]", "twice"),
        (f"vpc_id: v\nsubnets: [{SUBNET}]\nsecurity_groups: sg-a", "must be a list"),
        (f"vpc_id: v\nsubnets: [{SUBNET}]\nsecurity_groups: [7]", "must hold a mapping"),
        (f"vpc_id: v\nsubnets: [{SUBNET}]\nsecurity_groups: [{{group_id: sg-a, egress: []}}]", "does not take egress"),
        (
            f"vpc_id: v\nsubnets: [{SUBNET}]\nsecurity_groups: [{{group_id: sg-a, ip_permissions: [{_MANY}]}}]",
            "must be 60 at most",
        ),
        (f"vpc_id: v\nsubnets: [{SUBNET}, {SUBNET.replace('-1,', '-2,')}]\nsecurity_groups: [sg-a]", "overlap"),
        (
            f"vpc_id: v\nsubnets: [{SUBNET.replace('}', ', route: igw}')}]\nsecurity_groups: [sg-a]",
            "must be nat or none",
        ),
        (f"vpc_id: v\nsubnets: [{SUBNET.replace('10.0.0.0/20', 'fd00::/64')}]\nsecurity_groups: [sg-a]", "IPv4 only"),
        (
            f"vpc_id: v\nsubnets: [{SUBNET.replace('10.0.0.0/20', '169.254.0.0/24')}]\nsecurity_groups: [sg-a]",
            "not one",
        ),
    ],
)
def test_a_bad_file_is_named_with_its_fault(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "network.yaml"
    file.write_text(text)

    with pytest.raises(SettingsError, match=said):
        load_network(file, REGION)


def test_services_of_the_machine_are_shut_unless_the_file_opens_them(tmp_path: Path) -> None:
    file = tmp_path / "network.yaml"
    file.write_text(f"vpc_id: v\nsubnets: [{SUBNET}]\nsecurity_groups: [sg-a]\nmachine_ports: [6379, 5432, 6379]\n")

    assert load_network(None, REGION).machine_ports == ()
    assert load_network(file, REGION).machine_ports == (5432, 6379)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere\.yaml"):
        load_network(tmp_path / "nowhere.yaml", REGION)
