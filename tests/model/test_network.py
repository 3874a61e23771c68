from __future__ import annotations

from paddock.model.ids import Region, SubnetId
from paddock.model.network import default_network

NETWORK = default_network(Region("eu-west-1"))


def test_the_default_network_has_three_subnets_in_three_zones_and_a_group() -> None:
    assert [(each.subnet_id, each.zone) for each in NETWORK.subnets] == [
        ("subnet-a", "eu-west-1a"),
        ("subnet-b", "eu-west-1b"),
        ("subnet-c", "eu-west-1c"),
    ]
    assert len({each.cidr_block for each in NETWORK.subnets}) == 3
    assert NETWORK.default_security_group_id in NETWORK.security_group_ids


def test_a_subnet_is_found_by_its_id_or_not_at_all() -> None:
    found = NETWORK.subnet("subnet-b")

    assert found is not None
    assert found.zone == "eu-west-1b"
    assert NETWORK.subnet("subnet-z") is None


def test_zones_come_in_the_order_asked_without_subnets_that_are_gone() -> None:
    asked = (SubnetId("subnet-c"), SubnetId("subnet-gone"), SubnetId("subnet-a"))

    assert [each.subnet_id for each in NETWORK.zones(asked)] == ["subnet-c", "subnet-a"]


def test_a_group_has_what_aws_gives_a_new_one() -> None:
    (group,) = NETWORK.security_groups

    assert group.ip_permissions == ()
    assert [(each.ip_protocol, each.cidr_ip) for each in group.ip_permissions_egress] == [("-1", "0.0.0.0/0")]
    assert NETWORK.security_group(group.group_id) is group
    assert NETWORK.security_group("sg-z") is None
