"""Security groups between real instances: what may be sent, what may come in, and who is who."""

from __future__ import annotations

from pathlib import Path

import pytest

from paddock.model.ids import AvailabilityZone, SecurityGroupId, SubnetId
from paddock.model.network import EVERYWHERE, IpPermission, IpProtocol, Network, SecurityGroup, Subnet
from paddock.networks import links, namespaces
from tests.networks.conftest import OpenNetwork
from tests.networks.world import OUTSIDE, Driven, World, heard, listening, reaches, receiving, tell

WEB, DATABASE, OPEN, SHUT = (SecurityGroupId(f"sg-{name}") for name in ("web", "database", "open", "shut"))
POSTGRES = IpPermission(IpProtocol.TCP, 5432, 5432, group_id=WEB)
NETWORK = Network(
    "vpc-test",
    (
        Subnet(SubnetId("subnet-a"), AvailabilityZone("us-east-1a"), "10.99.0.0/24"),
        Subnet(SubnetId("subnet-b"), AvailabilityZone("us-east-1b"), "10.99.1.0/24"),
    ),
    (
        SecurityGroup(WEB),
        SecurityGroup(DATABASE, (POSTGRES,), (IpPermission(IpProtocol.UDP, 53, 54, cidr_ip="203.0.113.0/24"),)),
        SecurityGroup(OPEN, (IpPermission(IpProtocol.ALL, cidr_ip="10.99.1.0/24"),)),
        SecurityGroup(SHUT, (), ()),
    ),
)


@pytest.fixture
def network(open_network: OpenNetwork) -> Driven:
    return open_network(NETWORK)


def test_nothing_comes_in_that_no_rule_of_the_receivers_groups_allows(network: Driven) -> None:
    one, other = network.join("i-one", WEB), network.join("i-other", WEB)

    with listening(other.namespace, "0.0.0.0", 80):
        assert not reaches(one.namespace, other.private_ip_address, 80)
        assert reaches(other.namespace, other.private_ip_address, 80)


def test_a_rule_for_a_group_lets_its_instances_in_to_that_port_and_no_one_else(network: Driven) -> None:
    web, database = network.join("i-web", WEB, subnet=1), network.join("i-database", DATABASE)
    stranger = network.join("i-stranger", OPEN)

    with listening(database.namespace, "0.0.0.0", 5432), listening(database.namespace, "0.0.0.0", 5433):
        assert reaches(web.namespace, database.private_ip_address, 5432)
        assert not reaches(web.namespace, database.private_ip_address, 5433)
        assert not reaches(stranger.namespace, database.private_ip_address, 5432)


def test_an_instance_that_joins_a_group_later_is_let_in_and_one_that_has_left_is_not(network: Driven) -> None:
    database = network.join("i-database", DATABASE)
    with listening(database.namespace, "0.0.0.0", 5432):
        late = network.join("i-late", WEB)
        assert reaches(late.namespace, database.private_ip_address, 5432)
        network.detach(next(each for each in network.attached() if each == "i-late"))
        stranger = network.join("i-late", OPEN)
        assert stranger.private_ip_address == late.private_ip_address
        assert not reaches(stranger.namespace, database.private_ip_address, 5432)


def test_a_rule_for_a_block_lets_in_who_is_in_it(network: Driven) -> None:
    receiver = network.join("i-open", OPEN)
    within, without = network.join("i-within", WEB, subnet=1), network.join("i-without", WEB, subnet=0)

    with listening(receiver.namespace, "0.0.0.0", 8080):
        assert reaches(within.namespace, receiver.private_ip_address, 8080)
        assert not reaches(without.namespace, receiver.private_ip_address, 8080)


def test_several_groups_allow_what_any_of_them_allows(network: Driven) -> None:
    both = network.join("i-both", DATABASE, OPEN)
    web, neighbour = network.join("i-web", WEB), network.join("i-neighbour", OPEN, subnet=1)

    with listening(both.namespace, "0.0.0.0", 5432):
        assert reaches(web.namespace, both.private_ip_address, 5432)
        assert reaches(neighbour.namespace, both.private_ip_address, 5432)


