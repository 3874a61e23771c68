import asyncio
from datetime import timedelta
from typing import Any

import pytest

from paddock.controlplane.cloudwatch.searching import FOUND_AT_MOST
from paddock.model.metrics import MetricId, metric_id, single
from paddock.ports.metrics import MetricSample
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


def of_function(function: str, name: str, *values: float, unit: str = "Count") -> tuple[MetricId, str, list[float]]:
    return metric_id("AWS/Lambda", name, {"FunctionName": function}), unit, list(values)


def keep_these(harness: Harness, *metrics: tuple[MetricId, str, list[float]]) -> None:
    """One value a minute from noon."""
    for metric, unit, values in metrics:
        for minute, value in enumerate(values):
            at = NOON + timedelta(minutes=minute)
            asyncio.run(harness.metrics.put(at, [MetricSample(metric, unit, single(value))]))


@pytest.fixture
def functions(harness: Harness) -> Harness:
    keep_these(
        harness,
        of_function("one", "Errors", 1, 2),
        of_function("two", "Errors", 10, 0),
        of_function("two", "Invocations", 100, 100),
        (metric_id("AWS/Lambda", "Errors", {}), "Count", [11, 2]),
    )
    return harness


ERRORS = """SEARCH('{AWS/Lambda,FunctionName} MetricName="Errors"', 'Sum', 60)"""


def test_a_search_gives_one_result_for_each_metric(functions: Harness) -> None:
    answer = ask(functions, {"Id": "e1", "Expression": ERRORS})
    shown = [(result["Id"], result["Label"], result["Values"]) for result in answer["MetricDataResults"]]
    assert shown == [("e1", "one", [1, 2]), ("e1", "two", [10, 0])]
    labelled = ask(functions, {"Id": "e1", "Expression": ERRORS, "Label": "Errors of"})
    assert [result["Label"] for result in labelled["MetricDataResults"]] == ["Errors of one", "Errors of two"]
    assert answer["Messages"] == []


def test_metric_math_works_with_what_a_search_found(functions: Harness) -> None:
    answer = ask(
        functions,
        {"Id": "each", "Expression": ERRORS, "ReturnData": False},
        {"Id": "total", "Expression": "SUM(each)"},
        {"Id": "same", "Expression": f"SUM({ERRORS})"},
        {"Id": "worst", "Expression": "SORT(each, SUM, DESC, 1)"},
        {"Id": "number", "Expression": f"TIME_SERIES(METRIC_COUNT({ERRORS}))", "ReturnData": False},
        {"Id": "none", "Expression": "SEARCH('{AWS/Lambda,FunctionName} MetricName=\"Nothing\"', 'Sum')"},
    )
    assert values(answer) == {"total": [11, 2], "same": [11, 2], "worst": [10, 0]}
    assert [result["Label"] for result in answer["MetricDataResults"]] == ["total", "same", "two"]


def test_the_period_of_a_query_goes_before_that_of_its_search(functions: Harness) -> None:
    without = "SEARCH('{AWS/Lambda,FunctionName} FunctionName=two Invocations', 'Average')"
    answer = ask(
        functions,
        {"Id": "five", "Expression": without},
        {"Id": "one", "Expression": without, "Period": 60},
        {"Id": "over", "Expression": ERRORS.replace("Errors", "Invocations"), "Period": 300},
        {"Id": "divided", "Expression": f"SUM({ERRORS}) / 2"},
    )
    assert values(answer) == {"five": [100], "one": [100, 100], "over": [200], "divided": [5.5, 1]}


def test_a_search_forgets_what_was_silent_for_two_weeks(functions: Harness) -> None:
    keep_these(functions, of_function("late", "Errors", *[0.0] * 10))
    functions.clock.at = NOON + timedelta(days=14, minutes=5)
    answer = ask(functions, {"Id": "e1", "Expression": ERRORS, "Label": "of"})
    assert [result["Label"] for result in answer["MetricDataResults"]] == ["of late"]


def test_more_than_a_search_may_find_is_said(harness: Harness) -> None:
    keep_these(harness, *(of_function(f"f{number:03}", "Errors", 1) for number in range(FOUND_AT_MOST + 1)))
    answer = ask(harness, {"Id": "e1", "Expression": ERRORS})
    assert len(answer["MetricDataResults"]) == FOUND_AT_MOST
    assert answer["Messages"] == [{"Code": "MaxMetricsExceeded", "Value": "Maximum number of allowed metrics exceeded"}]


def test_a_period_is_that_of_the_metrics_also_beside_words(traffic: Harness) -> None:
    answer = ask(
        traffic,
        {"Id": "top", "Expression": "SORT(METRICS(), SUM, DESC, 1)"},
        {"Id": "filled", "Expression": "SUM(FILL(METRICS(), REPEAT))"},
        metric("e", "Errors", ReturnData=False),
        metric("i", "Invocations", ReturnData=False),
        EndTime=NOON + timedelta(minutes=3),
    )
    assert values(answer) == {"top": [60, 60], "filled": [60, 66, 66]}


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
        ([{"Id": "a", "Expression": "ANOMALY_DETECTION_BAND(b)"}], "ANOMALY_DETECTION_BAND is not supported"),
        ([{"Id": "a", "Expression": "SEARCH('', 'Sum', 60)"}], "Error in expression 'a' [A search needs"),
        ([{"Id": "a", "Expression": "SEARCH('x', 'Total', 60)"}], "Total"),
        ([{"Id": "a", "Expression": "SEARCH('x', 'Sum', 7)"}], "multiple of 60"),
        ([{"Id": "a", "Expression": "SEARCH('x')"}], "SEARCH takes"),
        ([{"Id": "a", "Expression": "SEARCH(b, 'Sum')"}], "SEARCH takes"),
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
