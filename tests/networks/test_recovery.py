"""A server that was killed at any moment leaves nothing that the next one cannot find, mend or remove."""

from __future__ import annotations

from dataclasses import replace

import pytest

from paddock.model.ids import AvailabilityZone, InstanceId, SecurityGroupId, SubnetId
from paddock.model.network import IpPermission, IpProtocol, Network, SecurityGroup, Subnet, SubnetRoute
from paddock.model.states import StateReasonCode
from paddock.networks import links, namespaces, nft
from paddock.networks.names import interface_of
from paddock.ports.launcher import LaunchError
from tests.networks.conftest import OpenNetwork
from tests.networks.world import MACHINE, OUTSIDE, World, listening, reaches

GROUP = SecurityGroup(SecurityGroupId("sg-one"))
SUBNET = Subnet(SubnetId("subnet-a"), AvailabilityZone("us-east-1a"), "10.99.0.0/24")
NETWORK = Network("vpc-test", (SUBNET,), (GROUP,))
INSTANCE = InstanceId("i-one")


def test_the_next_server_applies_the_network_file_as_it_is_now(world: World, open_network: OpenNetwork) -> None:
    first = open_network(NETWORK)
    one = first.join(INSTANCE)
    only_http = replace(GROUP, ip_permissions_egress=(IpPermission(IpProtocol.TCP, 80, 80, cidr_ip="0.0.0.0/0"),))

    with listening(world.outside, OUTSIDE, 443), listening(world.outside, OUTSIDE, 80):
        assert reaches(one.namespace, OUTSIDE, 443)
        first.again(replace(NETWORK, security_groups=(only_http,))).refresh()
        assert not reaches(one.namespace, OUTSIDE, 443)
        assert reaches(one.namespace, OUTSIDE, 80)
        first.again(replace(NETWORK, subnets=(replace(SUBNET, route=SubnetRoute.NONE),))).refresh()
        assert not reaches(one.namespace, OUTSIDE, 80)


def test_an_instance_whose_group_is_gone_from_the_file_has_no_rules_that_allow(
    world: World, open_network: OpenNetwork
) -> None:
    first = open_network(NETWORK)
    one = first.join(INSTANCE)
    renamed = first.again(replace(NETWORK, security_groups=(SecurityGroup(SecurityGroupId("sg-new")),)))

    renamed.refresh()

    assert list(renamed.attached()) == [INSTANCE]
    with listening(world.outside, OUTSIDE, 443):
        assert not reaches(one.namespace, OUTSIDE, 443)


def test_what_somebody_did_to_the_rules_is_mended(world: World, open_network: OpenNetwork) -> None:
    network = open_network(NETWORK)
    one = network.join(INSTANCE)
    router = namespaces.NAMED / network.names.router
    flush = {"flush": {"chain": {"family": "inet", "table": "paddock", "name": "egress"}}}
    namespaces.inside(router, lambda: nft.apply([flush]))
    namespaces.inside(world.machine, lambda: links.remove("wan"))

    network.refresh()

    assert "wan" not in world.traces().links
    neighbour = network.join("i-two")
    assert neighbour.private_ip_address != one.private_ip_address
    rules = str(namespaces.inside(router, lambda: nft.listing("chain", "inet", "paddock", "egress")))
    assert "members-sg-one" in rules


@pytest.mark.parametrize("by", ["a refresh", "the next attachment"])
def test_an_uplink_that_somebody_removed_is_made_again(by: str, world: World, open_network: OpenNetwork) -> None:
    network = open_network(NETWORK)
    one = network.join(INSTANCE)
    namespaces.inside(world.machine, lambda: links.remove(network.names.uplink))

    with listening(world.outside, OUTSIDE, 443), listening(world.machine, "0.0.0.0", 443):
        assert not reaches(one.namespace, OUTSIDE, 443)
        if by == "a refresh":
            network.refresh()
        else:
            network.join("i-two")
        assert reaches(one.namespace, OUTSIDE, 443)
        assert not reaches(one.namespace, MACHINE, 443)


@pytest.mark.parametrize("how_far", ["namespace", "file", "cable"])
def test_an_attachment_that_was_cut_short_is_nobodys_and_goes(
    how_far: str, world: World, open_network: OpenNetwork
) -> None:
    network = open_network(NETWORK)
    network.join("i-whole")
    path = namespaces.NAMED / network.names.namespace(INSTANCE)
    if how_far == "file":
        path.touch()
    else:
        namespaces.create(path)
    if how_far == "cable":
        router = namespaces.NAMED / network.names.router
        namespaces.inside(router, lambda: links.add_pair(interface_of(INSTANCE), "eth0", path))

    following = network.again()
    assert list(following.attached()) == ["i-whole"]
    following.refresh()

    assert not path.exists()
    assert following.join(INSTANCE).namespace == path


def test_an_uplink_that_was_cut_short_is_made_again(world: World, open_network: OpenNetwork) -> None:
    network = open_network(NETWORK)
    router = namespaces.NAMED / network.names.router
    namespaces.create(router)
    namespaces.inside(world.machine, lambda: links.add_pair(network.names.uplink, "uplink", router))

    one = network.join(INSTANCE)

    with listening(world.outside, OUTSIDE, 443):
        assert reaches(one.namespace, OUTSIDE, 443)


def test_leftovers_without_any_instance_go_at_the_start(world: World, open_network: OpenNetwork) -> None:
    network = open_network(NETWORK)
    before = world.traces()
    router = namespaces.NAMED / network.names.router
    namespaces.create(router)
    namespaces.inside(world.machine, lambda: links.add_pair(network.names.uplink, "uplink", router))

    network.refresh()

    assert world.traces() == before
    assert not router.exists()


def test_a_fault_on_the_way_is_a_launch_error_and_what_was_begun_goes(
    world: World, open_network: OpenNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = open_network(NETWORK)
    before = world.traces()
    with monkeypatch.context() as changed:
        changed.setenv("PATH", "/nowhere")
        with pytest.raises(LaunchError) as refusal:
            network.join(INSTANCE)

    assert refusal.value.reason_code is StateReasonCode.INTERNAL_ERROR
    assert refusal.value.transient
    assert refusal.value.text.startswith("i-one cannot be attached to subnet-a: nft: ")
    assert network.attached() == {}
    network.refresh()
    assert world.traces() == before


def test_ids_that_are_too_long_to_be_remembered_are_refused(open_network: OpenNetwork) -> None:
    group = SecurityGroup(SecurityGroupId("sg-" + "x" * 300))
    network = open_network(replace(NETWORK, security_groups=(group,)))

    with pytest.raises(LaunchError, match="too long"):
        network.join(INSTANCE)

    assert network.attached() == {}
