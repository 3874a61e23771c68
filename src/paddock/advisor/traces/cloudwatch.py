"""CloudWatch's answers: `GetMetricData`, `GetMetricStatistics`, and metric-stream JSON lines.

Metrics are told apart by label or id: Invocations (Sum) is needed; Duration, if there, gives means and percentiles.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from paddock.advisor.traces.accumulate import Histogram, MinuteCounts, spread
from paddock.advisor.traces.lines import TraceLines
from paddock.advisor.traces.selection import Selection
from paddock.advisor.traces.trace import SECONDS_PER_MINUTE, Distribution, Trace

_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?)$", re.IGNORECASE)


@dataclass(slots=True)
class _Gathered:
    counts: MinuteCounts = field(default_factory=MinuteCounts)
    means: Histogram = field(default_factory=Histogram)
    percentiles: dict[float, list[float]] = field(default_factory=dict)
    ignored: set[str] = field(default_factory=set)


def read(lines: TraceLines, selection: Selection) -> Trace:
    document = lines.whole_document()
    gathered = _Gathered()
    if "MetricDataResults" in document:
        for result in _list(lines, document, "MetricDataResults"):
            _result(lines, gathered, result)
    elif "Datapoints" in document:
        _datapoints(lines, gathered, document)
    else:
        lines.refuse("has neither MetricDataResults nor Datapoints: is it an answer of CloudWatch?", 1)
    return _trace(lines, gathered)


def read_metric_stream(lines: TraceLines, selection: Selection) -> Trace:
    """JSON lines of a metric stream; the function is its FunctionName dimension."""
    gathered = _Gathered()
    for line in lines:
        if not line.strip():
            continue
        row = lines.json_object(line)
        name, value = row.get("metric_name"), row.get("value")
        dimensions = row.get("dimensions")
        function = dimensions.get("FunctionName") if isinstance(dimensions, dict) else None
        if not isinstance(value, dict) or not isinstance(function, str) or len(dimensions or {}) != 1:
            continue
        if name == "Invocations" and selection.takes(function):
            _count(lines, gathered, row.get("timestamp"), value.get("sum"))
        elif name == "Duration" and selection.takes(function) and value.get("count"):
            count = lines.number_in(str(value["count"]), "count")
            gathered.means.add(lines.number_in(str(value.get("sum")), "sum") / count, count)
    selection.settle(str(lines.path))
    return _trace(lines, gathered, function=selection.chosen)


def _list(lines: TraceLines, row: Mapping[str, Any], name: str) -> list[Any]:
    value = row.get(name)
    if not isinstance(value, list):
        lines.refuse(f"{name} is no list", 1)
    return value


def _result(lines: TraceLines, gathered: _Gathered, result: object) -> None:
    if not isinstance(result, dict):
        lines.refuse("a member of MetricDataResults is no object", 1)
    name = f"{result.get('Label', '')} {result.get('Id', '')}".strip()
    times, values = _list(lines, result, "Timestamps"), _list(lines, result, "Values")
    if len(times) != len(values):
        lines.refuse(f"{name!r} has {len(times)} timestamps and {len(values)} values", 1)
    kind, percentile = _kind(name)
    if kind == "invocations":
        for time, value in zip(times, values, strict=True):
            _count(lines, gathered, time, value)
    elif kind == "duration":
        for value in values:
            _duration(lines, gathered, percentile, value)
    else:
        gathered.ignored.add(name)


def _kind(name: str) -> tuple[str | None, float | None]:
    lowered = name.lower()
    if "invocation" in lowered or lowered.endswith("requests"):
        return "invocations", None
    if "duration" in lowered and "cold" not in lowered and "init" not in lowered:
        match = next((found for word in lowered.split() if (found := _PERCENTILE.search(word))), None)
        return "duration", None if match is None else float(match[1]) / 100
    return None, None


def _datapoints(lines: TraceLines, gathered: _Gathered, document: Mapping[str, Any]) -> None:
    label = str(document.get("Label", ""))
    for point in _list(lines, document, "Datapoints"):
        if not isinstance(point, dict):
            lines.refuse("a member of Datapoints is no object", 1)
        if label == "Invocations":
            _count(lines, gathered, point.get("Timestamp"), point.get("Sum"))
        else:
            lines.refuse(f"holds {label!r}; traffic is the Sum of Invocations", 1)


def _count(lines: TraceLines, gathered: _Gathered, time: object, value: object) -> None:
    seconds, _ = lines.seconds_in(str(time))
    gathered.counts.add(int(seconds // SECONDS_PER_MINUTE), lines.number_in(str(value), "Invocations"))


def _duration(lines: TraceLines, gathered: _Gathered, percentile: float | None, value: object) -> None:
    number = lines.number_in(str(value), "Duration")
    if percentile is None:
        gathered.means.add(number)
    else:
        gathered.percentiles.setdefault(percentile, []).append(number)


def _trace(lines: TraceLines, gathered: _Gathered, *, function: str | None = None) -> Trace:
    if gathered.counts.first is None:
        lines.refuse("has no Invocations", 1)
    counts, width = spread(gathered.counts.to_array(), gathered.counts.named())
    notes = ["periods without a point had no invocations, as CloudWatch leaves them out"]
    if width > 1:
        notes.append(f"points are {width} minutes apart and were spread evenly over them")
    if gathered.ignored:
        notes.append(f"not used: {', '.join(sorted(gathered.ignored))}")
    return Trace(
        counts=counts,
        source=str(lines.path),
        start=gathered.counts.start,
        function=function,
        duration_ms=_durations(gathered),
        notes=tuple(notes),
    )


def _durations(gathered: _Gathered) -> Distribution | None:
    """Means and percentiles per period, put together by their medians: percentiles cannot be averaged exactly."""
    means = gathered.means.distribution()
    if not gathered.percentiles:
        return means
    points = sorted((fraction, float(np.median(values))) for fraction, values in gathered.percentiles.items())
    values = np.maximum.accumulate([value for _, value in points])
    middle = means.mean if means is not None else float(np.interp(0.5, [point[0] for point in points], values))
    return Distribution(middle, tuple((point[0], float(value)) for point, value in zip(points, values, strict=True)))
