import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from paddock.controlplane.cloudwatch.metric_statistics import LISTED_AT_ONCE
from paddock.model.metrics import metric_id, single
from paddock.ports.metrics import MetricSample
from tests.controlplane.harness import NOON, Harness

HELLO = {"FunctionName": "hello"}


def keep(
    harness: Harness, name: str, *values: float, dimensions: Mapping[str, str] = HELLO, unit: str = "Count"
) -> None:
    """One value a second from noon on."""
    metric = metric_id("AWS/Lambda", name, dimensions)

    async def put() -> None:
        for second, value in enumerate(values):
            await harness.metrics.put(NOON + timedelta(seconds=second), [MetricSample(metric, unit, single(value))])

    asyncio.run(put())


def ask(harness: Harness, name: str, **params: Any) -> Any:
    members: dict[str, Any] = {
        "Namespace": "AWS/Lambda",
        "MetricName": name,
        "Dimensions": [{"Name": "FunctionName", "Value": "hello"}],
        "StartTime": NOON,
        "EndTime": NOON + timedelta(minutes=10),
        "Period": 60,
        **params,
    }
    if "Statistics" not in params and "ExtendedStatistics" not in params:
        members["Statistics"] = ["Sum"]
    return harness.cloudwatch.get_metric_statistics(
        **{name: each for name, each in members.items() if each is not None}
    )


