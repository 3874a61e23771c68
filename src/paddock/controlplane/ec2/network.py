"""The operator's network through the EC2 API: VPC, subnets, security groups, availability zones. Read only."""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from paddock.controlplane.api import Answer, Api, Call, Operation
from paddock.controlplane.ec2.errors import check_dry_run, ec2_error, none_is_missing
from paddock.controlplane.ec2.filters import FilterTable, Shown, chosen
from paddock.controlplane.ec2.interface_view import group_name
from paddock.controlplane.ec2.paging import paged, without_bounds
from paddock.controlplane.ec2.permission_view import shown_permissions
from paddock.model.arns import Place
from paddock.model.ids import AvailabilityZone
from paddock.model.network import Network, SecurityGroup, Subnet, default_network
from paddock.model.states import InstancePhase
from paddock.model.zones import zone_id

RESERVED_ADDRESSES = 5
"""Of each subnet: network, router, DNS, one for later, broadcast (VPC user guide)."""


async def describe_vpcs(api: Api, call: Call) -> Answer:
    return _answer(
        call, "Vpcs", [vpc(api.network, api.place)], VPC_FILTERS, "VpcId", ("InvalidVpcID.NotFound", "vpc ID")
    )


async def describe_subnets(api: Api, call: Call) -> Answer:
    taken = Counter(
        seen.intent.subnet_id for seen in api.instances.look() if seen.phase is not InstancePhase.TERMINATED
    )
    shown = [subnet(each, api.network, api.place, taken=taken[each.subnet_id]) for each in api.network.subnets]
    return _answer(call, "Subnets", shown, SUBNET_FILTERS, "SubnetId", ("InvalidSubnetID.NotFound", "subnet ID"))


async def describe_security_groups(api: Api, call: Call) -> Answer:
    names = call.params.get("GroupNames", ())
    shown: list[Shown] = [security_group(each, api.network, api.place) for each in api.network.security_groups]
    none_is_missing(names, [each["GroupName"] for each in shown], "InvalidGroup.NotFound", "security group")
    named = [each for each in shown if not names or each["GroupName"] in names]
    kind = ("InvalidGroup.NotFound", "security group")
    return _answer(call, "SecurityGroups", named, SECURITY_GROUP_FILTERS, "GroupId", kind)


async def describe_availability_zones(api: Api, call: Call) -> Answer:
    params = call.params
    check_dry_run(params)
    shown = [availability_zone(zone, api.place) for zone in sorted({each.zone for each in api.network.subnets})]
    for ids, member in (("ZoneNames", "ZoneName"), ("ZoneIds", "ZoneId")):
        wanted = params.get(ids, ())
        missing = sorted(set(wanted) - {each[member] for each in shown})
        if missing:
            raise ec2_error("InvalidParameterValue", f"Invalid availability zone: [{', '.join(missing)}]")
        shown = [each for each in shown if not wanted or each[member] in wanted]
    return {"AvailabilityZones": chosen(shown, params.get("Filters", ()), ZONE_FILTERS)}


def _answer(
    call: Call, member: str, shown: Sequence[Shown], table: FilterTable, id_member: str, kind: tuple[str, str]
) -> Answer:
    """`kind` are the error's code and how EC2 calls the thing."""
    params, ids = call.params, f"{id_member}s"
    check_dry_run(params)
    without_bounds(params, ids, f"{id_member[0].lower()}{id_member[1:]}Set")
    wanted = params.get(ids, ())
    none_is_missing(wanted, [each[id_member] for each in shown], *kind)
    named = [each for each in shown if not wanted or each[id_member] in wanted]
    page = paged(chosen(named, params.get("Filters", ()), table), params, lambda each: str(each[id_member]))
    return {member: list(page.items), "NextToken": page.next_marker}


def vpc(network: Network, place: Place) -> dict[str, Any]:
    block = covering_block([each.cidr_block for each in network.subnets])
    return {
        "VpcId": network.vpc_id,
        "CidrBlock": block,
        "CidrBlockAssociationSet": [
            {
                "AssociationId": f"vpc-cidr-assoc-{network.vpc_id.removeprefix('vpc-')}",
                "CidrBlock": block,
                "CidrBlockState": {"State": "associated"},
            }
        ],
        "State": "available",
        "IsDefault": _is_default(network, place),
        "InstanceTenancy": "default",
        "DhcpOptionsId": "default",
        "OwnerId": place.account_id,
        "Tags": [],
    }


def subnet(each: Subnet, network: Network, place: Place, *, taken: int) -> dict[str, Any]:
    addresses = ipaddress.ip_network(each.cidr_block).num_addresses
    return {
        "SubnetId": each.subnet_id,
        "SubnetArn": f"arn:{place.partition}:ec2:{place.region}:{place.account_id}:subnet/{each.subnet_id}",
        "VpcId": network.vpc_id,
        "CidrBlock": each.cidr_block,
        "AvailabilityZone": each.zone,
        "AvailabilityZoneId": zone_id(each.zone),
        "AvailableIpAddressCount": max(0, addresses - RESERVED_ADDRESSES - taken),
        "State": "available",
        "DefaultForAz": _is_default(network, place),
        "MapPublicIpOnLaunch": False,
        "AssignIpv6AddressOnCreation": False,
        "Ipv6CidrBlockAssociationSet": [],
        "Ipv6Native": False,
        "EnableDns64": False,
        "OwnerId": place.account_id,
        "Tags": [],
    }


