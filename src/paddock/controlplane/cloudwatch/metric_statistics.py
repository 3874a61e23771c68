"""CloudWatch: one metric over time, what metrics there are, and taking those of others in."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from paddock.awsapi.pagination import paginate
from paddock.controlplane.api import Answer, Api, Call, Operation
from paddock.controlplane.cloudwatch.names import Unit
from paddock.controlplane.cloudwatch.statistic import (
    bad_combination,
    check_percentile,
    check_period,
    invalid,
    named_metric,
    rounded,
    statistic,
)
from paddock.model.errors import ApiError
from paddock.model.metrics import Summary, single, summary_of
from paddock.ports.metrics import KnownMetric, MetricSample, MetricSeries

DATAPOINTS_AT_MOST = 1440
LISTED_AT_ONCE = 500
LISTED_SINCE = timedelta(days=14)
RECENTLY = timedelta(hours=3)
VALUES_AT_MOST = 150
TAKEN_BACK = timedelta(days=14)
TAKEN_AHEAD = timedelta(hours=2)


async def get_metric_statistics(api: Api, call: Call) -> Answer:
    params = call.params
    plain, percentiles = params.get("Statistics", ()), params.get("ExtendedStatistics", ())
    if not plain and not percentiles:
        raise bad_combination("At least one of Statistics and ExtendedStatistics must be given.")
    for each in percentiles:
        check_percentile(each, "ExtendedStatistics")
    period, end = params["Period"], params["EndTime"]
    check_period(period)
    start = rounded(params["StartTime"], period)
    if params["StartTime"] >= end:
        raise invalid("The parameter StartTime must be less than the parameter EndTime.")
    # by the times as they were given: a day by minutes is 1,440, also when it begins in the middle of one
    asked = -(-(end - params["StartTime"]) // timedelta(seconds=period))
    if asked > DATAPOINTS_AT_MOST:
        raise bad_combination(
            f"You have requested up to {asked} datapoints, which exceeds the limit of {DATAPOINTS_AT_MOST}. "
            "You may reduce the datapoints requested by increasing Period, or decreasing the time range."
        )
    metric = named_metric(params["Namespace"], params["MetricName"], params.get("Dimensions", ()))
    series = await api.metrics.series(metric, start, end, period)
    return {"Label": metric.name, "Datapoints": _datapoints(series, params)}


def _datapoints(series: MetricSeries, params: Mapping[str, Any]) -> list[dict[str, Any]]:
    """None at all when another unit is asked for: AWS converts nothing."""
    if params.get("Unit", series.unit) != series.unit:
        return []
    datapoints = []
    for point in series.points:
        datapoint: dict[str, Any] = {"Timestamp": point.at, "Unit": series.unit}
        datapoint |= {name: statistic(point.summary, name) for name in params.get("Statistics", ())}
        extended = {name: statistic(point.summary, name) for name in params.get("ExtendedStatistics", ())}
        if extended:
            datapoint["ExtendedStatistics"] = extended
        datapoints.append(datapoint)
    return datapoints


async def list_metrics(api: Api, call: Call) -> Answer:
    params = call.params
    since = call.now - (RECENTLY if params.get("RecentlyActive") else LISTED_SINCE)
    wanted = [(each["Name"], each.get("Value")) for each in params.get("Dimensions", ())]
    chosen = [
        known
        for known in await api.metrics.known(params.get("Namespace"))
        if known.last_at >= since
        and params.get("MetricName", known.metric.name) == known.metric.name
        and _has(dict(known.metric.dimensions), wanted)
    ]
    try:
        page = paginate(chosen, params.get("NextToken"), None, LISTED_AT_ONCE, _key)
    except ApiError as error:
        raise invalid("The value for parameter NextToken is invalid.") from error
    return {"Metrics": [_shown(known) for known in page.items], "NextToken": page.next_marker}


def _has(dimensions: Mapping[str, str], wanted: list[tuple[str, str | None]]) -> bool:
    return all(name in dimensions and value in (None, dimensions[name]) for name, value in wanted)


def _key(known: KnownMetric) -> str:
    metric = known.metric
    return "\0".join([metric.namespace, metric.name, *(part for pair in metric.dimensions for part in pair)])


def _shown(known: KnownMetric) -> dict[str, Any]:
    metric = known.metric
    dimensions = [{"Name": name, "Value": value} for name, value in metric.dimensions]
    return {"Namespace": metric.namespace, "MetricName": metric.name, "Dimensions": dimensions}


async def put_metric_data(api: Api, call: Call) -> Answer:
    namespace = call.params["Namespace"]
    if namespace.startswith("AWS/"):
        raise invalid("The value AWS/ for parameter Namespace is invalid.")
    taken = []
    for datum in call.params.get("MetricData", ()):
        at = datum.get("Timestamp", call.now)
        if not call.now - TAKEN_BACK <= at <= call.now + TAKEN_AHEAD:
            raise invalid("The parameter Timestamp must lie within the last two weeks and the next two hours.")
        metric = named_metric(namespace, datum["MetricName"], datum.get("Dimensions", ()))
        taken.append((at, MetricSample(metric, datum.get("Unit", Unit.NONE.value), _summary(datum))))
    for at, sample in taken:
        await api.metrics.put(at, [sample])
    return {}


def _summary(datum: Mapping[str, Any]) -> Summary:
    if "StatisticValues" in datum:
        given = datum["StatisticValues"]
        return _of_statistics(given["SampleCount"], given["Sum"], given["Minimum"], given["Maximum"])
    if "Value" in datum:
        return single(float(datum["Value"]))
    values = datum.get("Values", ())
    counts = datum.get("Counts") or [1.0] * len(values)
    if not values or len(values) > VALUES_AT_MOST or len(values) != len(counts) or min(counts) <= 0:
        raise invalid(
            f"Each datum has a Value, StatisticValues, or 1 to {VALUES_AT_MOST} Values with as many positive Counts."
        )
    seen: dict[float, float] = {}
    for value, count in zip(values, counts, strict=True):
        seen[float(value)] = seen.get(float(value), 0) + count
    return summary_of(seen)


def _of_statistics(count: float, total: float, minimum: float, maximum: float) -> Summary:
    """How the values lie between the extremes nobody said: half is put at each, so percentiles of such are rough."""
    if count <= 0 or minimum > maximum:
        raise invalid("StatisticValues must have a positive SampleCount and a Minimum not above the Maximum.")
    ends = summary_of({minimum: count / 2, maximum: count / 2} if minimum != maximum else {minimum: count})
    return Summary(count, total, minimum, maximum, ends.buckets)


OPERATIONS = (
    Operation("cloudwatch", "GetMetricStatistics", get_metric_statistics, "partial", "of the extended: percentiles"),
    Operation("cloudwatch", "ListMetrics", list_metrics),
    Operation("cloudwatch", "PutMetricData", put_metric_data, "partial", "without entities"),
)
