"""What every network of instances must keep, as checks that run against any that gives instances an interface.

A network's test makes a `NetworkUnderTest` and runs each of `CHECKS` on a fresh one. What packets may pass is not asked
here: that is each network's own.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from paddock.model.ids import InstanceId, SecurityGroupId, SubnetId
from paddock.model.network import Network
from paddock.model.states import StateReasonCode
from paddock.ports.instance_network import Attachment, InstanceNetwork
from paddock.ports.launcher import LaunchError

AT_ONCE = 6


class NetworkUnderTest(Protocol):
    """`network` belongs to nobody else. Its first subnet has addresses for `AT_ONCE` instances and more, its last for
    three: see `described`.
    """

    network: InstanceNetwork
    described: Network

    def restart(self) -> None:
        """`network` becomes a new one over the same engine, as after a restart of the server."""
        ...

    def leftovers(self) -> int:
        """How many things of the network there are; 0 where it cannot be known."""
        ...


def instance(number: int) -> InstanceId:
    return InstanceId(f"i-{number:017x}")


def attach(under_test: NetworkUnderTest, number: int = 1, subnet: int = 0) -> Attachment:
    subnet_id = under_test.described.subnets[subnet].subnet_id
    attachment = under_test.network.attach(instance(number), subnet_id, ())
    assert attachment is not None
    return attachment


def refused(
    under_test: NetworkUnderTest, number: int, subnet_id: SubnetId, *group_ids: SecurityGroupId
) -> LaunchError | None:
    try:
        under_test.network.attach(instance(number), subnet_id, group_ids)
    except LaunchError as refusal:
        return refusal
    return None


def an_instance_gets_an_address_of_its_subnet_that_aws_would_give(under_test: NetworkUnderTest) -> None:
    for subnet in (0, -1):
        block = ipaddress.IPv4Network(under_test.described.subnets[subnet].cidr_block)
        address = ipaddress.IPv4Address(attach(under_test, 10 + subnet, subnet).private_ip_address)
        assert address in block
        assert int(block[4]) <= int(address) < int(block[-1])


def to_attach_twice_is_the_same_attachment(under_test: NetworkUnderTest) -> None:
    assert attach(under_test) == attach(under_test)
    assert list(under_test.network.attached()) == [instance(1)]


def what_is_attached_is_listed_until_it_is_detached(under_test: NetworkUnderTest) -> None:
    assert under_test.network.attached() == {}
    first, second = attach(under_test, 1), attach(under_test, 2)
    assert under_test.network.attached() == {instance(1): first, instance(2): second}
    under_test.network.detach(instance(1))
    assert under_test.network.attached() == {instance(2): second}
    assert not first.namespace.exists()


def to_detach_twice_or_the_unknown_is_no_error(under_test: NetworkUnderTest) -> None:
    attach(under_test, 1)
    under_test.network.detach(instance(9))
    for _ in range(2):
        under_test.network.detach(instance(1))
    assert under_test.network.attached() == {}


def an_instance_may_come_back(under_test: NetworkUnderTest) -> None:
    first = attach(under_test)
    under_test.network.detach(instance(1))
    assert attach(under_test) == first


def a_new_server_finds_what_is_attached_and_can_detach_it(under_test: NetworkUnderTest) -> None:
    attachment = attach(under_test)
    under_test.restart()
    assert under_test.network.attached() == {instance(1): attachment}
    assert attach(under_test) == attachment
    under_test.network.detach(instance(1))
    assert under_test.network.attached() == {}


def a_full_subnet_refuses_with_awss_reason_until_an_address_is_free(under_test: NetworkUnderTest) -> None:
    last = under_test.described.subnets[-1].subnet_id
    addresses = {attach(under_test, number, -1).private_ip_address for number in (1, 2, 3)}
    assert len(addresses) == 3
    refusal = refused(under_test, 4, last)
    assert refusal is not None
    assert refusal.reason_code is StateReasonCode.SUBNET_OUT_OF_IP_ADDRESSES
    assert refusal.transient
    under_test.network.detach(instance(2))
    assert attach(under_test, 4, -1).private_ip_address in addresses


def a_subnet_or_group_that_is_not_there_is_refused_for_good(under_test: NetworkUnderTest) -> None:
    known = under_test.described.subnets[0].subnet_id
    for refusal, reason_code in (
        (refused(under_test, 1, SubnetId("subnet-gone")), StateReasonCode.INVALID_SUBNET),
        (refused(under_test, 1, known, SecurityGroupId("sg-gone")), StateReasonCode.INVALID_SECURITY_GROUP),
    ):
        assert refusal is not None
        assert refusal.reason_code is reason_code
        assert not refusal.transient
    assert under_test.network.attached() == {}


def many_threads_at_once_get_an_address_each(under_test: NetworkUnderTest) -> None:
    with ThreadPoolExecutor(AT_ONCE) as threads:
        list(threads.map(lambda number: attach(under_test, number), range(AT_ONCE)))
    attached = under_test.network.attached()
    assert len(attached) == AT_ONCE
    assert len({each.private_ip_address for each in attached.values()}) == AT_ONCE
    assert len({each.namespace for each in attached.values()}) == AT_ONCE


def nothing_is_left_behind_the_last_instance(under_test: NetworkUnderTest) -> None:
    for number in (1, 2):
        attach(under_test, number)
    for number in (1, 2):
        under_test.network.detach(instance(number))
    assert under_test.leftovers() == 0


CHECKS: tuple[Callable[[NetworkUnderTest], None], ...] = (
    an_instance_gets_an_address_of_its_subnet_that_aws_would_give,
    to_attach_twice_is_the_same_attachment,
    what_is_attached_is_listed_until_it_is_detached,
    to_detach_twice_or_the_unknown_is_no_error,
    an_instance_may_come_back,
    a_new_server_finds_what_is_attached_and_can_detach_it,
    a_full_subnet_refuses_with_awss_reason_until_an_address_is_free,
    a_subnet_or_group_that_is_not_there_is_refused_for_good,
    many_threads_at_once_get_an_address_each,
    nothing_is_left_behind_the_last_instance,
)
