"""The subnets and security groups that a capacity provider may name, with their routes and rules. IPv4 only.

A default network is always there.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from paddock.model.fleet import Zone
from paddock.model.ids import AvailabilityZone, Region, SecurityGroupId, SubnetId

_DEFAULT_LETTERS = ("a", "b", "c")


class SubnetRoute(StrEnum):
    """Where a subnet's default route leads. NAT: out of this machine, under its address. NONE: nowhere."""

    NAT = "nat"
    NONE = "none"


class IpProtocol(StrEnum):
    TCP = "tcp"
    UDP = "udp"
    ICMP = "icmp"
    ALL = "-1"


@dataclass(frozen=True, slots=True)
class IpPermission:
    """One rule to or from one thing: `cidr_ip` or the instances of `group_id`.

    Ports as AWS has them: for ICMP `from_port` is the type and `to_port` the code, and -1 any; None where the protocol
    is ALL.
    """

    ip_protocol: IpProtocol
    from_port: int | None = None
    to_port: int | None = None
    cidr_ip: str | None = None
    group_id: SecurityGroupId | None = None


EVERYWHERE = IpPermission(IpProtocol.ALL, cidr_ip="0.0.0.0/0")


@dataclass(frozen=True, slots=True)
class SecurityGroup:
    """Rules only allow. What AWS gives a new group: nothing comes in, everything goes out."""

    group_id: SecurityGroupId
    ip_permissions: tuple[IpPermission, ...] = ()
    ip_permissions_egress: tuple[IpPermission, ...] = (EVERYWHERE,)


@dataclass(frozen=True, slots=True)
class Subnet:
    subnet_id: SubnetId
    zone: AvailabilityZone
    cidr_block: str
    route: SubnetRoute = SubnetRoute.NAT


@dataclass(frozen=True, slots=True)
class Network:
    """One VPC. The first security group is what an empty list of groups means. `machine_ports` are TCP ports of this
    machine's own loopback that instances have on theirs, whatever their groups say.
    """

    vpc_id: str
    subnets: tuple[Subnet, ...]
    security_groups: tuple[SecurityGroup, ...]
    machine_ports: tuple[int, ...] = ()

    @property
    def security_group_ids(self) -> tuple[SecurityGroupId, ...]:
        return tuple(group.group_id for group in self.security_groups)

    @property
    def default_security_group_id(self) -> SecurityGroupId:
        return self.security_groups[0].group_id

    def subnet(self, subnet_id: str) -> Subnet | None:
        return next((subnet for subnet in self.subnets if subnet.subnet_id == subnet_id), None)

    def security_group(self, group_id: str) -> SecurityGroup | None:
        return next((group for group in self.security_groups if group.group_id == group_id), None)

    def zones(self, subnet_ids: tuple[SubnetId, ...]) -> tuple[Zone, ...]:
        """Subnets and their zones, in the order given; those that are gone are left out."""
        found = (self.subnet(subnet_id) for subnet_id in subnet_ids)
        return tuple(Zone(subnet.subnet_id, subnet.zone) for subnet in found if subnet is not None)


def default_network(region: Region) -> Network:
    """Three subnets in three zones and one security group, so that AZ redundancy is there without any set-up."""
    return Network(
        vpc_id="vpc-default",
        subnets=tuple(
            Subnet(SubnetId(f"subnet-{letter}"), AvailabilityZone(f"{region}{letter}"), f"10.231.{number * 16}.0/20")
            for number, letter in enumerate(_DEFAULT_LETTERS)
        ),
        security_groups=(SecurityGroup(SecurityGroupId("sg-default")),),
    )
