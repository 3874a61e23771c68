from datetime import timedelta
from typing import Any

import pytest

from paddock.controlplane.cloudwatch.evaluation import Surroundings, Value, evaluate
from paddock.controlplane.cloudwatch.expressions import ExpressionError, parse, searches_in
from paddock.controlplane.cloudwatch.series import Series, SeriesList
from tests.controlplane.harness import NOON

TIMES = [NOON + timedelta(minutes=minute) for minute in range(5)]


def series(*values: float | None) -> Series:
    """One value per minute from noon; None is no data."""
    return {at: value for at, value in zip(TIMES, values, strict=False) if value is not None}


METRICS: dict[str, Series] = {
    "m1": series(1, 2, 3, 4, 5),
    "m2": series(10, None, 0, 40, None),
    "nothing": {},
    "error1": series(None, 1),
}


def worked_out(text: str, metrics: dict[str, Series] | None = None) -> Value:
    known = METRICS if metrics is None else metrics
    values: dict[str, Value] = dict(known)
    tree = parse(text)
    searches = dict.fromkeys(searches_in(tree), SeriesList((("one", known["m1"]), ("two", known["m2"]))))
    return evaluate(tree, Surroundings(values, known, TIMES, 60, searches, {"m1": 30}))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("m1 + 1", series(2, 3, 4, 5, 6)),
        ("10 - m1", series(9, 8, 7, 6, 5)),
        ("-m1", series(-1, -2, -3, -4, -5)),
        ("m1 * m2", series(10, 0, 0, 160, 0)),
        ("m1 + m2", series(11, 2, 3, 44, 5)),
        ("m2 < m1", series(0, 1, 1, 0, 1)),
        ("m2 > 5 AND m1 > 3 OR m1 == 1", series(1, 0, 0, 1, 0)),
        ("m1 / m2", series(0.1, None, None, 0.1)),
        ("m1 / 0", {}),
        ("m1 ^ 2", series(1, 4, 9, 16, 25)),
        ("m1 > 2", series(0, 0, 1, 1, 1)),
        ("m1 >= 2 && m1 < 4", series(0, 1, 1, 0, 0)),
        ("m1 == 1 || m1 == 5", series(1, 0, 0, 0, 1)),
        ("m1 + nothing", series(1, 2, 3, 4, 5)),
        ("nothing + nothing", {}),
        ("SUM([m1, m2])", series(11, 2, 3, 44, 5)),
        ("AVG([m1, m2])", series(5.5, 1, 1.5, 22, 2.5)),
        ("MAX([m1, m2])", series(10, 2, 3, 40, 5)),
        ("MIN([m1, m2])", series(1, 2, 0, 4, 5)),
        ("SUM(METRICS('error'))", series(None, 1)),
        ("SUM(METRICS())", series(11, 3, 3, 44, 5)),
        ("m1 - AVG(m1)", series(-2, -1, 0, 1, 2)),
        ("m1 / MAX(m1)", series(0.2, 0.4, 0.6, 0.8, 1)),
        ("m1 * STDDEV(nothing)", {}),
        ("ABS(m1 - 3)", series(2, 1, 0, 1, 2)),
        ("CEIL(m1 / 2)", series(1, 1, 2, 2, 3)),
        ("FLOOR(m1 / 2)", series(0, 1, 1, 2, 2)),
        ("LOG10(m2)", {TIMES[0]: 1.0, TIMES[3]: pytest.approx(1.60206)}),
        ("FILL(m2, 7)", series(10, 7, 0, 40, 7)),
        ("FILL(m2, REPEAT)", series(10, 10, 0, 40, 40)),
        ("FILL(m2, LINEAR)", series(10, 5, 0, 40, 40)),
        ("FILL(error1, REPEAT)", series(None, 1, 1, 1, 1)),
        ("FILL(nothing, LINEAR)", {}),
        ("FILL(nothing, 0)", series(0, 0, 0, 0, 0)),
        ("DIFF(m2)", {TIMES[2]: -10.0, TIMES[3]: 40.0}),
        ("DIFF_TIME(m2)", {TIMES[2]: 120.0, TIMES[3]: 60.0}),
        ("RATE(m1)", {at: pytest.approx(1 / 60) for at in TIMES[1:]}),
        ("RUNNING_SUM(m1)", series(1, 3, 6, 10, 15)),
        ("m1 / PERIOD(m1)", {at: pytest.approx((number + 1) / 30) for number, at in enumerate(TIMES)}),
        ("m1 / PERIOD(m1 + 0)", {at: pytest.approx((number + 1) / 60) for number, at in enumerate(TIMES)}),
        ("FILL(m2, m1)", series(10, 2, 0, 40, 5)),
        ("DATAPOINT_COUNT([m1, m2])", series(2, 1, 2, 2, 1)),
        ("m1 * DATAPOINT_COUNT(m2)", series(3, 6, 9, 12, 15)),
        ("m1 * DATAPOINT_COUNT(nothing)", series(0, 0, 0, 0, 0)),
        ("FIRST([m2, m1])", series(10, None, 0, 40)),
        ("LAST([m2, m1])", series(1, 2, 3, 4, 5)),
        ("FIRST(REMOVE_EMPTY([nothing, m1]))", series(1, 2, 3, 4, 5)),
        ("LAST(REMOVE_EMPTY([nothing]))", {}),
        ("FIRST(SORT([m1, m2, nothing], AVG, DESC))", series(10, None, 0, 40)),
        ("FIRST(SORT([nothing, m2, m1], MAX, ASC))", series(1, 2, 3, 4, 5)),
        ("LAST(SORT([m1, m2, nothing], SUM, ASC, 2))", series(10, None, 0, 40)),
        ("LAST(SORT([m1, nothing, m2], MIN, DESC))", {}),
        ("SUM(SLICE([m1, m2, m1], 1))", series(11, 2, 3, 44, 5)),
        ("SUM(SLICE([m1, m2, m1], 0, 1))", series(1, 2, 3, 4, 5)),
        ("SUM([METRICS('m1'), METRICS('error')])", series(1, 3, 3, 4, 5)),
        ("MINUTE(m2)", series(0, 1, 2, 3, 4)),
        ("HOUR(nothing)", series(12, 12, 12, 12, 12)),
        ("DAY(m1) * 0 + DATE(m1)", dict.fromkeys(TIMES, float(NOON.day))),
        ("MONTH(m1) + YEAR(m1)", dict.fromkeys(TIMES, float(NOON.month + NOON.year))),
        ("IF(DAY(m1) == 7, m1, 0) * 0", series(0, 0, 0, 0, 0)),
        ("EPOCH(m1)", {at: at.timestamp() for at in TIMES}),
        ("SUM(SEARCH('anything', 'Sum', 60))", series(11, 2, 3, 44, 5)),
        ("TIME_SERIES(3)", series(3, 3, 3, 3, 3)),
        ("IF(m1 > 3, m1, 0)", series(0, 0, 0, 4, 5)),
        ("IF(m1 > 3, m1)", series(None, None, None, 4, 5)),
        ("IF(m1 > 3, m2, m1)", series(1, 2, 3, 40, 0)),
        ("IF(m1 < 3, 7, m2)", series(7, 7, 0, 40)),
        ("IF(1, m1, m2)", series(1, 2, 3, 4, 5)),
        ("IF(0, m1)", {}),
        ("m1 * METRIC_COUNT(METRICS('m'))", series(2, 4, 6, 8, 10)),
    ],
)
def test_expressions_come_to(text: str, found: Any) -> None:
    assert worked_out(text) == found


