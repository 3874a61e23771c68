"""CloudWatch: what each SEARCH of a request finds, read before anything is worked out."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeAlias

from paddock.controlplane.api import Api
from paddock.controlplane.cloudwatch.expressions import Called, ExpressionError, Number, Text
from paddock.controlplane.cloudwatch.search import Search, labels_of, read_search
from paddock.controlplane.cloudwatch.series import SeriesList
from paddock.controlplane.cloudwatch.statistic import check_period, check_statistic, rounded, statistic
from paddock.model.errors import ApiError
from paddock.model.metrics import MetricId

FOUND_AT_MOST = 500
"""Of all searches of one request, as AWS bounds a graph."""
FOUND_WITHIN = timedelta(days=14)
"""A metric that got nothing for so long is found by no search."""
MATCHED_AT_ONCE = 500
"""A millisecond or two of the event loop that invocations share."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """`period_seconds` is None where the search names none."""

    search: Search
    stat: str
    period_seconds: int | None


Found: TypeAlias = "dict[tuple[Called, int], SeriesList]"
"""By the SEARCH and the period it was asked for."""


def wanted(called: Called) -> Wanted:
    """Raises `ExpressionError`."""
    match called.arguments:
        case (Text(text), Text(stat)):
            period = None
        case (Text(text), Text(stat), Number(number)) if number.is_integer():
            period = int(number)
        case _:
            raise ExpressionError("SEARCH takes a search and a statistic, both in quotes, and perhaps a period")
    try:
        check_statistic(stat, "Stat")
        if period is not None:
            check_period(period)
    except ApiError as error:
        raise ExpressionError(error.message) from error
    return Wanted(read_search(text), stat, period)


async def found(
    api: Api, searches: Mapping[tuple[Called, int], Wanted], start: datetime, end: datetime, now: datetime
) -> tuple[Found, bool]:
    """False when there were more than are read."""
    if not searches:
        return {}, True
    known = [each.metric for each in await api.metrics.known() if each.last_at >= now - FOUND_WITHIN]
    results: Found = {}
    left = FOUND_AT_MOST
    whole = True
    for (called, period), each in searches.items():
        metrics = await _matching(each.search, known)
        whole = whole and len(metrics) <= left
        metrics = metrics[:left]
        left -= len(metrics)
        results[called, period] = await _read(api, metrics, each.stat, period, rounded(start, period), end)
    return results, whole


async def _matching(search: Search, known: Sequence[MetricId]) -> list[MetricId]:
    matching: list[MetricId] = []
    for at in range(0, len(known), MATCHED_AT_ONCE):
        matching += [metric for metric in known[at : at + MATCHED_AT_ONCE] if search.matches(metric)]
        await asyncio.sleep(0)
    return matching


async def _read(
    api: Api, metrics: Sequence[MetricId], stat: str, period: int, start: datetime, end: datetime
) -> SeriesList:
    read = []
    for label, metric in zip(labels_of(metrics), metrics, strict=True):
        series = await api.metrics.series(metric, start, end, period)
        read.append((label, {point.at: statistic(point.summary, stat) for point in series.points}))
        await asyncio.sleep(0)
    return SeriesList(tuple(read))
