"""Instances as an inventory holds them, without anything that would make them come or go."""

from __future__ import annotations

from datetime import datetime

from paddock.controlplane.fleet_records import InstanceRecord
from paddock.controlplane.inventory import Inventory
from paddock.model.capacity_provider import Architecture
from paddock.model.ids import AvailabilityZone, CapacityProviderName, InstanceId, SecurityGroupId, SubnetId
from paddock.model.instance_types import InstanceType
from paddock.model.states import InstancePhase
from paddock.ports.store import InstanceIntent

M7I = InstanceType("m7i.xlarge", 4, 16.0, Architecture.X86_64, cores=2)
PROVIDER_ARN = "arn:aws:lambda:us-east-1:000000000000:capacity-provider:steady"


def instance_id(number: int) -> InstanceId:
    return InstanceId(f"i-{number:017x}")


def intent(number: int, at: datetime, *, letter: str = "a", kind: InstanceType = M7I) -> InstanceIntent:
    return InstanceIntent(
        instance_id=instance_id(number),
        provider=CapacityProviderName("steady"),
        instance_type=kind,
        zone=AvailabilityZone(f"us-east-1{letter}"),
        subnet_id=SubnetId(f"subnet-{letter}"),
        phase=InstancePhase.RUNNING,
        entitled_cores=2.0,
        requested_at=at,
        token="secret",
        security_group_ids=(SecurityGroupId("sg-default"),),
        tags=(("aws:lambda:capacity-provider", PROVIDER_ARN), ("team", "blue")),
    )


def running(inventory: Inventory, number: int, at: datetime, *, letter: str = "a") -> InstanceRecord:
    """One whose agent was heard of at that moment."""
    record = inventory.add(intent(number, at, letter=letter))
    record.heard_at = at.timestamp()
    return record