def security_group(group: SecurityGroup, network: Network, place: Place) -> dict[str, Any]:
    group_id = group.group_id
    is_default = group_id == network.default_security_group_id
    return {
        "GroupId": group_id,
        "GroupName": group_name(network, group_id),
        "SecurityGroupArn": f"arn:{place.partition}:ec2:{place.region}:{place.account_id}:security-group/{group_id}",
        "Description": "default VPC security group" if is_default else group_id,
        "VpcId": network.vpc_id,
        "OwnerId": place.account_id,
        "IpPermissions": shown_permissions(group.ip_permissions, place.account_id),
        "IpPermissionsEgress": shown_permissions(group.ip_permissions_egress, place.account_id),
        "Tags": [],
    }


def availability_zone(zone: AvailabilityZone, place: Place) -> dict[str, Any]:
    return {
        "ZoneName": zone,
        "ZoneId": zone_id(zone),
        "ZoneType": "availability-zone",
        "RegionName": place.region,
        "GroupName": f"{place.region}-zg-1",
        "NetworkBorderGroup": place.region,
        "OptInStatus": "opt-in-not-required",
        "State": "available",
        "Messages": [],
    }


def covering_block(blocks: Sequence[str]) -> str:
    """The smallest block that holds all of them: subnets say where they lie, the VPC is what is around them."""
    found = [ipaddress.ip_network(block) for block in blocks]
    around = found[0]
    while not all(_holds(around, block) for block in found):
        around = around.supernet()
    return str(around)


def _holds(
    around: ipaddress.IPv4Network | ipaddress.IPv6Network, block: ipaddress.IPv4Network | ipaddress.IPv6Network
) -> bool:
    first, last = int(around.network_address), int(around.broadcast_address)
    return first <= int(block.network_address) and int(block.broadcast_address) <= last


def _is_default(network: Network, place: Place) -> bool:
    return network == default_network(place.region)


_OWNED: Mapping[str, str] = {"owner-id": "OwnerId", "vpc-id": "VpcId"}

VPC_FILTERS = FilterTable(
    paths={
        **_OWNED,
        "cidr": "CidrBlock",
        "cidrBlock": "CidrBlock",
        "cidr-block-association.association-id": "CidrBlockAssociationSet.AssociationId",
        "cidr-block-association.cidr-block": "CidrBlockAssociationSet.CidrBlock",
        "cidr-block-association.state": "CidrBlockAssociationSet.CidrBlockState.State",
        "dhcp-options-id": "DhcpOptionsId",
        "dhcpOptionsId": "DhcpOptionsId",
        "is-default": "IsDefault",
        "isDefault": "IsDefault",
        "state": "State",
    },
    never_set=("ipv6-cidr-block-association.",),
)

SUBNET_FILTERS = FilterTable(
    paths={
        **_OWNED,
        "availability-zone": "AvailabilityZone",
        "availabilityZone": "AvailabilityZone",
        "availability-zone-id": "AvailabilityZoneId",
        "availabilityZoneId": "AvailabilityZoneId",
        "available-ip-address-count": "AvailableIpAddressCount",
        "cidr-block": "CidrBlock",
        "cidr": "CidrBlock",
        "cidrBlock": "CidrBlock",
        "default-for-az": "DefaultForAz",
        "defaultForAz": "DefaultForAz",
        "enable-dns64": "EnableDns64",
        "ipv6-native": "Ipv6Native",
        "map-public-ip-on-launch": "MapPublicIpOnLaunch",
        "state": "State",
        "subnet-arn": "SubnetArn",
        "subnet-id": "SubnetId",
    },
    never_set=(
        "customer-owned-ipv4-pool",
        "enable-lni-at-device-index",
        "ipv6-cidr-block-association.",
        "map-customer-owned-ip-on-launch",
        "outpost-arn",
        "private-dns-name-options-on-launch.",
    ),
)

_OF_PERMISSIONS: Mapping[str, str] = {
    "cidr": "IpRanges.CidrIp",
    "from-port": "FromPort",
    "group-id": "UserIdGroupPairs.GroupId",
    "protocol": "IpProtocol",
    "to-port": "ToPort",
    "user-id": "UserIdGroupPairs.UserId",
}
SECURITY_GROUP_FILTERS = FilterTable(
    paths={
        **_OWNED,
        "description": "Description",
        **{f"egress.ip-permission.{name}": f"IpPermissionsEgress.{path}" for name, path in _OF_PERMISSIONS.items()},
        "group-id": "GroupId",
        "group-name": "GroupName",
        **{f"ip-permission.{name}": f"IpPermissions.{path}" for name, path in _OF_PERMISSIONS.items()},
    },
    never_set=("egress.ip-permission.", "ip-permission."),
)

ZONE_FILTERS = FilterTable(
    paths={
        "group-name": "GroupName",
        "opt-in-status": "OptInStatus",
        "region-name": "RegionName",
        "state": "State",
        "zone-id": "ZoneId",
        "zone-name": "ZoneName",
        "zone-type": "ZoneType",
    },
    never_set=("group-long-name", "message", "parent-zone-"),
)

OPERATIONS = (
    Operation("ec2", "DescribeVpcs", describe_vpcs),
    Operation("ec2", "DescribeSubnets", describe_subnets),
    Operation("ec2", "DescribeSecurityGroups", describe_security_groups),
    Operation("ec2", "DescribeAvailabilityZones", describe_availability_zones),
)
