"""What stands behind a function is seen through EC2's API and measured through CloudWatch's, by real clients."""

from __future__ import annotations

import io
import json
import os
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.e2e.conftest import QUICKLY, Server, create_function, create_provider, eventually, invoke, package

pytestmark = pytest.mark.e2e

PACKAGED = 1024 * 1024
OPERATOR = "scaler.lambda.amazonaws.com"


@pytest.fixture(scope="module")
def measured(server: Server, api: Any) -> Iterator[str]:
    """A function on a provider of its own, with tags that its instances carry."""
    tags = {"Mode": "Explicit", "ExplicitTags": {"team": "blue"}}
    arn = create_provider(api, "measured", PropagateTags=tags)
    create_function(api, arn, "measured", max_concurrency=2)
    yield arn
    api.delete_function(FunctionName="measured")
    assert eventually(lambda: deleted(api, "measured"))


def deleted(api: Any, name: str) -> bool:
    try:
        api.delete_capacity_provider(CapacityProviderName=name)
    except ClientError as error:
        return bool(error.response["Error"]["Code"] == "ResourceNotFoundException")
    return False


def instances(server: Server, arn: str, **params: Any) -> list[dict[str, Any]]:
    filters = [{"Name": "tag:aws:lambda:capacity-provider", "Values": [arn]}, *params.pop("Filters", [])]
    answer = server.client("ec2").describe_instances(**{"IncludeManagedResources": True, **params, "Filters": filters})
    return [instance for reservation in answer["Reservations"] for instance in reservation["Instances"]]


def total(server: Server, name: str, stat: str = "Sum", namespace: str = "AWS/Lambda", **dimensions: str) -> float:
    """Of the last minutes, all together; 0 where nothing was measured."""
    now = datetime.now(UTC)
    answer = server.client("cloudwatch").get_metric_statistics(
        Namespace=namespace,
        MetricName=name,
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        StartTime=now - timedelta(minutes=10),
        EndTime=now + timedelta(minutes=1),
        Period=60,
        Statistics=[stat],
    )
    values = [point[stat] for point in answer["Datapoints"]]
    return float(max(values, default=0) if stat == "Maximum" else sum(values))


def test_instances_show_operator_provider_and_propagated_tags(server: Server, measured: str) -> None:
    found = instances(server, measured, Filters=[{"Name": "instance-state-name", "Values": ["running"]}])
    assert len(found) >= 3
    assert {each["Placement"]["AvailabilityZone"] for each in found} == {f"us-east-1{letter}" for letter in "abc"}
    for each in found:
        assert each["Operator"] == {"Managed": True, "Principal": OPERATOR, "HiddenByDefault": True}
        assert {"Key": "team", "Value": "blue"} in each["Tags"]
    kinds = sorted({each["InstanceType"] for each in found})
    types = server.client("ec2").describe_instance_types(InstanceTypes=kinds)["InstanceTypes"]
    assert [each["InstanceType"] for each in types] == kinds
    server.client("ec2").get_waiter("instance_running").wait(
        InstanceIds=[each["InstanceId"] for each in found], WaiterConfig=QUICKLY
    )


def test_instances_are_hidden_by_default_and_found_by_id(server: Server, measured: str) -> None:
    ec2 = server.client("ec2")
    known = [each["InstanceId"] for each in instances(server, measured)]
    assert known
    assert ec2.describe_instances()["Reservations"] == []
    assert len(ec2.describe_instances(InstanceIds=known)["Reservations"]) == len(known)


def test_the_aws_command_lists_instances(server: Server, measured: str) -> None:
    listed = server.aws("ec2", "describe-instances", "--include-managed-resources", "--output", "json")
    assert listed.returncode == 0, listed.stderr
    shown = [each for reservation in json.loads(listed.stdout)["Reservations"] for each in reservation["Instances"]]
    assert {each["InstanceId"] for each in instances(server, measured)} <= {each["InstanceId"] for each in shown}


