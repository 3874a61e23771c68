"""An environment's own address on the loopback."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from hypothesis import given
from hypothesis import strategies as st

from paddock.isolation.loopback import own_loopback

OWN = IPv4Network("127.64.0.0/10")


@given(st.text())
def test_it_is_a_host_s_address_apart_from_those_that_services_use(environment_id: str) -> None:
    address = IPv4Address(own_loopback(environment_id))
    assert address in OWN
    assert int(address) & 0xFF not in (0, 255)


def test_it_stays_the_same_and_others_have_others() -> None:
    addresses = [own_loopback(f"env-{number}") for number in range(1000)]
    assert addresses[0] == own_loopback("env-0")
    assert len(set(addresses)) == 1000
