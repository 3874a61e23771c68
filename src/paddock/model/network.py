"""The subnets and security groups that a capacity provider may name. A default network is always there."""

from __future__ import annotations

from dataclasses import dataclass

from paddock.model.fleet import Zone
from paddock.model.ids import AvailabilityZone, Region, SecurityGroupId, SubnetId

_DEFAULT_LETTERS = ("a", "b", "c")


@dataclass(frozen=True, slots=True)
class Subnet:
    subnet_id: SubnetId
    zone: AvailabilityZone
    cidr_block: str


@dataclass(frozen=True, slots=True)
class Network:
    """One VPC. `default_security_group_id` is what an empty list of groups means."""

    vpc_id: str
    subnets: tuple[Subnet, ...]
    security_group_ids: tuple[SecurityGroupId, ...]
    default_security_group_id: SecurityGroupId

    def subnet(self, subnet_id: str) -> Subnet | None:
        return next((subnet for subnet in self.subnets if subnet.subnet_id == subnet_id), None)

    def zones(self, subnet_ids: tuple[SubnetId, ...]) -> tuple[Zone, ...]:
        """Subnets and their zones, in the order given; those that are gone are left out."""
        found = (self.subnet(subnet_id) for subnet_id in subnet_ids)
        return tuple(Zone(subnet.subnet_id, subnet.zone) for subnet in found if subnet is not None)


def default_network(region: Region) -> Network:
    """Three subnets in three zones and one security group, so that AZ redundancy is there without any set-up."""
    group = SecurityGroupId("sg-default")
    return Network(
        vpc_id="vpc-default",
        subnets=tuple(
            Subnet(SubnetId(f"subnet-{letter}"), AvailabilityZone(f"{region}{letter}"), f"10.231.{number * 16}.0/20")
            for number, letter in enumerate(_DEFAULT_LETTERS)
        ),
        security_group_ids=(group,),
        default_security_group_id=group,
    )
