from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from paddock.controlplane.inventory import Inventory
from paddock.model.states import InstancePhase
from tests.controlplane.ec2.fleet_in_memory import PROVIDER_ARN, instance_id, running
from tests.controlplane.harness import NOON, Harness

ONE, TWO, THREE = (str(instance_id(number)) for number in (1, 2, 3))
ENI_ONE, ENI_TWO = (each.replace("i-", "eni-") for each in (ONE, TWO))
OPERATOR = {"Managed": True, "Principal": "scaler.lambda.amazonaws.com", "HiddenByDefault": True}
ATTACHMENT = {
    "AttachTime": NOON + timedelta(seconds=1),
    "AttachmentId": "eni-attach-00000000000000001",
    "DeleteOnTermination": True,
    "DeviceIndex": 0,
    "NetworkCardIndex": 0,
    "Status": "attached",
}


@pytest.fixture
def fleet(harness: Harness) -> Harness:
    """Two instances with an interface and one in the machine's network."""
    inventory = Inventory()
    for number, letter in enumerate("abc", 1):
        record = running(inventory, number, NOON + timedelta(seconds=number), letter=letter)
        record.private_ip_address = f"10.231.{16 * number - 16}.4" if number < 3 else None
    harness.inventories.append(inventory)
    harness.later(3)
    return harness


def shown(fleet: Harness, named: str) -> dict[str, Any]:
    found: dict[str, Any] = fleet.ec2.describe_instances(InstanceIds=[named])["Reservations"][0]["Instances"][0]
    return found


def interfaces(fleet: Harness, **params: Any) -> list[str]:
    params.setdefault("IncludeManagedResources", True)
    return [each["NetworkInterfaceId"] for each in fleet.ec2.describe_network_interfaces(**params)["NetworkInterfaces"]]


def instances(fleet: Harness, name: str, value: str) -> list[str]:
    answer = fleet.ec2.describe_instances(IncludeManagedResources=True, Filters=[{"Name": name, "Values": [value]}])
    return [each["Instances"][0]["InstanceId"] for each in answer["Reservations"]]


def test_an_instance_shows_its_address_and_its_interface(fleet: Harness) -> None:
    found = shown(fleet, ONE)
    assert found["PrivateIpAddress"] == "10.231.0.4"
    assert found["NetworkInterfaces"] == [
        {
            "Attachment": ATTACHMENT,
            "Description": "",
            "Groups": [{"GroupId": "sg-default", "GroupName": "default"}],
            "InterfaceType": "interface",
            "Ipv6Addresses": [],
            "NetworkInterfaceId": ENI_ONE,
            "Operator": OPERATOR,
            "OwnerId": "000000000000",
            "PrivateIpAddress": "10.231.0.4",
            "PrivateIpAddresses": [{"Primary": True, "PrivateIpAddress": "10.231.0.4"}],
            "SourceDestCheck": True,
            "Status": "in-use",
            "SubnetId": "subnet-a",
            "VpcId": "vpc-default",
        }
    ]


def test_one_in_the_machines_network_shows_none(fleet: Harness) -> None:
    found = shown(fleet, THREE)
    assert found["NetworkInterfaces"] == []
    assert "PrivateIpAddress" not in found


def test_an_interface_ends_with_its_instance(fleet: Harness) -> None:
    fleet.inventories[0].instances[instance_id(1)].phase = InstancePhase.STOPPING
    assert shown(fleet, ONE)["PrivateIpAddress"] == "10.231.0.4"
    fleet.inventories[0].forget(instance_id(1))
    assert shown(fleet, ONE)["State"]["Name"] == "terminated"
    assert shown(fleet, ONE)["NetworkInterfaces"] == []
    assert interfaces(fleet) == [ENI_TWO]


def test_an_interface_is_described_with_its_instance_place_and_tags(fleet: Harness) -> None:
    (found,) = fleet.ec2.describe_network_interfaces(NetworkInterfaceIds=[ENI_ONE])["NetworkInterfaces"]
    assert found["Attachment"] == {**ATTACHMENT, "InstanceId": ONE, "InstanceOwnerId": "000000000000"}
    assert (found["AvailabilityZone"], found["AvailabilityZoneId"]) == ("us-east-1a", "use1-az1")
    assert (found["Status"], found["PrivateIpAddress"]) == ("in-use", "10.231.0.4")
    assert found["RequesterManaged"] is True
    assert found["Operator"] == OPERATOR
    assert {tag["Key"]: tag["Value"] for tag in found["TagSet"]} == {
        "aws:lambda:capacity-provider": PROVIDER_ARN,
        "team": "blue",
    }


def test_interfaces_are_hidden_unless_asked_for(fleet: Harness) -> None:
    assert interfaces(fleet) == [ENI_ONE, ENI_TWO]
    assert interfaces(fleet, IncludeManagedResources=False) == []
    assert interfaces(fleet, IncludeManagedResources=False, NetworkInterfaceIds=[ENI_TWO]) == [ENI_TWO]
    fleet.ec2.modify_managed_resource_visibility(DefaultVisibility="visible")
    assert interfaces(fleet, IncludeManagedResources=False) == [ENI_ONE, ENI_TWO]


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("private-ip-address", "10.231.16.*", [ENI_TWO]),
        ("addresses.private-ip-address", "10.231.0.4", [ENI_ONE]),
        ("attachment.instance-id", TWO, [ENI_TWO]),
        ("subnet-id", "subnet-a", [ENI_ONE]),
        ("group-id", "sg-default", [ENI_ONE, ENI_TWO]),
        ("status", "in-use", [ENI_ONE, ENI_TWO]),
        ("status", "available", []),
        ("operator.managed", "true", [ENI_ONE, ENI_TWO]),
        ("tag:team", "blue", [ENI_ONE, ENI_TWO]),
        ("mac-address", "*", []),
    ],
)
def test_interfaces_are_filtered(fleet: Harness, name: str, value: str, found: list[str]) -> None:
    assert interfaces(fleet, Filters=[{"Name": name, "Values": [value]}]) == found


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("private-ip-address", "10.231.16.4", [TWO]),
        ("network-interface.network-interface-id", ENI_ONE, [ONE]),
        ("network-interface.subnet-id", "subnet-*", [ONE, TWO]),
        ("network-interface.attachment.status", "attached", [ONE, TWO]),
        ("network-interface.association.public-ip", "*", []),
    ],
)
def test_instances_are_filtered_by_their_interface(fleet: Harness, name: str, value: str, found: list[str]) -> None:
    assert instances(fleet, name, value) == found


def test_ids_and_bounds_have_ec2s_errors(fleet: Harness) -> None:
    def error(**params: Any) -> tuple[str, str]:
        with pytest.raises(ClientError) as raised:
            fleet.ec2.describe_network_interfaces(**params)
        said = raised.value.response["Error"]
        return said["Code"], said["Message"]

    assert error(NetworkInterfaceIds=["eni-0123"]) == (
        "InvalidNetworkInterfaceID.NotFound",
        "The networkInterface ID 'eni-0123' does not exist",
    )
    assert error(NetworkInterfaceIds=[ENI_ONE], MaxResults=5)[0] == "InvalidParameterCombination"
    assert error(Filters=[{"Name": "colour", "Values": ["red"]}])[0] == "InvalidParameterValue"
    assert error(DryRun=True)[0] == "DryRunOperation"