def test_a_list_stays_a_list_with_its_labels() -> None:
    found = worked_out("METRICS('m') * 2")
    assert isinstance(found, SeriesList)
    assert found.series == (("m1", series(2, 4, 6, 8, 10)), ("m2", series(20, None, 0, 80)))
    assert worked_out("SLICE(METRICS('m'), 1)") == SeriesList((("m2", METRICS["m2"]),))
    assert worked_out("2 * METRICS('m')") == found


def test_of_one_series_an_aggregate_is_a_number() -> None:
    assert worked_out("SUM(m1)") == 15.0
    assert worked_out("STDDEV(m1)") == pytest.approx(1.5811388)
    assert worked_out("SUM(m1) > 10") == 1.0


@pytest.mark.parametrize(
    "text",
    [
        "unknown",
        "NONSENSE(m1)",
        "ABS(m1, m2)",
        "METRICS(m1)",
        "METRICS() + METRICS()",
        "'text' + m1",
        "FILL(m1)",
        "FILL(m1, 'x')",
        "FILL(m1, METRICS())",
        "FIRST(m1)",
        "REMOVE_EMPTY(m1)",
        "SORT(m1, AVG, ASC)",
        "SORT(METRICS(), STDDEV, ASC)",
        "SORT(METRICS(), AVG, UP)",
        "SORT(METRICS(), AVG, ASC, 1.5)",
        "SORT(METRICS(), AVG)",
        "SLICE(m1, 1)",
        "SLICE(METRICS(), -1)",
        "SLICE(METRICS())",
        "PERIOD(5)",
        "HOUR(5)",
        "ANOMALY_DETECTION_BAND(m1)",
        "TIME_SERIES(m1)",
        "IF(m1)",
        "RATE(5)",
        "[1, 2]",
        "DIFF('m1')",
    ],
)
def test_what_cannot_be_worked_out_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError):
        worked_out(text)


@pytest.mark.parametrize("text", ["m1 * 10^400", "m1 / nothing", "LOG(m1 - 9)", "(m1 - 9) ^ 0.5"])
def test_arithmetic_that_fails_gives_nothing(text: str) -> None:
    assert worked_out(text) == {}
