"""Ways out of a VPC, and what of the machine stays shut: real packets between namespaces."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from paddock.model.ids import AvailabilityZone, InstanceId, SecurityGroupId, SubnetId
from paddock.model.network import IpPermission, IpProtocol, Network, SecurityGroup, Subnet, SubnetRoute
from paddock.networks import links, namespaces, nft
from paddock.networks.machine import write
from tests.networks.conftest import OpenNetwork
from tests.networks.world import (
    ANSWER_SECONDS,
    BESIDE,
    MACHINE,
    METADATA,
    OUTSIDE,
    Driven,
    World,
    connected,
    heard,
    listening,
    reaches,
    receiving,
    seen_by,
    tell,
    watching,
)

TWO = InstanceId("i-two")
GROUP = SecurityGroup(SecurityGroupId("sg-open"), (IpPermission(IpProtocol.ALL, cidr_ip="0.0.0.0/0"),))
NETWORK = Network(
    "vpc-test",
    (
        Subnet(SubnetId("subnet-nat"), AvailabilityZone("us-east-1a"), "10.99.0.0/24"),
        Subnet(SubnetId("subnet-none"), AvailabilityZone("us-east-1b"), "10.99.1.0/24", SubnetRoute.NONE),
    ),
    (GROUP,),
)


@pytest.fixture
def network(open_network: OpenNetwork) -> Driven:
    return open_network(NETWORK)


def test_egress_leaves_under_the_machines_address(world: World, network: Driven) -> None:
    one = network.join("i-one")

    with listening(world.outside, OUTSIDE, 443) as listener:
        assert seen_by(listener, one.namespace, 443, OUTSIDE) == MACHINE


def test_a_subnet_without_a_route_has_no_way_out_but_its_vpc(world: World, network: Driven) -> None:
    enclosed, neighbour = network.join("i-enclosed", subnet=1), network.join("i-neighbour")

    with listening(world.outside, OUTSIDE, 443), listening(neighbour.namespace, "0.0.0.0", 80):
        assert not reaches(enclosed.namespace, OUTSIDE, 443)
        assert reaches(neighbour.namespace, OUTSIDE, 443)
        assert reaches(enclosed.namespace, neighbour.private_ip_address, 80)


def test_a_connection_lives_on_while_others_come_and_go_and_the_server_is_replaced(
    world: World, network: Driven
) -> None:
    one = network.join("i-one")
    with listening(world.outside, OUTSIDE, 443) as listener, connected(one.namespace, OUTSIDE, 443) as near:
        listener.settimeout(ANSWER_SECONDS)
        far, _ = listener.accept()
        with far:
            far.settimeout(ANSWER_SECONDS)
            for step in (lambda: network.join("i-two"), lambda: network.detach(TWO), network.again().refresh):
                step()
                near.sendall(b"ask")
                assert far.recv(3) == b"ask"
                far.sendall(b"answer")
                assert near.recv(6) == b"answer"


def test_much_is_sent_over_a_way_out_with_smaller_packets(world: World, network: Driven) -> None:
    """As behind tunnels: the machine says so, and its word reaches the instance through both translations."""
    one = network.join("i-one")
    much = bytes(300_000)
    pyroute2 = pytest.importorskip("pyroute2")

    def shrink() -> None:
        with pyroute2.IPRoute() as ip:
            ip.link("set", index=ip.link_lookup(ifname="wan")[0], mtu=1280)

    namespaces.inside(world.machine, shrink)
    with listening(world.outside, OUTSIDE, 443) as listener, connected(one.namespace, OUTSIDE, 443) as near:
        listener.settimeout(ANSWER_SECONDS)
        far, _ = listener.accept()
        with far, ThreadPoolExecutor(1) as threads:
            far.settimeout(ANSWER_SECONDS)
            sending = threads.submit(near.sendall, much)
            got = 0
            while got < len(much):
                got += len(far.recv(65536))
            sending.result()


def test_an_address_of_the_vpc_that_nobody_has_is_not_looked_for_outside(world: World, network: Driven) -> None:
    one = network.join("i-one")
    namespaces.inside(world.outside, lambda: links.add_address("lo", "10.99.0.77"))
    assert one.private_ip_address != "10.99.0.77"

    with listening(world.outside, "0.0.0.0", 443):
        assert reaches(one.namespace, OUTSIDE, 443)
        assert reaches(world.machine, "10.99.0.77", 443)
        assert not reaches(one.namespace, "10.99.0.77", 443)


def test_nothing_of_the_machine_is_reached(world: World, network: Driven) -> None:
    one = network.join("i-one")
    uplink = namespaces.inside(world.machine, links.addresses) - {MACHINE, "198.51.100.2", "192.0.2.1", BESIDE}

    with listening(world.machine, "0.0.0.0", 8080):
        for address in {MACHINE, "192.0.2.1", "169.254.1.1"} | uplink - {"127.0.0.1"}:
            assert not reaches(one.namespace, address, 8080), address
        assert reaches(world.outside, MACHINE, 8080)


def test_the_machines_other_networks_and_its_metadata_are_not_reached(world: World, network: Driven) -> None:
    one = network.join("i-one")
    namespaces.inside(world.machine, lambda: write(Path("/proc/sys/net/ipv4/ip_forward"), "1"))

    with listening(world.beside, BESIDE, 80), listening(world.outside, METADATA, 80):
        assert reaches(world.machine, BESIDE, 80)
        assert not reaches(one.namespace, BESIDE, 80)
        assert reaches(world.machine, METADATA, 80)
        assert not reaches(one.namespace, METADATA, 80)


def test_nothing_comes_in_from_outside_though_a_group_would_allow_it(world: World, network: Driven) -> None:
    """Neither to the instance's address nor by the machine's end of the cable."""
    one = network.join("i-one")
    known = {MACHINE, "198.51.100.2", "192.0.2.1", BESIDE, "127.0.0.1"}
    cable = sorted(namespaces.inside(world.machine, links.addresses) - known)
    namespaces.inside(
        world.machine, lambda: links.add_route(f"{one.private_ip_address}/32", network.names.uplink, cable[1])
    )

    router = namespaces.NAMED / network.names.router
    with receiving(one.namespace, "0.0.0.0", 9) as receiver, watching(router, "uplink") as watcher:
        for address in (one.private_ip_address, *cable):
            tell(world.outside, address, 9, b"let me in")
        assert not heard(receiver, b"let me in")
        assert not heard(watcher, b"let me in"), "the machine did not drop it already"
        tell(world.machine, one.private_ip_address, 9, b"the machine")
        assert heard(watcher, b"the machine"), "nothing would have been seen"
        assert not heard(receiver, b"the machine")
        tell(one.namespace, one.private_ip_address, 9, b"myself")
        assert heard(receiver, b"myself")


def test_the_machine_forwards_where_it_must_and_for_instances_only(world: World, network: Driven) -> None:
    namespaces.inside(world.outside, lambda: links.add_route(f"{BESIDE}/32", "peer", MACHINE))
    with receiving(world.beside, BESIDE, 9) as beside:
        network.join("i-one")
        assert world.forwards("wan")
        assert not world.forwards("lan")
        assert not world.forwards("all")
        tell(world.outside, BESIDE, 9, b"through you")
        assert not heard(beside, b"through you")
        tell(world.machine, BESIDE, 9, b"from you")
        assert heard(beside, b"from you")


def test_afterwards_the_machine_is_as_it_was(world: World, network: Driven) -> None:
    """What others wrote meanwhile stays as well."""
    before = world.traces()
    network.join("i-one")
    assert world.traces() != before
    theirs = {"add": {"table": {"family": "inet", "name": "theirs"}}}
    namespaces.inside(world.machine, lambda: nft.apply([theirs]))

    network.remove_all()

    assert world.traces() == replace(before, tables=before.tables | {("inet", "theirs")})


def test_forwarding_that_was_on_before_stays_on(world: World, network: Driven) -> None:
    wan = Path("/proc/sys/net/ipv4/conf/wan/forwarding")
    namespaces.inside(world.machine, lambda: write(wan, "1"))
    network.join("i-one")
    network.remove_all()

    assert world.forwards("wan")


def test_of_two_installations_the_last_one_switches_forwarding_back(world: World, open_network: OpenNetwork) -> None:
    """Their subnets are the same, and they do not meet."""
    one, other = open_network(NETWORK, "one"), open_network(NETWORK, "other")
    mine, theirs = one.join("i-same"), other.join("i-same")
    assert mine.private_ip_address == theirs.private_ip_address
    assert mine.namespace != theirs.namespace

    with listening(world.outside, OUTSIDE, 443) as listener:
        assert seen_by(listener, mine.namespace, 443, OUTSIDE) == MACHINE
        one.remove_all()
        assert seen_by(listener, theirs.namespace, 443, OUTSIDE) == MACHINE
    assert list(other.attached()) == ["i-same"]
    other.remove_all()
    assert not world.forwards("wan")


def test_a_new_way_out_is_taken_at_the_next_look(world: World, network: Driven) -> None:
    one = network.join("i-one")

    def move() -> None:
        links.add_route("default", "lan", BESIDE)

    namespaces.inside(world.machine, move)
    network.refresh()

    with listening(world.beside, BESIDE, 443) as listener:
        assert seen_by(listener, one.namespace, 443, BESIDE) == "192.0.2.1"
    assert world.forwards("lan")
    assert not world.forwards("wan")


def test_it_is_said_what_of_the_machine_is_in_the_way(world: World, network: Driven) -> None:
    network.join("i-one")
    assert network.hindrances() == ()
    chain = {"family": "ip", "table": "filter", "name": "FORWARD"}
    drops = {"add": {"chain": {**chain, "type": "filter", "hook": "forward", "prio": 0, "policy": "drop"}}}
    namespaces.inside(world.machine, lambda: nft.apply([{"add": {"table": {"family": "ip", "name": "filter"}}}, drops]))

    (hindrance,) = network.hindrances()

    uplink = network.names.uplink
    assert f"iptables -I FORWARD -i {uplink} -j ACCEPT && iptables -I FORWARD -o {uplink} -j ACCEPT" in hindrance
    with listening(world.outside, OUTSIDE, 443):
        one = network.join("i-one")
        assert not reaches(one.namespace, OUTSIDE, 443)
        namespaces.inside(world.machine, lambda: nft.apply([_accepts(way, uplink) for way in ("iifname", "oifname")]))
        assert reaches(one.namespace, OUTSIDE, 443)
    assert network.hindrances() == ()


def test_a_machine_without_a_way_out_is_said_to_have_none(world: World, network: Driven) -> None:
    namespaces.inside(world.machine, lambda: links.remove("wan"))

    assert "no default route" in network.hindrances()[0]


def _accepts(way: str, interface: str) -> nft.Statement:
    match = {"match": {"op": "==", "left": {"meta": {"key": way}}, "right": interface}}
    return {"add": {"rule": {"family": "ip", "table": "filter", "chain": "FORWARD", "expr": [match, {"accept": None}]}}}
