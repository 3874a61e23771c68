"""A managed instance in EC2's words. Pure: what it is told it shows, and what does not exist here it leaves out.

No instance has an image or volume of its own, and one of `--network host` no address, so none is made up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paddock.controlplane.ec2.filters import FilterTable
from paddock.controlplane.ec2.interface_view import OF_AN_INSTANCE, groups, interfaces_of
from paddock.controlplane.ec2.sightings import Health, SeenInstance
from paddock.model.arns import Place
from paddock.model.ids import InstanceId
from paddock.model.network import Network
from paddock.model.states import InstancePhase
from paddock.model.zones import zone_id

OPERATOR = "scaler.lambda.amazonaws.com"

_STATES = {
    InstancePhase.PENDING: (0, "pending"),
    InstancePhase.RUNNING: (16, "running"),
    InstancePhase.LOST: (16, "running"),
    InstancePhase.STOPPING: (32, "shutting-down"),
    InstancePhase.TERMINATED: (48, "terminated"),
}
_REACHABILITY = {Health.OK: "passed", Health.IMPAIRED: "failed", Health.INITIALIZING: "initializing"}


def operator(*, hidden: bool) -> dict[str, Any]:
    return {"Managed": True, "Principal": OPERATOR, "HiddenByDefault": hidden}


def instance_arn(place: Place, instance_id: InstanceId) -> str:
    return f"arn:{place.partition}:ec2:{place.region}:{place.account_id}:instance/{instance_id}"


def described(
    seen: SeenInstance, *, network: Network, place: Place, own_tags: Mapping[str, str], hidden: bool
) -> dict[str, Any]:
    """`own_tags` are those somebody gave it since its launch; what the launch gave, nobody changes."""
    intent = seen.intent
    kind = intent.instance_type
    cores = kind.cores or kind.vcpu
    tags = {**own_tags, **dict(intent.tags)}
    shown: dict[str, Any] = {
        "InstanceId": intent.instance_id,
        "InstanceType": kind.name,
        "Architecture": kind.architecture.value,
        "State": _state(seen.phase),
        "LaunchTime": intent.requested_at,
        "Placement": {
            "AvailabilityZone": intent.zone,
            "AvailabilityZoneId": zone_id(intent.zone),
            "GroupName": "",
            "Tenancy": "default",
        },
        "SubnetId": intent.subnet_id,
        "VpcId": network.vpc_id,
        "SecurityGroups": groups(network, intent.security_group_ids),
        "Tags": [{"Key": key, "Value": value} for key, value in sorted(tags.items())],
        "Operator": operator(hidden=hidden),
        "ClientToken": intent.instance_id,
        "CpuOptions": {"CoreCount": cores, "ThreadsPerCore": kind.vcpu // cores},
        "AmiLaunchIndex": 0,
        "BlockDeviceMappings": [],
        "ProductCodes": [],
        "PrivateDnsName": "",
        "PublicDnsName": "",
        "Monitoring": {"State": "disabled"},
        "PlatformDetails": "Linux/UNIX",
        "VirtualizationType": "hvm",
        "StateTransitionReason": "",
    }
    interfaces = interfaces_of(seen, network=network, place=place, operator=operator(hidden=hidden))
    return shown | interfaces | _why(seen)


def reservation(shown: Mapping[str, Any], place: Place) -> dict[str, Any]:
    """Each instance is launched on its own, so each has its own reservation."""
    return {
        "ReservationId": f"r-{shown['InstanceId'].removeprefix('i-')}",
        "OwnerId": place.account_id,
        "Groups": [],
        "Instances": [shown],
    }


def _state(phase: InstancePhase) -> dict[str, Any]:
    code, name = _STATES[phase]
    return {"Code": code, "Name": name}


def _why(seen: SeenInstance) -> dict[str, Any]:
    """Of one that ends: on our word, or by itself."""
    if seen.phase not in (InstancePhase.STOPPING, InstancePhase.TERMINATED):
        return {}
    reason = seen.intent.stop_reason
    code = "Server.InternalError" if reason is None else "Client.UserInitiatedShutdown"
    at = "" if seen.ended_at is None else f" ({seen.ended_at:%Y-%m-%d %H:%M:%S} GMT)"
    transition = f"{'Server failure' if reason is None else 'Service initiated'}{at}"
    message = f"{code}: {reason or 'The instance ended unexpectedly'}"
    return {"StateReason": {"Code": code, "Message": message}, "StateTransitionReason": transition}


def status(seen: SeenInstance, *, hidden: bool) -> dict[str, Any]:
    zone = seen.intent.zone
    check: dict[str, Any] = {"Status": seen.health.value}
    if seen.health in _REACHABILITY:
        check["Details"] = [{"Name": "reachability", "Status": _REACHABILITY[seen.health]}]
    return {
        "InstanceId": seen.instance_id,
        "AvailabilityZone": zone,
        "AvailabilityZoneId": zone_id(zone),
        "InstanceState": _state(seen.phase),
        "InstanceStatus": check,
        "SystemStatus": check,
        "Events": [],
        "Operator": operator(hidden=hidden),
    }


INSTANCE_FILTERS = FilterTable(
    paths={
        "architecture": "Architecture",
        "availability-zone": "Placement.AvailabilityZone",
        "availability-zone-id": "Placement.AvailabilityZoneId",
        "client-token": "ClientToken",
        "instance-id": "InstanceId",
        "instance-state-code": "State.Code",
        "instance-state-name": "State.Name",
        "instance-type": "InstanceType",
        "instance.group-id": "SecurityGroups.GroupId",
        "instance.group-name": "SecurityGroups.GroupName",
        "launch-index": "AmiLaunchIndex",
        "launch-time": "LaunchTime",
        "monitoring-state": "Monitoring.State",
        "operator.managed": "Operator.Managed",
        "operator.principal": "Operator.Principal",
        "owner-id": "OwnerId",
        "platform-details": "PlatformDetails",
        "reason": "StateTransitionReason",
        "reservation-id": "ReservationId",
        "state-reason-code": "StateReason.Code",
        "state-reason-message": "StateReason.Message",
        "subnet-id": "SubnetId",
        "tenancy": "Placement.Tenancy",
        "virtualization-type": "VirtualizationType",
        "vpc-id": "VpcId",
        **OF_AN_INSTANCE,
    },
    never_set=(
        "affinity",
        "block-device-mapping.",
        "boot-mode",
        "capacity-reservation-",
        "current-instance-boot-mode",
        "dns-name",
        "ebs-optimized",
        "ena-support",
        "enclave-options.",
        "hibernation-options.",
        "host-id",
        "hypervisor",
        "iam-instance-profile.",
        "image-id",
        "instance-lifecycle",
        "ip-address",
        "ipv6-address",
        "kernel-id",
        "key-name",
        "maintenance-options.",
        "metadata-options.",
        "network-interface.",
        "network-performance-options.",
        "outpost-arn",
        "placement-group-name",
        "placement-partition-number",
        "platform",
        "private-dns-name",
        "product-code",
        "ramdisk-id",
        "requester-id",
        "root-device-",
        "spot-instance-request-id",
        "tpm-support",
        "usage-operation",
    ),
)

STATUS_FILTERS = FilterTable(
    paths={
        "availability-zone": "AvailabilityZone",
        "availability-zone-id": "AvailabilityZoneId",
        "instance-state-code": "InstanceState.Code",
        "instance-state-name": "InstanceState.Name",
        "instance-status.reachability": "InstanceStatus.Details.Status",
        "instance-status.status": "InstanceStatus.Status",
        "operator.managed": "Operator.Managed",
        "operator.principal": "Operator.Principal",
        "system-status.reachability": "SystemStatus.Details.Status",
        "system-status.status": "SystemStatus.Status",
    },
    never_set=("application-status.", "attached-ebs-status.", "event."),
)
