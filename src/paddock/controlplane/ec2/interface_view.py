"""The network interface of a managed instance in EC2's words. Pure.

Made from what the instance was really attached with; one in the machine's network has none. Its hardware address is
not known to the server, so it is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from paddock.controlplane.ec2.filters import FilterTable
from paddock.controlplane.ec2.sightings import SeenInstance
from paddock.model.arns import Place
from paddock.model.ids import InstanceId, SecurityGroupId
from paddock.model.network import Network
from paddock.model.states import InstancePhase
from paddock.model.zones import zone_id

DEFAULT_GROUP_NAME = "default"
LAMBDA = "lambda.amazonaws.com"


def group_name(network: Network, group: SecurityGroupId) -> str:
    """Groups have no names of their own here, save the default one."""
    return DEFAULT_GROUP_NAME if group == network.default_security_group_id else group


def groups(network: Network, group_ids: Sequence[SecurityGroupId]) -> list[dict[str, str]]:
    return [{"GroupId": group, "GroupName": group_name(network, group)} for group in group_ids]


def interface_id(instance_id: InstanceId) -> str:
    """An instance has one, and it has its instance's digits."""
    return f"eni-{instance_id.removeprefix('i-')}"


def has_interface(seen: SeenInstance) -> bool:
    """It goes with the instance."""
    return seen.private_ip_address is not None and seen.phase is not InstancePhase.TERMINATED


def interfaces_of(seen: SeenInstance, *, network: Network, place: Place, operator: dict[str, Any]) -> dict[str, Any]:
    """What an instance shows of its interface, in `DescribeInstances`."""
    if not has_interface(seen):
        return {"NetworkInterfaces": []}
    shown = _both(seen, network, place) | {"Attachment": _attachment(seen), "Operator": operator}
    return {
        "PrivateIpAddress": seen.private_ip_address,
        "SourceDestCheck": True,
        "NetworkInterfaces": [shown],
    }


def described(seen: SeenInstance, *, network: Network, place: Place, operator: dict[str, Any]) -> dict[str, Any]:
    """The interface itself, in `DescribeNetworkInterfaces`; it has the tags that its instance was launched with."""
    zone = seen.intent.zone
    owner = {"InstanceId": seen.instance_id, "InstanceOwnerId": place.account_id}
    return _both(seen, network, place) | {
        "Attachment": _attachment(seen) | owner,
        "AvailabilityZone": zone,
        "AvailabilityZoneId": zone_id(zone),
        "RequesterId": LAMBDA,
        "RequesterManaged": True,
        "TagSet": [{"Key": key, "Value": value} for key, value in sorted(seen.intent.tags)],
        "Operator": operator,
    }


def _both(seen: SeenInstance, network: Network, place: Place) -> dict[str, Any]:
    address = seen.private_ip_address
    return {
        "NetworkInterfaceId": interface_id(seen.instance_id),
        "Description": "",
        "Groups": groups(network, seen.intent.security_group_ids),
        "InterfaceType": "interface",
        "Ipv6Addresses": [],
        "OwnerId": place.account_id,
        "PrivateIpAddress": address,
        "PrivateIpAddresses": [{"Primary": True, "PrivateIpAddress": address}],
        "SourceDestCheck": True,
        "Status": "in-use",
        "SubnetId": seen.intent.subnet_id,
        "VpcId": network.vpc_id,
    }


def _attachment(seen: SeenInstance) -> dict[str, Any]:
    return {
        "AttachTime": seen.intent.requested_at,
        "AttachmentId": f"eni-attach-{seen.instance_id.removeprefix('i-')}",
        "DeleteOnTermination": True,
        "DeviceIndex": 0,
        "NetworkCardIndex": 0,
        "Status": "attached",
    }


OF_AN_INSTANCE = {
    "network-interface.addresses.primary": "NetworkInterfaces.PrivateIpAddresses.Primary",
    "network-interface.addresses.private-ip-address": "NetworkInterfaces.PrivateIpAddresses.PrivateIpAddress",
    "network-interface.attachment.attach-time": "NetworkInterfaces.Attachment.AttachTime",
    "network-interface.attachment.attachment-id": "NetworkInterfaces.Attachment.AttachmentId",
    "network-interface.attachment.delete-on-termination": "NetworkInterfaces.Attachment.DeleteOnTermination",
    "network-interface.attachment.device-index": "NetworkInterfaces.Attachment.DeviceIndex",
    "network-interface.attachment.status": "NetworkInterfaces.Attachment.Status",
    "network-interface.group-id": "NetworkInterfaces.Groups.GroupId",
    "network-interface.group-name": "NetworkInterfaces.Groups.GroupName",
    "network-interface.network-interface-id": "NetworkInterfaces.NetworkInterfaceId",
    "network-interface.owner-id": "NetworkInterfaces.OwnerId",
    "network-interface.private-ip-address": "NetworkInterfaces.PrivateIpAddress",
    "network-interface.source-dest-check": "NetworkInterfaces.SourceDestCheck",
    "network-interface.status": "NetworkInterfaces.Status",
    "network-interface.subnet-id": "NetworkInterfaces.SubnetId",
    "network-interface.vpc-id": "NetworkInterfaces.VpcId",
    "private-ip-address": "PrivateIpAddress",
    "source-dest-check": "SourceDestCheck",
}
"""Filters of `DescribeInstances` that look at the interface."""

INTERFACE_FILTERS = FilterTable(
    paths={
        "addresses.primary": "PrivateIpAddresses.Primary",
        "addresses.private-ip-address": "PrivateIpAddresses.PrivateIpAddress",
        "attachment.attach-time": "Attachment.AttachTime",
        "attachment.attachment-id": "Attachment.AttachmentId",
        "attachment.delete-on-termination": "Attachment.DeleteOnTermination",
        "attachment.device-index": "Attachment.DeviceIndex",
        "attachment.instance-id": "Attachment.InstanceId",
        "attachment.instance-owner-id": "Attachment.InstanceOwnerId",
        "attachment.status": "Attachment.Status",
        "availability-zone": "AvailabilityZone",
        "availability-zone-id": "AvailabilityZoneId",
        "description": "Description",
        "group-id": "Groups.GroupId",
        "group-name": "Groups.GroupName",
        "interface-type": "InterfaceType",
        "network-interface-id": "NetworkInterfaceId",
        "operator.managed": "Operator.Managed",
        "operator.principal": "Operator.Principal",
        "owner-id": "OwnerId",
        "private-ip-address": "PrivateIpAddress",
        "requester-id": "RequesterId",
        "requester-managed": "RequesterManaged",
        "source-dest-check": "SourceDestCheck",
        "status": "Status",
        "subnet-id": "SubnetId",
        "vpc-id": "VpcId",
    },
    never_set=(
        "addresses.association.",
        "association.",
        "attachment.nat-gateway-id",
        "ipv6-addresses.",
        "mac-address",
        "private-dns-name",
    ),
    tags="TagSet",
)
