"""The statistics a metric can be asked for, the periods, and the errors of asking for others. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from paddock.model.errors import ApiError
from paddock.model.metrics import MetricId, Summary, metric_id

PLAIN = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")
SHORT_PERIODS = (1, 5, 10, 30)
MINUTE = 60
DIMENSIONS_AT_MOST = 30

_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d{1,10})?|100(?:\.0{1,10})?)")


def statistic(summary: Summary, name: str) -> float:
    """`name` is one that `check_statistic` has passed."""
    match name:
        case "SampleCount":
            return summary.count
        case "Sum":
            return summary.total
        case "Average":
            return summary.average
        case "Minimum":
            return summary.minimum
        case "Maximum":
            return summary.maximum
        case _:
            return summary.percentile(float(name.removeprefix("p")))


def check_statistic(name: str, parameter: str) -> None:
    """Raises `ApiError` for anything but the plain ones and percentiles (`p99.9`)."""
    if name not in PLAIN:
        check_percentile(name, parameter)


def check_percentile(name: str, parameter: str) -> None:
    if not _PERCENTILE.fullmatch(name):
        raise invalid(f"The value {name} for parameter {parameter} is not supported: percentiles are, from p0 to p100")


def check_period(period: int) -> None:
    if period < 1 or (period not in SHORT_PERIODS and period % MINUTE):
        raise invalid("The parameter Period must be 1, 5, 10, 30 or a multiple of 60.")


def rounded(start: datetime, period: int) -> datetime:
    """AWS rounds a start down to the minute, or to the short period that was asked for."""
    step = min(period, MINUTE)
    return datetime.fromtimestamp(int(start.timestamp()) // step * step, UTC)


def named_metric(namespace: str, name: str, dimensions: Sequence[Mapping[str, Any]]) -> MetricId:
    """Raises `ApiError` for dimensions that are too many or that name one twice."""
    named = {each["Name"]: each["Value"] for each in dimensions}
    if len(named) < len(dimensions):
        raise invalid("A dimension is given more than once.")
    if len(named) > DIMENSIONS_AT_MOST:
        raise invalid(f"A metric has at most {DIMENSIONS_AT_MOST} dimensions.")
    return metric_id(namespace, name, named)


def invalid(text: str) -> ApiError:
    return ApiError("InvalidParameterValueException", text)


def bad_combination(text: str) -> ApiError:
    return ApiError("InvalidParameterCombinationException", text)
