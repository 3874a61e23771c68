from typing import Any

import pytest
from botocore.exceptions import ClientError

from paddock.controlplane.ec2.network import covering_block
from paddock.controlplane.inventory import Inventory
from tests.controlplane.ec2.fleet_in_memory import running
from tests.controlplane.harness import NOON, Harness


def error(call: Any, **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as raised:
        call(**params)
    found = raised.value.response["Error"]
    return found["Code"], found["Message"]


@pytest.mark.parametrize(
    ("blocks", "around"),
    [
        (["10.0.0.0/24"], "10.0.0.0/24"),
        (["10.231.0.0/20", "10.231.16.0/20", "10.231.32.0/20"], "10.231.0.0/18"),
        (["10.0.0.0/24", "192.168.0.0/24"], "0.0.0.0/0"),
    ],
)
def test_the_vpc_is_the_block_around_its_subnets(blocks: list[str], around: str) -> None:
    assert covering_block(blocks) == around


def test_the_vpc_is_described(harness: Harness) -> None:
    vpc = harness.ec2.describe_vpcs()["Vpcs"][0]
    assert (vpc["VpcId"], vpc["CidrBlock"], vpc["IsDefault"]) == ("vpc-default", "10.231.0.0/18", True)
    assert harness.ec2.describe_vpcs(Filters=[{"Name": "is-default", "Values": ["false"]}])["Vpcs"] == []
    assert error(harness.ec2.describe_vpcs, VpcIds=["vpc-x"]) == (
        "InvalidVpcID.NotFound",
        "The vpc ID 'vpc-x' does not exist",
    )


def test_subnets_are_described_with_their_free_addresses(harness: Harness) -> None:
    inventory = Inventory()
    running(inventory, 1, NOON, letter="b")
    harness.inventories.append(inventory)
    subnets = {each["SubnetId"]: each for each in harness.ec2.describe_subnets()["Subnets"]}
    assert list(subnets) == ["subnet-a", "subnet-b", "subnet-c"]
    assert subnets["subnet-a"]["AvailableIpAddressCount"] == 4096 - 5
    assert subnets["subnet-b"]["AvailableIpAddressCount"] == 4096 - 6
    assert subnets["subnet-c"]["AvailabilityZoneId"] == "use1-az3"
    assert subnets["subnet-c"]["SubnetArn"] == "arn:aws:ec2:us-east-1:000000000000:subnet/subnet-c"


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ([("availability-zone", "us-east-1b")], ["subnet-b"]),
        ([("availabilityZone", "us-east-1b")], ["subnet-b"]),
        ([("vpc-id", "vpc-default"), ("cidr-block", "10.231.32.0/20")], ["subnet-c"]),
        ([("vpc-id", "vpc-other")], []),
        ([("map-public-ip-on-launch", "true")], []),
        ([("tag:Tier", "private")], []),
    ],
)
def test_subnets_are_filtered(harness: Harness, filters: list[tuple[str, str]], found: list[str]) -> None:
    given = [{"Name": name, "Values": [value]} for name, value in filters]
    assert [each["SubnetId"] for each in harness.ec2.describe_subnets(Filters=given)["Subnets"]] == found


def test_subnets_and_groups_that_are_not_there_have_ec2s_errors(harness: Harness) -> None:
    assert error(harness.ec2.describe_subnets, SubnetIds=["subnet-a", "subnet-x"])[0] == "InvalidSubnetID.NotFound"
    assert error(harness.ec2.describe_security_groups, GroupIds=["sg-x"]) == (
        "InvalidGroup.NotFound",
        "The security group 'sg-x' does not exist",
    )
    assert error(harness.ec2.describe_security_groups, GroupNames=["web"])[0] == "InvalidGroup.NotFound"
    assert error(harness.ec2.describe_availability_zones, ZoneNames=["us-east-1z"]) == (
        "InvalidParameterValue",
        "Invalid availability zone: [us-east-1z]",
    )


def test_a_security_group_lets_nothing_in_and_all_out(harness: Harness) -> None:
    group = harness.ec2.describe_security_groups(GroupNames=["default"])["SecurityGroups"][0]
    assert (group["GroupId"], group["VpcId"], group["IpPermissions"]) == ("sg-default", "vpc-default", [])
    assert group["IpPermissionsEgress"][0]["IpRanges"] == [{"CidrIp": "0.0.0.0/0"}]


def test_zones_are_those_of_the_subnets(harness: Harness) -> None:
    zones = harness.ec2.describe_availability_zones()["AvailabilityZones"]
    assert [(zone["ZoneName"], zone["ZoneId"], zone["State"]) for zone in zones] == [
        ("us-east-1a", "use1-az1", "available"),
        ("us-east-1b", "use1-az2", "available"),
        ("us-east-1c", "use1-az3", "available"),
    ]
    one = harness.ec2.describe_availability_zones(Filters=[{"Name": "zone-id", "Values": ["use1-az2"]}])
    assert [zone["ZoneName"] for zone in one["AvailabilityZones"]] == ["us-east-1b"]


def test_a_dry_run_says_that_it_would_have_succeeded(harness: Harness) -> None:
    for call in (harness.ec2.describe_vpcs, harness.ec2.describe_subnets, harness.ec2.describe_security_groups):
        assert error(call, DryRun=True)[0] == "DryRunOperation"
