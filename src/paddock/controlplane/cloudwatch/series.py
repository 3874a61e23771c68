"""Time series as metric math has them, and what is done to one of them after the other. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import TypeAlias

Series: TypeAlias = "dict[datetime, float]"
"""In ascending order of time."""


@dataclass(frozen=True, slots=True)
class SeriesList:
    """Several series with the labels they came with."""

    series: tuple[tuple[str, Series], ...]


Aggregate: TypeAlias = "Callable[[list[float]], float]"

OVER: Mapping[str, Aggregate] = {
    "SUM": math.fsum,
    "AVG": statistics.fmean,
    "MIN": min,
    "MAX": max,
    "STDDEV": lambda values: statistics.stdev(values) if len(values) > 1 else 0.0,
    "DATAPOINT_COUNT": lambda values: float(len(values)),
}
"""Of one series a number, of several a series."""


def _diff(series: Series) -> Series:
    return {at: series[at] - series[before] for before, at in pairwise(series)}


def _rate(series: Series) -> Series:
    return {at: (series[at] - series[before]) / (at - before).total_seconds() for before, at in pairwise(series)}


def _diff_time(series: Series) -> Series:
    return {at: (at - before).total_seconds() for before, at in pairwise(series)}


def _running_sum(series: Series) -> Series:
    total, found = 0.0, {}
    for at, value in series.items():
        total += value
        found[at] = total
    return found


ALONG: Mapping[str, Callable[[Series], Series]] = {
    "DIFF": _diff,
    "RATE": _rate,
    "DIFF_TIME": _diff_time,
    "RUNNING_SUM": _running_sum,
}

CALENDAR: Mapping[str, Callable[[datetime], float]] = {
    "MINUTE": lambda at: float(at.minute),
    "HOUR": lambda at: float(at.hour),
    "DAY": lambda at: float(at.isoweekday()),
    "DATE": lambda at: float(at.day),
    "MONTH": lambda at: float(at.month),
    "YEAR": lambda at: float(at.year),
    "EPOCH": lambda at: at.timestamp(),
}
"""What a period's beginning is called in UTC; Monday is day 1."""


def over(given: Sequence[Series], function: str) -> Series:
    """At each time of those that have something then. To an average what is missing is a zero, as on AWS."""
    aggregate = OVER[function]
    found: Series = {}
    for at in sorted({at for series in given for at in series}):
        values = [series[at] for series in given if at in series]
        missing = len(given) - len(values) if function == "AVG" else 0
        found[at] = float(aggregate([*values, *[0.0] * missing]))
    return found


def repeated(series: Series, times: Sequence[datetime]) -> Series:
    found: Series = {}
    last: float | None = None
    for at in times:
        last = series.get(at, last)
        if last is not None:
            found[at] = last
    return found


def interpolated(series: Series, times: Sequence[datetime]) -> Series:
    """Between two values on the straight line; before the first and after the last as these are."""
    known = list(series.items())
    if not known:
        return {}
    found: Series = {}
    after = 0
    for at in times:
        while after < len(known) and known[after][0] < at:
            after += 1
        right, left = known[min(after, len(known) - 1)], known[max(after - 1, 0)]
        width = (right[0] - left[0]).total_seconds()
        share = (at - left[0]).total_seconds() / width if width > 0 else 1.0
        found[at] = left[1] + (right[1] - left[1]) * min(max(share, 0.0), 1.0)
    return found


def filled(series: Series, filling: Series, times: Sequence[datetime]) -> Series:
    """Where neither has anything there is nothing."""
    whole = {**filling, **series}
    return {at: whole[at] for at in times if at in whole}


def in_order(given: SeriesList, function: str, *, descending: bool) -> SeriesList:
    """By what the function makes of each; those without data come last, whatever the order."""
    there = [each for each in given.series if each[1]]
    empty = [each for each in given.series if not each[1]]
    there.sort(key=lambda each: OVER[function](list(each[1].values())), reverse=descending)
    return SeriesList((*there, *empty))