def test_a_sender_whose_groups_allow_no_such_egress_reaches_nobody(world: World, network: Driven) -> None:
    shut, receiver = network.join("i-shut", SHUT, subnet=1), network.join("i-open", OPEN)

    with listening(receiver.namespace, "0.0.0.0", 8080), listening(world.outside, OUTSIDE, 443):
        assert not reaches(shut.namespace, receiver.private_ip_address, 8080)
        assert not reaches(shut.namespace, OUTSIDE, 443)


def test_egress_by_protocol_and_ports_lets_out_what_fits(world: World, network: Driven) -> None:
    database = network.join("i-database", DATABASE)

    with receiving(world.outside, OUTSIDE, 54) as last, receiving(world.outside, OUTSIDE, 55) as beyond:
        tell(database.namespace, OUTSIDE, 54, b"fits")
        tell(database.namespace, OUTSIDE, 55, b"does not")
        assert heard(last, b"fits")
        assert not heard(beyond, b"does not")
    with listening(world.outside, OUTSIDE, 53):
        assert not reaches(database.namespace, OUTSIDE, 53)


def test_answers_pass_though_no_rule_of_the_other_direction_names_them(network: Driven) -> None:
    web, database = network.join("i-web", WEB), network.join("i-database", DATABASE)

    with listening(database.namespace, "0.0.0.0", 5432) as listener:
        assert reaches(web.namespace, database.private_ip_address, 5432)
        listener.settimeout(5)
        accepted, _ = listener.accept()
        accepted.close()
    with listening(web.namespace, "0.0.0.0", 5432):
        assert not reaches(database.namespace, web.private_ip_address, 5432)


def test_a_sender_under_the_address_of_another_is_not_heard(world: World, network: Driven) -> None:
    """Not by instances, whose rules name the other, nor outside."""
    web, liar = network.join("i-web", WEB), network.join("i-liar", OPEN)
    database = network.join("i-database", DATABASE)
    namespaces.inside(liar.namespace, lambda: links.add_address("eth0", web.private_ip_address))
    namespaces.inside(liar.namespace, lambda: links.add_address("eth0", "10.99.0.250"))

    with receiving(world.outside, OUTSIDE, 9) as outside:
        for number, source in enumerate((web.private_ip_address, "10.99.0.250")):
            tell(liar.namespace, OUTSIDE, 9, b"lie %d" % number, (source, 0))
            assert not heard(outside, b"lie %d" % number)
        tell(liar.namespace, OUTSIDE, 9, b"truth", (liar.private_ip_address, 0))
        assert heard(outside, b"truth")
    assert web.private_ip_address != database.private_ip_address


def test_who_has_an_address_next_inherits_no_flow_to_it(open_network: OpenNetwork) -> None:
    """A flow that was allowed stays allowed while it lasts, but not with somebody else at its end."""
    narrow = Subnet(SubnetId("subnet-one"), AvailabilityZone("us-east-1a"), "10.98.0.0/29")
    receivers = SecurityGroup(DATABASE, (IpPermission(IpProtocol.UDP, 9, 9, group_id=WEB),), (EVERYWHERE,))
    network = open_network(Network("vpc-test", (narrow,), (SecurityGroup(WEB), receivers, SecurityGroup(SHUT, (), ()))))
    sender, first = network.join("i-sender", WEB), network.join("i-first", DATABASE)
    source = (sender.private_ip_address, 4000)
    with receiving(first.namespace, "0.0.0.0", 9) as receiver:
        tell(sender.namespace, first.private_ip_address, 9, b"ask", source)
        assert heard(receiver, b"ask")
    with receiving(sender.namespace, "0.0.0.0", 4000) as receiver:
        tell(first.namespace, sender.private_ip_address, 4000, b"answer", (first.private_ip_address, 9))
        assert heard(receiver, b"answer")

    network.detach(next(each for each in network.attached() if each == "i-first"))
    others = [network.join(f"i-next-{number}", SHUT) for number in range(2)]
    heir = next(each for each in others if each.private_ip_address == first.private_ip_address)
    with receiving(heir.namespace, "0.0.0.0", 9) as receiver:
        tell(sender.namespace, heir.private_ip_address, 9, b"still there?", source)
        assert not heard(receiver, b"still there?")


def test_there_is_no_other_internet_protocol(network: Driven) -> None:
    one = network.join("i-one", WEB)
    addresses = namespaces.inside(one.namespace, lambda: Path("/proc/thread-self/net/if_inet6").read_text())

    assert "eth0" not in addresses