def test_nobody_ends_an_instance_through_ec2(server: Server, api: Any, measured: str) -> None:
    before = {each["InstanceId"] for each in instances(server, measured)}
    one = min(before)
    refused = server.aws("ec2", "terminate-instances", "--instance-ids", one)
    assert refused.returncode != 0
    assert "OperationNotPermitted" in refused.stderr
    assert OPERATOR in refused.stderr
    ec2 = server.client("ec2")
    for touch in (ec2.stop_instances, ec2.reboot_instances):
        with pytest.raises(ClientError, match="OperationNotPermitted"):
            touch(InstanceIds=[one])
    assert before <= {each["InstanceId"] for each in instances(server, measured)}
    assert invoke(api, "measured", {"still": "there"})


def test_the_network_that_a_provider_names_is_there(server: Server) -> None:
    ec2 = server.client("ec2")
    vpc = ec2.describe_vpcs()["Vpcs"][0]["VpcId"]
    subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]
    assert [each["SubnetId"] for each in subnets] == ["subnet-a", "subnet-b", "subnet-c"]
    groups = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["SecurityGroups"]
    assert [each["GroupId"] for each in groups] == ["sg-default"]
    zones = ec2.describe_availability_zones()["AvailabilityZones"]
    assert [each["ZoneName"] for each in zones] == [each["AvailabilityZone"] for each in subnets]


def test_every_invocation_is_counted_and_its_duration_measured(server: Server, api: Any, measured: str) -> None:
    before = total(server, "Invocations", FunctionName="measured")
    for number in range(10):
        invoke(api, "measured", {"number": number})

    def all_counted() -> bool:
        resource = {"FunctionName": "measured", "Resource": "measured:$LATEST.PUBLISHED"}
        counts = {
            total(server, "Invocations", FunctionName="measured"),
            total(server, "Invocations", **resource),
            total(server, "Duration", "SampleCount", FunctionName="measured"),
            total(server, "Errors", "SampleCount", FunctionName="measured"),
        }
        return len(counts) == 1 and counts.pop() >= before + 10

    assert eventually(all_counted)
    assert total(server, "Duration", "Maximum", FunctionName="measured") > 0


def test_errors_and_throttles_are_counted_by_cause(server: Server, api: Any, measured: str) -> None:
    invoke(api, "measured", {"do": "fail"})
    assert eventually(lambda: total(server, "Errors", FunctionName="measured") >= 1)

    def busy(_: int) -> bool:
        try:
            invoke(api, "measured", {"do": "wait", "seconds": 1.0})
        except ClientError as error:
            return bool(error.response["Error"]["Code"] == "TooManyRequestsException")
        return False

    with ThreadPoolExecutor(40) as pool:
        throttled = sum(pool.map(busy, range(40)))
    assert throttled > 0
    assert eventually(lambda: total(server, "Throttles", FunctionName="measured") == throttled)
    assert total(server, "ConcurrencyThrottles", FunctionName="measured") == throttled
    assert total(server, "CPUThrottles", FunctionName="measured") == 0


def test_fleet_and_environments_are_measured(server: Server, measured: str) -> None:
    kind = instances(server, measured)[0]["InstanceType"]
    of_instances = {"CapacityProviderName": "measured", "InstanceType": kind}
    of_environments = {
        "CapacityProviderName": "measured",
        "FunctionName": "measured",
        "Resource": "measured:$LATEST.PUBLISHED",
    }
    for name in ("CPUUtilization", "MemoryUtilization", "vCPUAllocated", "vCPUAvailable", "MemoryAllocated"):
        assert eventually(lambda name=name: total(server, name, "Maximum", **of_instances) > 0), name  # type: ignore[misc]
    for name in ("ExecutionEnvironmentCount", "ExecutionEnvironmentMemoryUtilization"):
        assert eventually(lambda name=name: total(server, name, "Maximum", **of_environments) > 0), name  # type: ignore[misc]
    assert total(server, "ExecutionEnvironmentConcurrencyLimit", "Maximum", **of_environments) == 2
    for name in ("cpu_utilization", "cpu_total_time", "memory_utilization_max"):
        assert eventually(
            lambda name=name: total(server, name, "Maximum", "LambdaInsights", function_name="measured") > 0  # type: ignore[misc]
        ), name


