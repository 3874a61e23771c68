"""CloudWatch: many metrics over time in one request, and what metric math makes of them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from math import isfinite
from typing import Any

from paddock.awsapi.pagination import paginate
from paddock.controlplane.api import Answer, Api, Call, Operation
from paddock.controlplane.cloudwatch.evaluation import Surroundings, Value, evaluate
from paddock.controlplane.cloudwatch.expressions import Called, ExpressionError, Tree, names_in, parse, searches_in
from paddock.controlplane.cloudwatch.searching import Found, Wanted, found, wanted
from paddock.controlplane.cloudwatch.series import Series, SeriesList
from paddock.controlplane.cloudwatch.statistic import check_period, check_statistic, named_metric, rounded, statistic
from paddock.model.errors import ApiError

QUERIES_AT_MOST = 500
DATAPOINTS_AT_MOST = 100_800
PERIODS_AT_MOST = 500_000
"""Of all expressions together: functions like FILL lay out every period before there is a datapoint to be counted."""
DEFAULT_PERIOD_SECONDS = 300

TOO_MANY = ({"Code": "MaxMetricsExceeded", "Value": "Maximum number of allowed metrics exceeded"},)
"""Of what searches found; the first of it is worked with."""

_ID = re.compile(r"[a-z][a-zA-Z0-9_]*")


@dataclass(frozen=True, slots=True)
class Query:
    """`tree` is None for a plain metric, `label` where none was given. `searches` are those of the tree."""

    id: str
    label: str | None
    shown: bool
    period_seconds: int
    stat: Mapping[str, Any] | None = None
    tree: Tree | None = None
    searches: Mapping[Called, Wanted] = field(default_factory=dict)

    def period_of(self, search: Wanted) -> int:
        """That of the query goes before that of the search."""
        return self.period_seconds or search.period_seconds or DEFAULT_PERIOD_SECONDS


@dataclass(frozen=True, slots=True)
class Result:
    id: str
    label: str
    points: Sequence[tuple[datetime, float]]


async def get_metric_data(api: Api, call: Call) -> Answer:
    params = call.params
    start, end = params["StartTime"], params["EndTime"]
    if start >= end:
        raise invalid("The parameter EndTime must be greater than StartTime.")
    queries = read_queries(params["MetricDataQueries"])
    metrics: dict[str, Series] = {}
    for query in queries:
        if query.stat is not None:
            metrics[query.id] = await _series(api, query, start, end)
            await asyncio.sleep(0)
    searches = {(called, query.period_of(each)): each for query in queries for called, each in query.searches.items()}
    searched, whole = await found(api, searches, start, end, call.now)
    # Away from the event loop: large ones take longer than an invocation should wait for.
    values = await asyncio.to_thread(worked_out, queries, metrics, searched, start, end)
    newest_first = params.get("ScanBy", "TimestampDescending") == "TimestampDescending"
    results = [
        result
        for query in queries
        if query.shown
        for result in _results(query, values[query.id], newest_first=newest_first)
    ]
    return _paged(results, params, () if whole else TOO_MANY)


def read_queries(given: Sequence[Mapping[str, Any]]) -> list[Query]:
    """Raises `ApiError` for ids that are none or come twice, and for queries that are both or neither kind."""
    if not 1 <= len(given) <= QUERIES_AT_MOST:
        raise invalid(f"MetricDataQueries must have 1 to {QUERIES_AT_MOST} members.")
    queries = [_query(each) for each in given]
    if len({query.id for query in queries}) < len(queries):
        raise invalid("The values of the parameter Id in MetricDataQueries must be unique.")
    return queries


def _query(each: Mapping[str, Any]) -> Query:
    name, stat, expression = each["Id"], each.get("MetricStat"), each.get("Expression")
    if not _ID.fullmatch(name):
        raise invalid(
            f"The value {name} for parameter Id must begin with a lower-case letter and hold letters, digits, _."
        )
    if (stat is None) == (expression is None):
        raise invalid(f"The query {name} must have either MetricStat or Expression, and only one of them.")
    shown = each.get("ReturnData", True)
    if stat is not None:
        check_period(stat["Period"])
        check_statistic(stat["Stat"], "Stat")
        label = each.get("Label") or stat["Metric"].get("MetricName")
        return Query(name, label, shown, stat["Period"], stat=stat)
    period = each.get("Period", 0)
    if period:
        check_period(period)
    try:
        tree = parse(str(expression))
        searches = {called: wanted(called) for called in searches_in(tree)}
    except ExpressionError as error:
        raise _wrong(name, error) from error
    return Query(name, each.get("Label"), shown, period, tree=tree, searches=searches)


async def _series(api: Api, query: Query, start: datetime, end: datetime) -> Series:
    assert query.stat is not None
    asked, period = query.stat["Metric"], query.period_seconds
    metric = named_metric(asked.get("Namespace", ""), asked.get("MetricName", ""), asked.get("Dimensions", ()))
    series = await api.metrics.series(metric, rounded(start, period), end, period)
    if query.stat.get("Unit", series.unit) != series.unit:
        return {}
    return {point.at: statistic(point.summary, query.stat["Stat"]) for point in series.points}


def worked_out(
    queries: Sequence[Query], metrics: Mapping[str, Series], searched: Found, start: datetime, end: datetime
) -> dict[str, Value]:
    """What every query comes to, those that others need first. Raises `ApiError`."""
    values: dict[str, Value] = dict(metrics)
    periods = {query.id: query.period_seconds for query in queries}
    waiting = [query for query in queries if query.tree is not None]
    left = PERIODS_AT_MOST
    while waiting:
        ready = [query for query in waiting if not _missing(query, values, periods)]
        if not ready:
            raise invalid(f"The expressions {', '.join(query.id for query in waiting)} need one another.")
        for query in ready:
            needed = [periods[name] for name in _mentioned(query, metrics, periods)]
            needed += [query.period_of(each) for each in query.searches.values()]
            period = query.period_seconds or max(needed, default=0) or DEFAULT_PERIOD_SECONDS
            periods[query.id] = period
            times = _times(start, end, period, left)
            left -= len(times)
            found_here = {called: searched[called, query.period_of(each)] for called, each in query.searches.items()}
            values[query.id] = _evaluated(query, Surroundings(values, metrics, times, period, found_here, periods))
        waiting = [query for query in waiting if query.id not in values]
    return values


def _missing(query: Query, values: Mapping[str, Value], known: Mapping[str, int]) -> set[str]:
    """Other queries that must come first; an id that no query has is found when it is evaluated."""
    assert query.tree is not None
    return {name for name in names_in(query.tree) if name in known and name not in values}


def _mentioned(query: Query, metrics: Mapping[str, Series], known: Mapping[str, int]) -> set[str]:
    """Without any id or SEARCH it is about all metrics (`SUM(METRICS())`)."""
    assert query.tree is not None
    mentioned = names_in(query.tree) & known.keys()
    return mentioned or (set() if query.searches else set(metrics))


def _evaluated(query: Query, around: Surroundings) -> Value:
    assert query.tree is not None
    try:
        value = evaluate(query.tree, around)
    except ExpressionError as error:
        raise _wrong(query.id, error) from error
    if query.shown and not isinstance(value, dict | SeriesList):
        raise _wrong(query.id, ExpressionError("It is no time series; a number alone cannot be returned"))
    return value


def _times(start: datetime, end: datetime, period_seconds: int, most: int) -> list[datetime]:
    first, step = rounded(start, period_seconds), timedelta(seconds=period_seconds)
    count = -(-(end - first) // step)
    if count > most:
        raise invalid(
            f"The expressions ask for more than {PERIODS_AT_MOST:,} periods: lengthen Period or shorten the time."
        )
    return [first + number * step for number in range(count)]


def _results(query: Query, value: Value, *, newest_first: bool) -> Iterator[Result]:
    """Of an array each series has its own label behind that of the query, as on AWS."""
    many = value.series if isinstance(value, SeriesList) else (("", value),)
    for label, series in many:
        if isinstance(series, dict):
            points = [(at, number) for at, number in sorted(series.items(), reverse=newest_first) if isfinite(number)]
            yield Result(query.id, " ".join(filter(None, (query.label, label))) or query.id, points)


def _paged(results: Sequence[Result], params: Mapping[str, Any], messages: Sequence[Mapping[str, str]]) -> Answer:
    """Datapoints are counted off over all results; one that is cut is PartialData and goes on under its id."""
    flat = [(place, point) for place, result in enumerate(results) for point in range(max(1, len(result.points)))]
    most = min(params.get("MaxDatapoints") or DATAPOINTS_AT_MOST, DATAPOINTS_AT_MOST)
    try:
        page = paginate(
            enumerate(flat), params.get("NextToken"), most, DATAPOINTS_AT_MOST, lambda numbered: numbered[0]
        )
    except ApiError as error:
        raise ApiError("InvalidNextToken", "The next token specified is invalid.") from error
    given: dict[int, list[int]] = {}
    for _, (place, point) in page.items:
        given.setdefault(place, []).append(point)
    shown = [_shown(results[place], points) for place, points in given.items()]
    return {"MetricDataResults": shown, "NextToken": page.next_marker, "Messages": list(messages)}


def _shown(result: Result, points: Sequence[int]) -> dict[str, Any]:
    chosen = result.points[points[0] : points[-1] + 1]
    complete = points[-1] >= len(result.points) - 1
    return {
        "Id": result.id,
        "Label": result.label,
        "Timestamps": [at for at, _ in chosen],
        "Values": [value for _, value in chosen],
        "StatusCode": "Complete" if complete else "PartialData",
    }


def _wrong(query_id: str, error: ExpressionError) -> ApiError:
    return invalid(f"Error in expression '{query_id}' [{error}]")


def invalid(text: str) -> ApiError:
    """What this operation calls any fault of a request."""
    return ApiError("ValidationError", text, status=400)


OPERATIONS = (
    Operation(
        "cloudwatch",
        "GetMetricData",
        get_metric_data,
        "partial",
        "metric math with SEARCH, without anomaly detection, Contributor Insights and service quotas; no placeholders "
        "in labels; of the extended statistics percentiles",
    ),
)
