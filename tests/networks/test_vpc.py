"""A VPC on this machine keeps the contract of every network of instances."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from paddock.model.ids import AvailabilityZone, SecurityGroupId, SubnetId
from paddock.model.network import Network, SecurityGroup, Subnet
from paddock.networks import namespaces
from paddock.ports.instance_network import InstanceNetwork
from paddock.testing.instance_network_conformance import CHECKS, NetworkUnderTest
from tests.networks.conftest import OpenNetwork
from tests.networks.world import Driven, World

NETWORK = Network(
    "vpc-test",
    (
        Subnet(SubnetId("subnet-wide"), AvailabilityZone("us-east-1a"), "10.99.0.0/24"),
        Subnet(SubnetId("subnet-narrow"), AvailabilityZone("us-east-1b"), "10.99.1.0/29"),
    ),
    (SecurityGroup(SecurityGroupId("sg-default")),),
)


class VpcUnderTest:
    def __init__(self, world: World, network: Driven) -> None:
        self.described = NETWORK
        self.network: InstanceNetwork = network
        self._driven = network
        self._world = world
        self._before = world.traces()

    def restart(self) -> None:
        self._driven = self.network = self._driven.again()

    def leftovers(self) -> int:
        found = [each for each in namespaces.NAMED.iterdir() if each.name.startswith(self._driven.names.router)]
        return len(found) + (self._world.traces() != self._before)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_conformance(check: Callable[[NetworkUnderTest], None], world: World, open_network: OpenNetwork) -> None:
    check(VpcUnderTest(world, open_network(NETWORK)))