def test_what_is_read_from_storage_is_measured_of_instances(server: Server, api: Any, measured: str) -> None:
    kind = instances(server, measured)[0]["InstanceType"]
    create_function(api, measured, "reads", Handler="reads.handler", Code={"ZipFile": with_file("reads.py", PACKAGED)})
    try:
        assert invoke(api, "reads", {}) == {"read": PACKAGED}

        def is_measured() -> bool:
            invoke(api, "reads", {})
            return total(server, "DiskReadBytes", CapacityProviderName="measured", InstanceType=kind) >= PACKAGED

        assert eventually(is_measured), "where the data directory is in memory nothing is read from storage"
    finally:
        api.delete_function(FunctionName="reads")
    dimensions = f'capacity_provider_name="measured",instance_type="{kind}"'
    with urllib.request.urlopen(f"{server.url}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    (counted,) = [line for line in lines if line.startswith(f"paddock_disk_read_bytes_total{{{dimensions}}}")]
    assert float(counted.split()[-1]) >= PACKAGED


def with_file(function: str, size: int) -> bytes:
    """A package with a file beside the function that cannot be compressed."""
    buffer = io.BytesIO(package(function))
    with zipfile.ZipFile(buffer, "a") as archive:
        archive.writestr("packaged.bin", os.urandom(size))
    return buffer.getvalue()


def test_the_aws_command_reads_metrics(server: Server, api: Any, measured: str) -> None:
    invoke(api, "measured", {})
    now = datetime.now(UTC)
    times = [
        "--start-time",
        f"{now - timedelta(minutes=5):%FT%TZ}",
        "--end-time",
        f"{now + timedelta(minutes=5):%FT%TZ}",
    ]

    def datapoints() -> list[dict[str, Any]]:
        read = server.aws(
            *("cloudwatch", "get-metric-statistics", "--namespace", "AWS/Lambda", "--metric-name", "Duration"),
            *("--dimensions", "Name=FunctionName,Value=measured", "--period", "300", *times),
            *("--statistics", "Average", "--extended-statistics", "p99", "--output", "json"),
        )
        assert read.returncode == 0, read.stderr
        found: list[dict[str, Any]] = json.loads(read.stdout)["Datapoints"]
        return found

    assert eventually(lambda: bool(datapoints()))
    one = datapoints()[0]
    assert one["Unit"] == "Milliseconds"
    assert one["Average"] > 0
    assert one["ExtendedStatistics"]["p99"] > 0
    listed = server.aws("cloudwatch", "list-metrics", "--namespace", "AWS/Lambda", "--output", "json")
    names = {each["MetricName"] for each in json.loads(listed.stdout)["Metrics"]}
    assert {"DiskReadBytes", "DiskWriteBytes"} <= names
    assert {"Invocations", "CPUUtilization", "ExecutionEnvironmentConcurrency", "ConcurrencyThrottles"} <= names


def test_metric_math_works_out_an_error_rate(server: Server, api: Any, measured: str) -> None:
    invoke(api, "measured", {})

    def metric(identifier: str, name: str) -> dict[str, Any]:
        dimensions = [{"Name": "FunctionName", "Value": "measured"}]
        asked = {"Namespace": "AWS/Lambda", "MetricName": name, "Dimensions": dimensions}
        return {"Id": identifier, "MetricStat": {"Metric": asked, "Period": 60, "Stat": "Sum"}, "ReturnData": False}

    def rates() -> list[float]:
        now = datetime.now(UTC)
        answer = server.client("cloudwatch").get_metric_data(
            MetricDataQueries=[
                {"Id": "rate", "Expression": "100 * errors / invocations"},
                metric("errors", "Errors"),
                metric("invocations", "Invocations"),
            ],
            StartTime=now - timedelta(minutes=10),
            EndTime=now + timedelta(minutes=1),
        )
        return list(answer["MetricDataResults"][0]["Values"])

    assert eventually(lambda: bool(rates()))
    assert all(0 <= rate <= 100 for rate in rates())


SEARCHED = """SEARCH('{AWS/Lambda,FunctionName} MetricName="Invocations" FunctionName="measured"', 'Sum', 60)"""


def test_a_search_finds_the_metrics_of_functions(server: Server, api: Any, measured: str) -> None:
    """As dashboards ask: each function's series, and the sum of all; by boto3 and by the `aws` command."""
    invoke(api, "measured", {})
    queries = [{"Id": "each", "Expression": SEARCHED}, {"Id": "total", "Expression": "SUM(each)"}]

    def found() -> dict[str, Any]:
        now = datetime.now(UTC)
        times = {"StartTime": now - timedelta(minutes=10), "EndTime": now + timedelta(minutes=1)}
        answer = server.client("cloudwatch").get_metric_data(MetricDataQueries=queries, **times)
        return {result["Id"]: (result["Label"], sum(result["Values"])) for result in answer["MetricDataResults"]}

    assert eventually(lambda: found().get("each", ("", 0))[1] > 0)
    results = found()
    assert results["each"][0] == "measured"
    assert results["total"][1] > 0

    now = datetime.now(UTC)
    asked = (
        "cloudwatch",
        "get-metric-data",
        "--output",
        "json",
        "--start-time",
        f"{now - timedelta(minutes=10):%FT%TZ}",
    )
    until = ("--end-time", f"{now + timedelta(minutes=1):%FT%TZ}", "--metric-data-queries")
    read = server.aws(*asked, *until, json.dumps(queries))
    assert read.returncode == 0, read.stderr
    assert [result["Id"] for result in json.loads(read.stdout)["MetricDataResults"]] == ["each", "total"]

    refused = server.aws(*asked, *until, json.dumps([{"Id": "e", "Expression": "NONSENSE(each)"}, *queries]))
    assert "(ValidationError)" in refused.stderr
    assert "Function NONSENSE is not supported" in refused.stderr


def test_prometheus_finds_counters_and_gauges(server: Server, api: Any, measured: str) -> None:
    invoke(api, "measured", {})

    def scraped() -> str:
        with urllib.request.urlopen(f"{server.url}/metrics") as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            return str(answer.read().decode())

    labels = 'function_name="measured",version="$LATEST.PUBLISHED"'
    assert f"paddock_invocations_total{{{labels}}}" in scraped()
    gauge = 'paddock_execution_environment_count{capacity_provider_name="measured",function_name="measured"'
    assert eventually(lambda: gauge in scraped())


def test_an_instance_that_ended_is_shown_as_terminated(own_server: Callable[..., Server]) -> None:
    server = own_server()
    api = server.client("lambda")
    create_function(api, create_provider(api, "passing"), "passing")
    ec2 = server.client("ec2")
    known = [
        each["InstanceId"]
        for reservation in ec2.describe_instances(IncludeManagedResources=True)["Reservations"]
        for each in reservation["Instances"]
    ]
    assert known
    api.delete_function(FunctionName="passing")
    assert eventually(lambda: deleted(api, "passing"))
    ec2.get_waiter("instance_terminated").wait(InstanceIds=known, WaiterConfig=QUICKLY)


def test_instances_that_a_stop_ended_are_shown_after_the_restart(own_server: Callable[..., Server]) -> None:
    server = own_server()
    api = server.client("lambda")
    create_function(api, create_provider(api, "stopped"), "stopped")
    before = states_of(server)
    assert set(before.values()) == {"running"}
    server.stop()
    server = own_server()
    after = states_of(server)
    assert {instance_id: after.get(instance_id) for instance_id in before} == dict.fromkeys(before, "terminated")
    one = server.client("ec2").describe_instances(InstanceIds=list(before)[:1])["Reservations"][0]["Instances"][0]
    assert one["StateReason"]["Message"] == "Client.UserInitiatedShutdown: the server was stopped"
    listed = server.aws("ec2", "describe-instances", "--instance-ids", *before, "--output", "json")
    assert listed.returncode == 0, listed.stderr


def states_of(server: Server) -> dict[str, str]:
    reservations = server.client("ec2").describe_instances(IncludeManagedResources=True)["Reservations"]
    return {each["InstanceId"]: each["State"]["Name"] for found in reservations for each in found["Instances"]}


def test_metrics_outlive_the_server(own_server: Callable[..., Server]) -> None:
    server = own_server()
    api = server.client("lambda")
    create_function(api, create_provider(api, "lasting"), "lasting")
    for _ in range(5):
        invoke(api, "lasting", {})
    assert eventually(lambda: total(server, "Invocations", FunctionName="lasting") == 5)
    server.stop()
    later = own_server()
    assert total(later, "Invocations", FunctionName="lasting") == 5
