from typing import Any

import pytest
from botocore.exceptions import ClientError

from paddock.controlplane.inventory import Inventory
from tests.controlplane.ec2.fleet_in_memory import instance_id, running
from tests.controlplane.harness import NOON, Harness

ONE = str(instance_id(1))


@pytest.fixture
def fleet(harness: Harness) -> Harness:
    inventory = Inventory()
    running(inventory, 1, NOON)
    harness.inventories.append(inventory)
    return harness


def tags(harness: Harness) -> dict[str, str]:
    shown = harness.ec2.describe_instances(InstanceIds=[ONE])["Reservations"][0]["Instances"][0]["Tags"]
    return {tag["Key"]: tag["Value"] for tag in shown}


def code(call: Any, **params: Any) -> str:
    with pytest.raises(ClientError) as raised:
        call(**params)
    return str(raised.value.response["Error"]["Code"])


def test_own_tags_come_and_go_and_those_of_the_launch_stay(fleet: Harness) -> None:
    ec2 = fleet.ec2
    ec2.create_tags(Resources=[ONE], Tags=[{"Key": "owner", "Value": "ann"}, {"Key": "team", "Value": "red"}])
    assert tags(fleet)["owner"] == "ann"
    assert tags(fleet)["team"] == "blue"
    found = ec2.describe_instances(IncludeManagedResources=True, Filters=[{"Name": "tag:owner", "Values": ["ann"]}])
    assert len(found["Reservations"]) == 1
    ec2.delete_tags(Resources=[ONE], Tags=[{"Key": "owner", "Value": "bob"}])
    assert "owner" in tags(fleet)
    ec2.delete_tags(Resources=[ONE], Tags=[{"Key": "owner", "Value": "ann"}])
    assert "owner" not in tags(fleet)
    ec2.create_tags(Resources=[ONE], Tags=[{"Key": "owner", "Value": "ann"}])
    ec2.delete_tags(Resources=[ONE])
    assert set(tags(fleet)) == {"aws:lambda:capacity-provider", "team"}


def test_tags_of_all_instances_are_listed(fleet: Harness) -> None:
    fleet.ec2.create_tags(Resources=[ONE], Tags=[{"Key": "owner", "Value": "ann"}])
    shown = fleet.ec2.describe_tags(Filters=[{"Name": "key", "Values": ["owner", "team"]}])["Tags"]
    assert [(tag["ResourceId"], tag["ResourceType"], tag["Key"], tag["Value"]) for tag in shown] == [
        (ONE, "instance", "owner", "ann"),
        (ONE, "instance", "team", "blue"),
    ]


def test_wrong_tags_have_ec2s_errors(fleet: Harness) -> None:
    create = fleet.ec2.create_tags
    assert code(create, Resources=[ONE], Tags=[{"Key": "aws:x", "Value": ""}]) == "InvalidParameterValue"
    assert code(create, Resources=["vpc-default"], Tags=[{"Key": "x", "Value": ""}]) == "InvalidID"
    assert code(create, Resources=["i-00000000"], Tags=[{"Key": "x", "Value": ""}]) == "InvalidInstanceID.NotFound"
    many = [{"Key": f"key-{number}", "Value": ""} for number in range(49)]
    assert code(create, Resources=[ONE], Tags=many) == "TagLimitExceeded"
    assert len(tags(fleet)) == 2


def test_tags_of_instances_long_gone_are_cleared_away(fleet: Harness) -> None:
    fleet.ec2.create_tags(Resources=[ONE], Tags=[{"Key": "owner", "Value": "ann"}])
    fleet.inventories[0].instances.clear()
    running(fleet.inventories[0], 2, NOON)
    fleet.later(2 * 3600)
    fleet.ec2.describe_instances()
    fleet.later(2 * 3600)
    fleet.ec2.create_tags(Resources=[str(instance_id(2))], Tags=[{"Key": "owner", "Value": "bob"}])
    kept = fleet.store_tags()
    assert [arn.rpartition("/")[2] for arn in kept] == [instance_id(2)]
