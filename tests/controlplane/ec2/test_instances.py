from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from paddock.controlplane.ec2.instances import TOUCHING
from paddock.controlplane.inventory import Inventory
from paddock.model.states import InstancePhase
from tests.controlplane.ec2.fleet_in_memory import PROVIDER_ARN, instance_id, running
from tests.controlplane.harness import NOON, Harness


@pytest.fixture
def fleet(harness: Harness) -> Harness:
    """Three running instances in three zones."""
    inventory = Inventory()
    for number, letter in enumerate("abc", 1):
        running(inventory, number, NOON + timedelta(seconds=number), letter=letter)
    harness.inventories.append(inventory)
    harness.later(3)
    return harness


def ids(harness: Harness, **params: Any) -> list[str]:
    params.setdefault("IncludeManagedResources", True)
    answer = harness.ec2.describe_instances(**params)
    return [instance["InstanceId"] for reservation in answer["Reservations"] for instance in reservation["Instances"]]


def error(call: Any, **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as raised:
        call(**params)
    found = raised.value.response["Error"]
    return found["Code"], found["Message"]


ONE, TWO, THREE = (str(instance_id(number)) for number in (1, 2, 3))


def test_a_managed_instance_shows_its_operator_type_place_and_tags(fleet: Harness) -> None:
    reservation = fleet.ec2.describe_instances(InstanceIds=[ONE])["Reservations"][0]
    assert reservation["OwnerId"] == "000000000000"
    assert reservation["ReservationId"].startswith("r-")
    shown = reservation["Instances"][0]
    assert shown["Operator"] == {
        "Managed": True,
        "Principal": "scaler.lambda.amazonaws.com",
        "HiddenByDefault": True,
    }
    assert shown["State"] == {"Code": 16, "Name": "running"}
    assert (shown["InstanceType"], shown["Architecture"]) == ("m7i.xlarge", "x86_64")
    assert shown["CpuOptions"] == {"CoreCount": 2, "ThreadsPerCore": 2}
    assert shown["Placement"]["AvailabilityZone"] == "us-east-1a"
    assert shown["Placement"]["AvailabilityZoneId"] == "use1-az1"
    assert (shown["SubnetId"], shown["VpcId"]) == ("subnet-a", "vpc-default")
    assert shown["SecurityGroups"] == [{"GroupId": "sg-default", "GroupName": "default"}]
    assert shown["LaunchTime"] == NOON + timedelta(seconds=1)
    assert {tag["Key"]: tag["Value"] for tag in shown["Tags"]} == {
        "aws:lambda:capacity-provider": PROVIDER_ARN,
        "team": "blue",
    }


def test_managed_instances_are_hidden_unless_asked_for(fleet: Harness) -> None:
    assert ids(fleet, IncludeManagedResources=False) == []
    assert ids(fleet, IncludeManagedResources=False, Filters=[{"Name": "operator.managed", "Values": ["true"]}]) == []
    assert ids(fleet) == [ONE, TWO, THREE]
    assert ids(fleet, IncludeManagedResources=False, InstanceIds=[TWO]) == [TWO]


def test_the_account_can_make_them_visible(fleet: Harness) -> None:
    assert fleet.ec2.get_managed_resource_visibility()["Visibility"] == {"DefaultVisibility": "hidden"}
    changed = fleet.ec2.modify_managed_resource_visibility(DefaultVisibility="visible")
    assert changed["Visibility"] == {"DefaultVisibility": "visible"}
    assert fleet.ec2.get_managed_resource_visibility()["Visibility"] == {"DefaultVisibility": "visible"}
    assert ids(fleet, IncludeManagedResources=False) == [ONE, TWO, THREE]
    shown = fleet.ec2.describe_instances()["Reservations"][0]["Instances"][0]
    assert shown["Operator"]["HiddenByDefault"] is False
    fleet.ec2.modify_managed_resource_visibility(DefaultVisibility="hidden")
    assert ids(fleet, IncludeManagedResources=False) == []


@pytest.mark.parametrize(
    ("name", "values", "found"),
    [
        ("operator.managed", ["true"], [ONE, TWO, THREE]),
        ("operator.principal", ["scaler.*"], [ONE, TWO, THREE]),
        ("instance-state-name", ["running"], [ONE, TWO, THREE]),
        ("instance-state-name", ["terminated", "stopped"], []),
        ("instance-state-code", ["16"], [ONE, TWO, THREE]),
        ("vpc-id", ["vpc-default"], [ONE, TWO, THREE]),
        ("vpc-id", ["vpc-other"], []),
        ("subnet-id", ["subnet-b"], [TWO]),
        ("availability-zone", ["us-east-1c", "us-east-1b"], [TWO, THREE]),
        ("tag:team", ["blue"], [ONE, TWO, THREE]),
        ("tag:aws:lambda:capacity-provider", [PROVIDER_ARN], [ONE, TWO, THREE]),
        ("tag-key", ["team"], [ONE, TWO, THREE]),
        ("instance-type", ["m7i.*"], [ONE, TWO, THREE]),
        ("instance.group-id", ["sg-default"], [ONE, TWO, THREE]),
        ("owner-id", ["000000000000"], [ONE, TWO, THREE]),
        ("reservation-id", ["r-00000000000000002"], [TWO]),
        ("spot-instance-request-id", ["*"], []),
    ],
)
def test_instances_are_filtered(fleet: Harness, name: str, values: list[str], found: list[str]) -> None:
    assert ids(fleet, Filters=[{"Name": name, "Values": values}]) == found


def test_the_list_is_read_in_pages_by_boto3(harness: Harness) -> None:
    inventory = Inventory()
    for number in range(12):
        running(inventory, number, NOON + timedelta(seconds=number))
    harness.inventories.append(inventory)
    paginator = harness.ec2.get_paginator("describe_instances")
    pages = list(paginator.paginate(IncludeManagedResources=True, PaginationConfig={"PageSize": 5}))
    assert [len(page["Reservations"]) for page in pages] == [5, 5, 2]
    seen = [each["Instances"][0]["InstanceId"] for page in pages for each in page["Reservations"]]
    assert seen == [instance_id(number) for number in range(12)]


def test_ids_and_bounds_have_ec2s_errors(fleet: Harness) -> None:
    describe = fleet.ec2.describe_instances
    assert error(describe, InstanceIds=["i-0123456789abcdef0"]) == (
        "InvalidInstanceID.NotFound",
        "The instance ID 'i-0123456789abcdef0' does not exist",
    )
    assert error(describe, InstanceIds=["i-00000000", "i-11111111"]) == (
        "InvalidInstanceID.NotFound",
        "The instance IDs 'i-00000000, i-11111111' do not exist",
    )
    assert error(describe, InstanceIds=["worker-1"]) == ("InvalidInstanceID.Malformed", 'Invalid id: "worker-1"')
    assert error(describe, InstanceIds=[ONE], MaxResults=5)[0] == "InvalidParameterCombination"
    assert error(describe, MaxResults=4)[0] == "InvalidParameterValue"
    assert error(describe, NextToken="made up")[0] == "InvalidPaginationToken"
    assert error(describe, Filters=[{"Name": "colour", "Values": ["red"]}])[0] == "InvalidParameterValue"
    assert error(describe, DryRun=True)[0] == "DryRunOperation"


def test_one_that_ends_says_why_and_is_shown_afterwards(fleet: Harness) -> None:
    record = fleet.inventories[0].instances[instance_id(1)]
    record.phase = InstancePhase.STOPPING
    record.intent = replace(record.intent, stop_reason="nothing is left on it")

    def shown() -> dict[str, Any]:
        found: dict[str, Any] = fleet.ec2.describe_instances(InstanceIds=[ONE])["Reservations"][0]["Instances"][0]
        return found

    ending = shown()
    assert ending["State"] == {"Code": 32, "Name": "shutting-down"}
    assert ending["StateReason"]["Message"] == "Client.UserInitiatedShutdown: nothing is left on it"
    fleet.inventories[0].forget(instance_id(1))
    ended = shown()
    assert ended["State"] == {"Code": 48, "Name": "terminated"}
    assert ended["StateTransitionReason"] == "Service initiated (2026-11-23 12:00:03 GMT)"
    fleet.inventories[0].forget(instance_id(2))
    lost = fleet.ec2.describe_instances(InstanceIds=[TWO])["Reservations"][0]["Instances"][0]
    assert lost["StateReason"]["Code"] == "Server.InternalError"
    fleet.ec2.get_waiter("instance_terminated").wait(InstanceIds=[ONE, TWO])


def test_status_is_that_of_running_ones_unless_all_are_asked_for(fleet: Harness) -> None:
    inventory = fleet.inventories[0]
    inventory.instances[instance_id(2)].phase = InstancePhase.PENDING
    inventory.instances[instance_id(3)].heard_at = NOON.timestamp() - 60

    def statuses(**params: Any) -> dict[str, tuple[str, str]]:
        answer = fleet.ec2.describe_instance_status(**{"IncludeManagedResources": True, **params})
        return {
            each["InstanceId"]: (each["InstanceState"]["Name"], each["InstanceStatus"]["Status"])
            for each in answer["InstanceStatuses"]
        }

    assert statuses() == {ONE: ("running", "ok"), THREE: ("running", "impaired")}
    assert statuses(IncludeAllInstances=True)[TWO] == ("pending", "initializing")
    assert statuses(Filters=[{"Name": "instance-status.status", "Values": ["impaired"]}]).keys() == {THREE}
    assert statuses(Filters=[{"Name": "instance-status.reachability", "Values": ["passed"]}]).keys() == {ONE}
    assert statuses(IncludeManagedResources=False) == {}
    assert statuses(IncludeManagedResources=False, InstanceIds=[ONE]).keys() == {ONE}
    shown = fleet.ec2.describe_instance_status(InstanceIds=[ONE])["InstanceStatuses"][0]
    assert shown["Operator"]["Principal"] == "scaler.lambda.amazonaws.com"
    fleet.ec2.get_waiter("instance_status_ok").wait(InstanceIds=[ONE])


NEEDED: dict[str, dict[str, Any]] = {"ResetInstanceAttribute": {"Attribute": "kernel"}}


@pytest.mark.parametrize("name", TOUCHING)
def test_whatever_would_change_an_instance_is_refused(fleet: Harness, name: str) -> None:
    method = {api: py for py, api in fleet.ec2.meta.method_to_api_mapping.items()}[name]
    members = fleet.ec2.meta.service_model.operation_model(name).input_shape.members
    named: dict[str, Any] = {"InstanceIds": [TWO]} if "InstanceIds" in members else {"InstanceId": TWO}
    code, text = error(getattr(fleet.ec2, method), **named, **NEEDED.get(name, {}))
    assert code == "OperationNotPermitted"
    assert name in text
    assert TWO in text
    assert "scaler.lambda.amazonaws.com" in text


def test_touching_one_that_is_not_there_says_so_first(fleet: Harness) -> None:
    assert error(fleet.ec2.terminate_instances, InstanceIds=["i-00000000"])[0] == "InvalidInstanceID.NotFound"
    assert error(fleet.ec2.stop_instances, InstanceIds=["x"])[0] == "InvalidInstanceID.Malformed"


def test_nobody_but_a_capacity_provider_launches(harness: Harness) -> None:
    code, text = error(harness.ec2.run_instances, MinCount=1, MaxCount=1)
    assert code == "OperationNotPermitted"
    assert "capacity provider" in text