def error(call: Any, *arguments: Any, **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as raised:
        call(*arguments, **params)
    found = raised.value.response["Error"]
    return found["Code"], found["Message"]


def test_statistics_are_those_asked_for_with_the_unit(harness: Harness) -> None:
    keep(harness, "Duration", *(float(value) for value in range(1, 101)), unit="Milliseconds")
    statistics = ["SampleCount", "Average", "Sum", "Minimum", "Maximum"]
    answer = ask(harness, "Duration", Statistics=statistics, ExtendedStatistics=["p50", "p99.9"], Period=300)
    assert answer["Label"] == "Duration"
    (datapoint,) = answer["Datapoints"]
    extended = datapoint.pop("ExtendedStatistics")
    assert datapoint == {
        "Timestamp": NOON,
        "Unit": "Milliseconds",
        "SampleCount": 100,
        "Average": 50.5,
        "Sum": 5050,
        "Minimum": 1,
        "Maximum": 100,
    }
    assert extended["p50"] == pytest.approx(50, rel=0.1)
    assert extended["p99.9"] == pytest.approx(100, rel=0.05)


def test_datapoints_are_one_a_period_and_silence_has_none(harness: Harness) -> None:
    keep(harness, "Errors", *[1.0] * 90)
    datapoints = ask(harness, "Errors")["Datapoints"]
    assert [(point["Timestamp"], point["Sum"]) for point in datapoints] == [
        (NOON, 60),
        (NOON + timedelta(minutes=1), 30),
    ]
    assert ask(harness, "Invocations")["Datapoints"] == []
    seconds = ask(harness, "Errors", Period=1, EndTime=NOON + timedelta(seconds=5))["Datapoints"]
    assert [point["Sum"] for point in seconds] == [1] * 5


def test_a_start_is_rounded_down_to_the_minute(harness: Harness) -> None:
    keep(harness, "Errors", *[1.0] * 60)
    datapoints = ask(harness, "Errors", StartTime=NOON + timedelta(seconds=42))["Datapoints"]
    assert [(point["Timestamp"], point["Sum"]) for point in datapoints] == [(NOON, 60)]


def test_a_day_by_minutes_may_begin_in_the_middle_of_one(harness: Harness) -> None:
    keep(harness, "Errors", 1.0)
    begin = NOON - timedelta(hours=12, seconds=-42)
    datapoints = ask(harness, "Errors", StartTime=begin, EndTime=begin + timedelta(days=1))["Datapoints"]
    assert [point["Timestamp"] for point in datapoints] == [NOON]
    _, text = error(ask, harness, "Errors", StartTime=begin, EndTime=begin + timedelta(days=1, seconds=1))
    assert "1441 datapoints" in text


def test_another_unit_is_another_metric(harness: Harness) -> None:
    keep(harness, "Errors", 1.0)
    assert ask(harness, "Errors", Unit="Percent")["Datapoints"] == []
    assert len(ask(harness, "Errors", Unit="Count")["Datapoints"]) == 1


@pytest.mark.parametrize(
    ("params", "code", "part"),
    [
        ({"Period": 45}, "InvalidParameterValue", "multiple of 60"),
        ({"StartTime": NOON + timedelta(hours=1)}, "InvalidParameterValue", "less than the parameter EndTime"),
        (
            {"StartTime": NOON - timedelta(days=2)},
            "InvalidParameterCombination",
            "2890 datapoints, which exceeds the limit of 1440",
        ),
        ({"Statistics": None}, "InvalidParameterCombination", "At least one"),
        ({"ExtendedStatistics": ["tm90"]}, "InvalidParameterValue", "tm90"),
        ({"ExtendedStatistics": ["p101"]}, "InvalidParameterValue", "p101"),
        ({"Statistics": ["Median"]}, "ValidationError", "enum"),
        ({"Dimensions": [{"Name": "a", "Value": "1"}, {"Name": "a", "Value": "2"}]}, "InvalidParameterValue", "once"),
    ],
)
def test_wrong_questions_have_awss_errors(harness: Harness, params: dict[str, Any], code: str, part: str) -> None:
    found, text = error(ask, harness, "Errors", **params)
    assert found == code
    assert part in text


def names(answer: Any) -> list[str]:
    return [metric["MetricName"] for metric in answer["Metrics"]]


def test_metrics_are_listed_by_namespace_name_and_dimensions(harness: Harness) -> None:
    keep(harness, "Errors", 1.0)
    keep(harness, "Errors", 1.0, dimensions={"FunctionName": "hello", "Resource": "hello:1"})
    keep(harness, "Duration", 1.0, dimensions={"FunctionName": "other"})
    harness.cloudwatch.put_metric_data(Namespace="Mine", MetricData=[{"MetricName": "Sales", "Value": 3}])
    list_metrics = harness.cloudwatch.list_metrics
    assert names(list_metrics()) == ["Duration", "Errors", "Errors", "Sales"]
    assert names(list_metrics(Namespace="AWS/Lambda")) == ["Duration", "Errors", "Errors"]
    assert names(list_metrics(MetricName="Errors")) == ["Errors", "Errors"]
    assert names(list_metrics(Dimensions=[{"Name": "Resource"}])) == ["Errors"]
    assert names(list_metrics(Dimensions=[{"Name": "FunctionName", "Value": "other"}])) == ["Duration"]
    assert list_metrics(MetricName="Duration")["Metrics"] == [
        {
            "Namespace": "AWS/Lambda",
            "MetricName": "Duration",
            "Dimensions": [{"Name": "FunctionName", "Value": "other"}],
        }
    ]


def test_what_was_silent_for_long_is_not_listed(harness: Harness) -> None:
    keep(harness, "Errors", 1.0)
    harness.later(4 * 3600)
    assert names(harness.cloudwatch.list_metrics(RecentlyActive="PT3H")) == []
    assert names(harness.cloudwatch.list_metrics()) == ["Errors"]
    harness.later(14 * 86400)
    assert names(harness.cloudwatch.list_metrics()) == []


def test_long_lists_are_read_in_pages_by_boto3(harness: Harness) -> None:
    for number in range(LISTED_AT_ONCE + 7):
        keep(harness, f"Metric{number:04}", 1.0)
    pages = list(harness.cloudwatch.get_paginator("list_metrics").paginate())
    assert [len(page["Metrics"]) for page in pages] == [LISTED_AT_ONCE, 7]
    assert error(harness.cloudwatch.list_metrics, NextToken="made up")[0] == "InvalidParameterValue"


def test_metrics_of_others_are_taken_in(harness: Harness) -> None:
    harness.cloudwatch.put_metric_data(
        Namespace="Mine",
        MetricData=[
            {"MetricName": "Sales", "Value": 3, "Unit": "Count", "Timestamp": NOON},
            {"MetricName": "Sales", "Values": [1.0, 2.0], "Counts": [2.0, 1.0], "Unit": "Count", "Timestamp": NOON},
            {
                "MetricName": "Sales",
                "StatisticValues": {"SampleCount": 2, "Sum": 10, "Minimum": 4, "Maximum": 6},
                "Unit": "Count",
                "Timestamp": NOON,
            },
        ],
    )
    statistics = ["SampleCount", "Sum", "Minimum", "Maximum"]
    (datapoint,) = ask(harness, "Sales", Namespace="Mine", Dimensions=[], Statistics=statistics)["Datapoints"]
    assert [datapoint[name] for name in statistics] == [6, 17, 1, 6]


@pytest.mark.parametrize(
    ("datum", "part"),
    [
        ({}, "Each datum"),
        ({"Values": [1.0], "Counts": [1.0, 2.0]}, "Each datum"),
        ({"Values": [1.0], "Counts": [0.0]}, "Each datum"),
        ({"StatisticValues": {"SampleCount": 0, "Sum": 0, "Minimum": 0, "Maximum": 0}}, "SampleCount"),
        ({"Value": 1, "Timestamp": NOON - timedelta(days=30)}, "two weeks"),
    ],
)
def test_data_that_cannot_be_taken_have_awss_error(harness: Harness, datum: dict[str, Any], part: str) -> None:
    data = [{"MetricName": "Sales", "Value": 1}, {"MetricName": "Sales", **datum}]
    code, text = error(harness.cloudwatch.put_metric_data, Namespace="Mine", MetricData=data)
    assert code == "InvalidParameterValue"
    assert part in text
    assert names(harness.cloudwatch.list_metrics()) == []


def test_nobody_writes_into_awss_namespaces(harness: Harness) -> None:
    data = [{"MetricName": "Errors", "Value": 1}]
    code, text = error(harness.cloudwatch.put_metric_data, Namespace="AWS/Lambda", MetricData=data)
    assert (code, text) == ("InvalidParameterValue", "The value AWS/ for parameter Namespace is invalid.")
