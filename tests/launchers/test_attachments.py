"""Who is attached, and that nobody stays attached who does not live."""

import pytest

from paddock.launchers.attachments import Attachments
from paddock.model.capacity_provider import Architecture
from paddock.model.ids import (
    DEFAULT_LAMBDA,
    AvailabilityZone,
    CapacityProviderName,
    InstanceId,
    SecurityGroupId,
    SubnetId,
)
from paddock.model.instance_types import InstanceType
from paddock.model.states import StateReasonCode
from paddock.ports.launcher import LaunchError, LaunchRequest
from tests.launchers.networks import WrittenNetwork

POOL = CapacityProviderName("pool")
ONE, OTHER = InstanceId("i-1"), InstanceId("i-2")
NO_ADDRESS = LaunchError(StateReasonCode.INSUFFICIENT_CAPACITY, "subnet-a has no free address", transient=True)


def request(instance_id: InstanceId = ONE, provider: CapacityProviderName = POOL) -> LaunchRequest:
    return LaunchRequest(
        instance_id=instance_id,
        provider=provider,
        instance_type=InstanceType("m7g.large", 2, 8.0, Architecture.ARM64),
        zone=AvailabilityZone("us-east-1a"),
        subnet_id=SubnetId("subnet-a"),
        security_group_ids=(SecurityGroupId("sg-web"),),
        entitled_cores=1.0,
        strict_cpu=False,
        token="token",
    )


def look(attachments: Attachments, *living: InstanceId) -> None:
    attachments.detach_unclaimed(attachments.maybe_unclaimed(), living)


def test_an_instance_gets_an_interface_in_its_subnet_with_its_groups() -> None:
    network = WrittenNetwork()
    with Attachments(network).launching(request()) as attachment:
        assert attachment is not None
    assert network.given == {ONE: ("subnet-a", ("sg-web",))}


def test_in_the_machines_network_there_is_none() -> None:
    network = WrittenNetwork()
    for attachments in (Attachments(), Attachments(network, attaches=False)):
        assert attachments.name == "host"
        with attachments.launching(request()) as attachment:
            assert attachment is None
    assert network.given == {}
    assert Attachments(network).name == "vpc"


def test_functions_without_a_capacity_provider_stay_in_the_machines_network() -> None:
    network = WrittenNetwork()
    with Attachments(network).launching(request(provider=DEFAULT_LAMBDA)) as attachment:
        assert attachment is None
    assert network.given == {}


def test_a_refusal_is_the_launchs() -> None:
    network = WrittenNetwork()
    network.refusal = NO_ADDRESS
    with pytest.raises(LaunchError, match="no free address"), Attachments(network).launching(request()):
        pass


def test_what_an_earlier_server_left_is_given_back_at_the_first_look_and_then_nobody_is_asked() -> None:
    network = WrittenNetwork()
    for instance_id in (ONE, OTHER):
        with Attachments(network).launching(request(instance_id)):
            pass
    later = Attachments(network)
    look(later, OTHER)
    assert list(network.given) == [OTHER]
    look(later, OTHER)
    assert network.asked == 1


def test_an_instance_that_is_being_launched_keeps_its_interface() -> None:
    network = WrittenNetwork()
    attachments = Attachments(network)
    with attachments.launching(request()):
        look(attachments)
        assert list(network.given) == [ONE]


def test_one_attached_after_the_network_was_asked_keeps_its_interface() -> None:
    network = WrittenNetwork()
    attachments = Attachments(network)
    found = attachments.maybe_unclaimed()
    with attachments.launching(request()):
        attachments.detach_unclaimed(found, ())
    assert list(network.given) == [ONE]


def test_a_launch_that_fails_after_its_attachment_leaves_none() -> None:
    network = WrittenNetwork()
    attachments = Attachments(network)
    look(attachments)
    with pytest.raises(OSError, match="disk"), attachments.launching(request()):
        raise OSError("the disk is full")
    look(attachments)
    assert network.given == {}


def test_what_could_not_be_detached_is_detached_later() -> None:
    network = WrittenNetwork()
    attachments = Attachments(network)
    look(attachments)
    with attachments.launching(request()):
        pass
    network.failures = 2
    attachments.detach(ONE)
    look(attachments)
    assert list(network.given) == [ONE]
    look(attachments)
    assert network.given == {}


def test_who_has_an_interface_gives_it_back_also_where_new_instances_get_none() -> None:
    network = WrittenNetwork()
    with Attachments(network).launching(request()):
        pass
    later = Attachments(network, attaches=False)
    look(later, ONE)
    later.detach(ONE)
    assert network.given == {}
