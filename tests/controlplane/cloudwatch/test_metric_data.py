from datetime import timedelta
from typing import Any

import pytest

from tests.controlplane.cloudwatch.test_metric_statistics import error, keep
from tests.controlplane.harness import NOON, Harness

HALF_PAST = NOON + timedelta(minutes=30)


def metric(identifier: str, name: str, *, stat: str = "Sum", period: int = 60, **more: Any) -> dict[str, Any]:
    dimensions = [{"Name": "FunctionName", "Value": "hello"}]
    asked = {"Namespace": "AWS/Lambda", "MetricName": name, "Dimensions": dimensions}
    return {"Id": identifier, "MetricStat": {"Metric": asked, "Period": period, "Stat": stat}, **more}


def ask(harness: Harness, *queries: dict[str, Any], **params: Any) -> Any:
    members: dict[str, Any] = {"StartTime": NOON, "EndTime": HALF_PAST, "ScanBy": "TimestampAscending", **params}
    return harness.cloudwatch.get_metric_data(MetricDataQueries=list(queries), **members)


def values(answer: Any) -> dict[str, list[float]]:
    return {result["Id"]: result["Values"] for result in answer["MetricDataResults"]}


@pytest.fixture
def traffic(harness: Harness) -> Harness:
    """Two minutes of one invocation a second, every tenth of which fails in the second minute."""
    keep(harness, "Invocations", *[1.0] * 120)
    keep(harness, "Errors", *[0.0] * 60, *[1.0, *[0.0] * 9] * 6)
    keep(harness, "Duration", *(float(value) for value in range(1, 121)), unit="Milliseconds")
    return harness


def test_several_metrics_in_one_answer(traffic: Harness) -> None:
    answer = ask(traffic, metric("i", "Invocations"), metric("d", "Duration", stat="p50", Label="median"))
    assert [result["Label"] for result in answer["MetricDataResults"]] == ["Invocations", "median"]
    assert values(answer)["i"] == [60, 60]
    assert values(answer)["d"] == [pytest.approx(30, rel=0.1), pytest.approx(90, rel=0.1)]
    first = answer["MetricDataResults"][0]
    assert first["Timestamps"] == [NOON, NOON + timedelta(minutes=1)]
    assert first["StatusCode"] == "Complete"


def test_the_newest_comes_first_unless_asked_otherwise(traffic: Harness) -> None:
    answer = ask(traffic, metric("e", "Errors"), ScanBy="TimestampDescending")
    assert values(answer)["e"] == [6, 0]


def test_a_rate_of_two_metrics(traffic: Harness) -> None:
    answer = ask(
        traffic,
        {"Id": "rate", "Expression": "100 * e / i", "Label": "Error rate"},
        metric("e", "Errors", ReturnData=False),
        metric("i", "Invocations", ReturnData=False),
    )
    assert values(answer) == {"rate": [0, 10]}
    assert answer["MetricDataResults"][0]["Label"] == "Error rate"


def test_expressions_may_use_expressions_in_any_order(traffic: Harness) -> None:
    answer = ask(
        traffic,
        {"Id": "twice", "Expression": "once * 2"},
        {"Id": "once", "Expression": "SUM(METRICS())"},
        metric("e", "Errors", ReturnData=False),
        metric("i", "Invocations", ReturnData=False),
    )
    assert values(answer) == {"twice": [120, 132], "once": [60, 66]}


def test_a_list_gives_one_result_each(traffic: Harness) -> None:
    answer = ask(
        traffic, {"Id": "all", "Expression": "METRICS() * 1"}, metric("e", "Errors"), metric("i", "Invocations")
    )
    shown = [(result["Id"], result["Label"], result["Values"]) for result in answer["MetricDataResults"]]
    assert shown[:2] == [("all", "e", [0, 6]), ("all", "i", [60, 60])]


def test_silence_is_an_empty_result_and_can_be_filled(traffic: Harness) -> None:
    answer = ask(
        traffic,
        metric("t", "Throttles"),
        {"Id": "filled", "Expression": "FILL(t, 0)"},
        EndTime=NOON + timedelta(minutes=3),
    )
    assert values(answer) == {"t": [], "filled": [0, 0, 0]}


def test_long_answers_are_read_in_pages_by_boto3(traffic: Harness) -> None:
    paginator = traffic.cloudwatch.get_paginator("get_metric_data")
    pages = list(
        paginator.paginate(
            MetricDataQueries=[metric("i", "Invocations", period=1), metric("e", "Errors")],
            StartTime=NOON,
            EndTime=HALF_PAST,
            ScanBy="TimestampAscending",
            PaginationConfig={"PageSize": 50},
        )
    )
    codes = [[result["StatusCode"] for result in page["MetricDataResults"]] for page in pages]
    assert codes == [["PartialData"], ["PartialData"], ["Complete", "Complete"]]
    found = [value for page in pages for result in page["MetricDataResults"] for value in result["Values"]]
    assert found == [*[1] * 120, 0, 6]


@pytest.mark.parametrize(
    ("queries", "part"),
    [
        ([{"Id": "Upper", "Expression": "1"}], "lower-case"),
        ([{"Id": "a"}], "either MetricStat or Expression"),
        ([{"Id": "a", "Expression": "1 +"}], "Error in expression 'a' [Unexpected end]"),
        ([{"Id": "a", "Expression": "b + 1"}], "Undefined id 'b'"),
        ([{"Id": "a", "Expression": "b"}, {"Id": "b", "Expression": "a"}], "need one another"),
        ([{"Id": "a", "Expression": "a + 1"}], "need one another"),
        ([{"Id": "a", "Expression": "5 * 3"}], "no time series"),
        ([{"Id": "a", "Expression": "SEARCH('x', 'Sum', 60)"}], "SEARCH is not supported"),
        ([{"Id": "a", "Expression": "TIME_SERIES(1)", "Period": 61}], "multiple of 60"),
        ([metric("a", "Errors"), metric("a", "Duration")], "unique"),
        ([metric("a", "Errors", period=7)], "multiple of 60"),
        ([metric("a", "Errors", stat="Median")], "Median"),
    ],
)
def test_wrong_queries_are_refused(traffic: Harness, queries: list[dict[str, Any]], part: str) -> None:
    code, text = error(ask, traffic, *queries)
    assert code in ("ValidationError", "InvalidParameterValue")
    assert part in text


def test_wrong_times_and_tokens_are_refused(traffic: Harness) -> None:
    assert error(ask, traffic, metric("a", "Errors"), EndTime=NOON)[0] == "ValidationError"
    assert error(ask, traffic, metric("a", "Errors"), NextToken="made up")[0] == "InvalidNextToken"


def test_no_request_lays_out_more_periods_than_a_server_should(traffic: Harness) -> None:
    code, text = error(
        ask,
        traffic,
        {"Id": "a", "Expression": "TIME_SERIES(1)", "Period": 1},
        EndTime=NOON + timedelta(days=365),
    )
    assert code == "ValidationError"
    assert "500,000 periods" in text
