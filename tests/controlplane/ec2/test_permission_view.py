from __future__ import annotations

from typing import Any

import pytest

from paddock.controlplane.ec2.filters import chosen
from paddock.controlplane.ec2.network import SECURITY_GROUP_FILTERS, security_group
from paddock.model.arns import Place
from paddock.model.ids import AccountId, AvailabilityZone, Region, SecurityGroupId, SubnetId
from paddock.model.network import IpPermission, IpProtocol, Network, SecurityGroup, Subnet

PLACE = Place(Region("us-east-1"), AccountId("123456789012"))
WEB, DATABASE = SecurityGroupId("sg-web"), SecurityGroupId("sg-database")
NETWORK = Network(
    "vpc-1",
    (Subnet(SubnetId("subnet-a"), AvailabilityZone("us-east-1a"), "10.0.0.0/20"),),
    (
        SecurityGroup(WEB),
        SecurityGroup(
            DATABASE,
            (
                IpPermission(IpProtocol.TCP, 5432, 5433, group_id=WEB),
                IpPermission(IpProtocol.TCP, 5432, 5433, cidr_ip="10.0.0.0/20"),
                IpPermission(IpProtocol.ICMP, 8, -1, cidr_ip="0.0.0.0/0"),
            ),
            (),
        ),
    ),
)
SHOWN = [security_group(each, NETWORK, PLACE) for each in NETWORK.security_groups]
NO_OTHERS: dict[str, Any] = {"Ipv6Ranges": [], "PrefixListIds": []}


def test_rules_of_the_same_ports_are_one_entry() -> None:
    assert SHOWN[1]["IpPermissions"] == [
        {
            "IpProtocol": "tcp",
            "FromPort": 5432,
            "ToPort": 5433,
            "IpRanges": [{"CidrIp": "10.0.0.0/20"}],
            "UserIdGroupPairs": [{"GroupId": "sg-web", "UserId": "123456789012"}],
            **NO_OTHERS,
        },
        {
            "IpProtocol": "icmp",
            "FromPort": 8,
            "ToPort": -1,
            "IpRanges": [{"CidrIp": "0.0.0.0/0"}],
            "UserIdGroupPairs": [],
            **NO_OTHERS,
        },
    ]
    assert SHOWN[1]["IpPermissionsEgress"] == []


def test_all_protocols_have_no_ports() -> None:
    (everywhere,) = SHOWN[0]["IpPermissionsEgress"]

    assert everywhere == {
        "IpProtocol": "-1",
        "IpRanges": [{"CidrIp": "0.0.0.0/0"}],
        "UserIdGroupPairs": [],
        **NO_OTHERS,
    }


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("ip-permission.from-port", "5432", ["sg-database"]),
        ("ip-permission.group-id", "sg-web", ["sg-database"]),
        ("ip-permission.protocol", "-1", []),
        ("egress.ip-permission.cidr", "0.0.0.0/0", ["sg-web"]),
        ("egress.ip-permission.to-port", "443", []),
        ("ip-permission.ipv6-cidr", "::/0", []),
    ],
)
def test_groups_are_found_by_their_rules(name: str, value: str, found: list[str]) -> None:
    kept = chosen(SHOWN, [{"Name": name, "Values": [value]}], SECURITY_GROUP_FILTERS)

    assert [each["GroupId"] for each in kept] == found
