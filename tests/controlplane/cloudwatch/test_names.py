"""AWS's monitoring page of Managed Instances, against what is published."""

import pytest

from paddock.controlplane.cloudwatch.names import UNITS, of_environments, of_insights, of_instances, of_invocations
from paddock.model.ids import CapacityProviderName, FunctionName, FunctionVersionKey, VersionName

STEADY = CapacityProviderName("steady")
HELLO = FunctionVersionKey(FunctionName("hello"), VersionName("1"))


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("CPUUtilization", "Percent"),
        ("MemoryUtilization", "Percent"),
        ("vCPUAvailable", "Count"),
        ("vCPUAllocated", "Count"),
        ("MemoryAvailable", "Bytes"),
        ("MemoryAllocated", "Bytes"),
        ("DiskReadBytes", "Bytes"),
        ("DiskWriteBytes", "Bytes"),
        ("NetworkIn", "Bytes"),
        ("NetworkOut", "Bytes"),
    ],
)
def test_instances_have_awss_metrics_by_provider_and_type(name: str, unit: str) -> None:
    assert UNITS[name] == unit
    metric = of_instances(name, STEADY, "m7i.xlarge")
    assert (metric.namespace, metric.name) == ("AWS/Lambda", name)
    assert dict(metric.dimensions) == {"CapacityProviderName": "steady", "InstanceType": "m7i.xlarge"}


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("ExecutionEnvironmentConcurrency", "Count"),
        ("ExecutionEnvironmentConcurrencyLimit", "Count"),
        ("ExecutionEnvironmentCPUUtilization", "Percent"),
        ("ExecutionEnvironmentMemoryUtilization", "Percent"),
        ("ExecutionEnvironmentCount", "Count"),
    ],
)
def test_environments_have_awss_metrics_by_provider_function_and_version(name: str, unit: str) -> None:
    assert UNITS[name] == unit
    dimensions = dict(of_environments(name, STEADY, HELLO).dimensions)
    assert dimensions == {"CapacityProviderName": "steady", "FunctionName": "hello", "Resource": "hello:1"}


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("Invocations", "Count"),
        ("Errors", "Count"),
        ("Duration", "Milliseconds"),
        ("PostRuntimeExtensionsDuration", "Milliseconds"),
        ("Throttles", "Count"),
        ("CPUThrottles", "Count"),
        ("MemoryThrottles", "Count"),
        ("DiskThrottles", "Count"),
        ("ConcurrencyThrottles", "Count"),
    ],
)
def test_invocations_have_awss_metrics_by_version_by_function_and_in_all(name: str, unit: str) -> None:
    assert UNITS[name] == unit
    assert [dict(metric.dimensions) for metric in of_invocations(name, HELLO)] == [
        {"FunctionName": "hello", "Resource": "hello:1"},
        {"FunctionName": "hello"},
        {},
    ]


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("cpu_utilization", "Percent"),
        ("cpu_utilization_max", "Percent"),
        ("cpu_total_time", "Milliseconds"),
        ("memory_utilization", "Percent"),
        ("memory_utilization_max", "Percent"),
    ],
)
def test_insights_have_awss_metrics_by_function_and_by_version(name: str, unit: str) -> None:
    assert UNITS[name] == unit
    metrics = of_insights(name, HELLO)
    assert {metric.namespace for metric in metrics} == {"LambdaInsights"}
    assert [dict(metric.dimensions) for metric in metrics] == [
        {"function_name": "hello", "version": "1"},
        {"function_name": "hello"},
    ]
