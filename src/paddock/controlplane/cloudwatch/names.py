"""AWS's names of what is measured, their units and their dimensions, each in one place."""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache

from paddock.model.ids import CapacityProviderName, FunctionName, FunctionVersionKey
from paddock.model.metrics import MetricId, metric_id

NAMESPACE = "AWS/Lambda"
INSIGHTS = "LambdaInsights"
"""Where AWS's Lambda Insights puts its own names for what environments use."""
METRICS_REMEMBERED = 20_000
"""As many as a store holds: making the name costs more than what is measured under it."""


class Unit(StrEnum):
    PERCENT = "Percent"
    COUNT = "Count"
    BYTES = "Bytes"
    MILLISECONDS = "Milliseconds"
    NONE = "None"


UNITS = {
    # of a capacity provider's instances of one type
    "CPUUtilization": Unit.PERCENT,
    "MemoryUtilization": Unit.PERCENT,
    "vCPUAvailable": Unit.COUNT,
    "vCPUAllocated": Unit.COUNT,
    "MemoryAvailable": Unit.BYTES,
    "MemoryAllocated": Unit.BYTES,
    "DiskReadBytes": Unit.BYTES,
    "DiskWriteBytes": Unit.BYTES,
    "NetworkIn": Unit.BYTES,
    "NetworkOut": Unit.BYTES,
    # of a version's execution environments
    "ExecutionEnvironmentConcurrency": Unit.COUNT,
    "ExecutionEnvironmentConcurrencyLimit": Unit.COUNT,
    "ExecutionEnvironmentCPUUtilization": Unit.PERCENT,
    "ExecutionEnvironmentMemoryUtilization": Unit.PERCENT,
    "ExecutionEnvironmentCount": Unit.COUNT,
    # the same as Lambda Insights has it for managed instances
    "cpu_utilization": Unit.PERCENT,
    "cpu_utilization_max": Unit.PERCENT,
    "cpu_total_time": Unit.MILLISECONDS,
    "memory_utilization": Unit.PERCENT,
    "memory_utilization_max": Unit.PERCENT,
    # of a function's invocations
    "Invocations": Unit.COUNT,
    "Errors": Unit.COUNT,
    "Duration": Unit.MILLISECONDS,
    "PostRuntimeExtensionsDuration": Unit.MILLISECONDS,
    "Throttles": Unit.COUNT,
    "CPUThrottles": Unit.COUNT,
    "MemoryThrottles": Unit.COUNT,
    "DiskThrottles": Unit.COUNT,
    "ConcurrencyThrottles": Unit.COUNT,
    "ConcurrentExecutions": Unit.COUNT,
    # of requests to a function's URLs
    "UrlRequestCount": Unit.COUNT,
    "Url4xxCount": Unit.COUNT,
    "Url5xxCount": Unit.COUNT,
    "UrlRequestLatency": Unit.MILLISECONDS,
}


COUNTED = frozenset({"DiskReadBytes", "DiskWriteBytes", "NetworkIn", "NetworkOut"})
"""Of the fleet's figures those whose sum says something: Prometheus gets the sum since the server began."""


@lru_cache(maxsize=METRICS_REMEMBERED)
def of_instances(name: str, provider: CapacityProviderName, instance_type: str) -> MetricId:
    return metric_id(NAMESPACE, name, {"CapacityProviderName": provider, "InstanceType": instance_type})


@lru_cache(maxsize=METRICS_REMEMBERED)
def of_environments(name: str, provider: CapacityProviderName, key: FunctionVersionKey) -> MetricId:
    dimensions = {"CapacityProviderName": provider, "FunctionName": key.function_name, "Resource": str(key)}
    return metric_id(NAMESPACE, name, dimensions)


@lru_cache(maxsize=METRICS_REMEMBERED)
def of_insights(name: str, key: FunctionVersionKey) -> tuple[MetricId, MetricId]:
    """Of the version and of its function."""
    return (
        metric_id(INSIGHTS, name, {"function_name": key.function_name, "version": key.version}),
        metric_id(INSIGHTS, name, {"function_name": key.function_name}),
    )


@lru_cache(maxsize=METRICS_REMEMBERED)
def of_invocations(name: str, key: FunctionVersionKey) -> tuple[MetricId, MetricId, MetricId]:
    """Each invocation counts three times: for its version, for its function, and for all functions together."""
    return (
        metric_id(NAMESPACE, name, {"FunctionName": key.function_name, "Resource": str(key)}),
        metric_id(NAMESPACE, name, {"FunctionName": key.function_name}),
        metric_id(NAMESPACE, name, {}),
    )


@lru_cache(maxsize=METRICS_REMEMBERED)
def of_urls(name: str, function: FunctionName, alias: str | None) -> tuple[MetricId, ...]:
    """A request to an alias's URL counts twice: for the alias and for its function."""
    whole = metric_id(NAMESPACE, name, {"FunctionName": function})
    if alias is None:
        return (whole,)
    return whole, metric_id(NAMESPACE, name, {"FunctionName": function, "Resource": f"{function}:{alias}"})
