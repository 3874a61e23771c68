"""Names and addresses: two installations never meet, and what is written is read again."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from paddock.model.ids import InstanceId, SecurityGroupId, SubnetId
from paddock.networks.names import Names, described, free_address, interface_of, member_of
from paddock.networks.rules import Member

LONGEST_INTERFACE = 15


def test_an_installation_has_the_same_names_however_its_directory_is_written(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to("data")

    assert Names.of(tmp_path / "link") == Names.of(tmp_path / "data")
    assert Names.of(tmp_path / "other") != Names.of(tmp_path / "data")


def test_names_are_as_short_as_linux_wants_them(tmp_path: Path) -> None:
    assert len(Names.of(tmp_path).uplink) <= LONGEST_INTERFACE
    assert len(interface_of(InstanceId("i-" + "f" * 62))) <= LONGEST_INTERFACE


def test_a_namespace_says_whose_it_is(tmp_path: Path) -> None:
    names, others = Names.of(tmp_path), Names.of(tmp_path / "other")
    namespace = names.namespace(InstanceId("i-1"))

    assert names.instance_of(namespace) == "i-1"
    assert names.instance_of(names.router) is None
    assert names.instance_of(names.probe) is None
    assert others.instance_of(namespace) is None


def test_uplinks_have_link_local_pairs_and_many_of_them(tmp_path: Path) -> None:
    pairs = list(Names.of(tmp_path).pairs())

    addresses = [ipaddress.IPv4Address(each) for pair in pairs for each in (pair.machine, pair.router)]
    assert len(set(addresses)) == 2 * len(pairs) == 16384
    assert all(each.is_link_local for each in addresses)
    # Where clouds keep their services.
    assert max(addresses) < ipaddress.IPv4Address("169.254.169.0")


def test_what_is_written_on_an_interface_is_read_again() -> None:
    groups = (SecurityGroupId("sg-a"), SecurityGroupId("sg-b"))
    instance_id = InstanceId("i-1")
    member = Member(instance_id, interface_of(instance_id), "10.0.0.4", SubnetId("subnet-a"), groups)

    assert member_of(member.interface, described(member)) == member


def test_what_others_wrote_is_no_instance() -> None:
    for alias in ("", "uplink of the office", "i-1 10.0.0.4 subnet-a sg-a"):
        assert member_of("veth0", alias) is None


@given(prefix=st.integers(20, 32), number=st.integers(0, 1000))
def test_a_subnet_gives_each_address_once_and_none_of_those_that_aws_keeps(prefix: int, number: int) -> None:
    block = ipaddress.IPv4Network(f"10.7.0.0/{prefix}")
    taken: set[str] = set()
    for each in range(min(8, max(0, block.num_addresses - 5))):
        address = free_address(str(block), taken, InstanceId(f"i-{number}-{each}"))
        assert address is not None
        assert address not in taken
        assert int(block[4]) <= int(ipaddress.IPv4Address(address)) < int(block[-1])
        taken.add(address)
    if block.num_addresses <= 8:
        assert free_address(str(block), taken, InstanceId("i-late")) is None
