"""The same operations through a real front on loopback, with signatures and real boto3 clients."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from botocore.exceptions import ClientError

from paddock.awsapi.operations import Operations
from paddock.controlplane.inventory import Inventory
from paddock.controlplane.operations import OPERATIONS
from tests.awsapi.fronts import client, front_of, served
from tests.controlplane.ec2.fleet_in_memory import instance_id, running
from tests.controlplane.harness import Harness


@pytest.fixture
def url(harness: Harness) -> Iterator[str]:
    inventory = Inventory()
    for number, letter in enumerate("abc", 1):
        running(inventory, number, harness.clock.at, letter=letter)
    harness.inventories.append(inventory)
    operations = Operations()
    for each in OPERATIONS:
        operations.register(each.service, each.name, partial(each.handler, harness.api), level=each.level)
    with served(front_of(operations)) as address:
        yield address


def test_instances_are_seen_and_not_touched(url: str) -> None:
    ec2 = client("ec2", url)
    assert ec2.describe_instances()["Reservations"] == []
    found = ec2.describe_instances(
        IncludeManagedResources=True,
        Filters=[
            {"Name": "operator.principal", "Values": ["scaler.lambda.amazonaws.com"]},
            {"Name": "tag:team", "Values": ["blue", "red"]},
        ],
    )
    assert [each["Instances"][0]["InstanceId"] for each in found["Reservations"]] == [
        instance_id(number) for number in (1, 2, 3)
    ]
    for touch in (ec2.terminate_instances, ec2.stop_instances, ec2.reboot_instances):
        with pytest.raises(ClientError) as refused:
            touch(InstanceIds=[instance_id(1)])
        assert refused.value.response["Error"]["Code"] == "OperationNotPermitted"
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_unsigned_requests_see_nothing(url: str) -> None:
    with pytest.raises(ClientError) as refused:
        client("ec2", url, secret="wrong").describe_instances()
    assert refused.value.response["Error"]["Code"] == "AuthFailure"


def test_metrics_go_in_and_come_back(url: str) -> None:
    cloudwatch: Any = client("cloudwatch", url)
    start = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=5)
    data = [
        {
            "MetricName": "Sales",
            "Dimensions": [{"Name": "Shop", "Value": "Ö & <co>"}],
            "Timestamp": start,
            "Value": value,
        }
        for value in (1.5, 2.5)
    ]
    cloudwatch.put_metric_data(Namespace="Mine", MetricData=data)
    listed = cloudwatch.list_metrics(Namespace="Mine")["Metrics"]
    assert listed == [
        {"Namespace": "Mine", "MetricName": "Sales", "Dimensions": [{"Name": "Shop", "Value": "Ö & <co>"}]}
    ]
    statistics = cloudwatch.get_metric_statistics(
        Namespace="Mine",
        MetricName="Sales",
        Dimensions=listed[0]["Dimensions"],
        StartTime=start,
        EndTime=start + timedelta(minutes=5),
        Period=60,
        Statistics=["Sum", "Maximum"],
        ExtendedStatistics=["p0"],
    )
    assert statistics["Datapoints"] == [
        {
            "Timestamp": start,
            "Unit": "None",
            "Sum": 4.0,
            "Maximum": 2.5,
            "ExtendedStatistics": {"p0": pytest.approx(1.5, rel=0.05)},
        }
    ]
    with pytest.raises(ClientError) as refused:
        cloudwatch.put_metric_data(Namespace="AWS/Lambda", MetricData=data)
    assert refused.value.response["Error"]["Code"] == "InvalidParameterValue"
