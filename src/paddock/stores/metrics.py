"""Metrics in memory: slices of time, in three resolutions, each bounded in length and in what it holds together.

Everything falls into all resolutions at once. A full one forgets its oldest slice, so that many metrics are remembered
for a shorter time instead of taking more memory. A point takes some 400 bytes, all of them at most about 120 MB.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from paddock.model.metrics import MetricId, Summary, bucket_of, together
from paddock.ports.metrics import NOTHING_KEPT, KnownMetric, MetricPoint, MetricSample, MetricSeries

METRICS_AT_MOST = 20_000
"""Function versions × what is measured of each; beyond it the metric that was silent longest makes room."""


@dataclass(frozen=True, slots=True)
class Resolution:
    seconds: int
    kept: timedelta
    points: int


RESOLUTIONS = (
    Resolution(1, timedelta(minutes=15), 50_000),
    Resolution(60, timedelta(days=15), 150_000),
    Resolution(300, timedelta(days=63), 100_000),
)
"""AWS keeps minutes for 15 days and five minutes for 63; seconds (AWS: three hours) are for looking at what goes on."""

Slice = Mapping[int, Summary]
"""By the numbers that a store gives its metrics: hashing a name three times a second each is what would cost."""


class _Point:
    """A summary that grows in place. `buckets` is there once two different values were seen."""

    __slots__ = ("buckets", "count", "maximum", "minimum", "total")

    def __init__(self, first: Summary) -> None:
        self.count = first.count
        self.total = first.total
        self.minimum = first.minimum
        self.maximum = first.maximum
        self.buckets = dict(first.buckets) if first.buckets else None

    def add(self, more: Summary) -> None:
        buckets = self.buckets
        if buckets is not None or more.buckets or more.minimum != self.minimum:
            if buckets is None:
                buckets = self.buckets = {bucket_of(self.minimum): self.count}
            for bucket, count in more.spread():
                buckets[bucket] = buckets.get(bucket, 0) + count
            self.minimum = min(self.minimum, more.minimum)
            self.maximum = max(self.maximum, more.maximum)
        self.count += more.count
        self.total += more.total

    def summary(self) -> Summary:
        buckets = () if self.buckets is None else tuple(sorted(self.buckets.items()))
        return Summary(self.count, self.total, self.minimum, self.maximum, buckets)


class Slices:
    """All metrics at one resolution; a slice goes by the number of its period since the epoch."""

    def __init__(self, resolution: Resolution) -> None:
        self.seconds = resolution.seconds
        self.length = int(resolution.kept.total_seconds()) // resolution.seconds
        self.newest = 0
        self._most_points = resolution.points
        self._points = 0
        self._slices: dict[int, dict[int, _Point]] = {}
        self._oldest = 0

    def put(self, number: int, summaries: Slice) -> None:
        if number <= self.newest - self.length:
            return
        self._oldest = min(self._oldest, number) if self._slices else number
        self.newest = max(self.newest, number)
        held = self._slices.setdefault(number, {})
        before = len(held)
        for metric, summary in summaries.items():
            known = held.get(metric)
            if known is None:
                held[metric] = _Point(summary)
            else:
                known.add(summary)
        self._points += len(held) - before
        self._make_room()

    def forget(self, metrics: Iterable[int]) -> None:
        gone = set(metrics)
        for held in self._slices.values():
            for metric in gone & held.keys():
                del held[metric]
                self._points -= 1

    def content(self, number: int) -> Slice:
        return {metric: point.summary() for metric, point in self._slices.get(number, {}).items()}

    def closed_since(self, number: int) -> list[int]:
        """The slices after that one which nothing new falls into any more, ascending."""
        return sorted(each for each in self._slices if number < each < self.newest)

    def within(self, metric: int, start: float, end: float) -> list[tuple[int, Summary]]:
        """Slices that begin from `start` to before `end`, by their beginnings in seconds, ascending."""
        first, last = ceil(start / self.seconds), ceil(end / self.seconds)
        asked = range(first, last)
        there = asked if len(asked) < len(self._slices) else sorted(each for each in self._slices if each in asked)
        found = ((each, self._slices[each].get(metric)) for each in there if each in self._slices)
        return [(each * self.seconds, point.summary()) for each, point in found if point is not None]

    def _make_room(self) -> None:
        while len(self._slices) > 1 and (self._oldest <= self.newest - self.length or self._points > self._most_points):
            self._points -= len(self._slices.pop(self._oldest))
            self._oldest = min(self._slices)


class _Metric:
    __slots__ = ("last_at", "metric", "number", "unit")

    def __init__(self, number: int, metric: MetricId, unit: str, last_at: datetime) -> None:
        self.number = number
        self.metric = metric
        self.unit = unit
        self.last_at = last_at


class MemoryMetricStore:
    def __init__(self, resolutions: Sequence[Resolution] = RESOLUTIONS, metrics: int = METRICS_AT_MOST) -> None:
        self.resolutions = tuple(Slices(resolution) for resolution in resolutions)
        self._most_metrics = metrics
        self._metrics: dict[MetricId, _Metric] = {}
        self._numbered = 0

    async def put(self, at: datetime, samples: Sequence[MetricSample]) -> None:
        self.keep(at, samples)

    def keep(self, at: datetime, samples: Iterable[MetricSample]) -> None:
        seconds = int(at.timestamp())
        summaries: dict[int, Summary] = {}
        for sample in samples:
            number = self.number_of(sample.metric, sample.unit, at)
            known = summaries.get(number)
            summaries[number] = sample.summary if known is None else together(known, sample.summary)
        for slices in self.resolutions:
            slices.put(seconds // slices.seconds, summaries)
        if len(self._metrics) > self._most_metrics:
            self._forget_silent()

    def number_of(self, metric: MetricId, unit: str, at: datetime) -> int:
        found = self._metrics.get(metric)
        if found is None:
            self._numbered += 1
            found = self._metrics[metric] = _Metric(self._numbered, metric, unit, at)
        elif at > found.last_at:
            found.last_at, found.unit = at, unit
        return found.number

    def described(self, numbers: Iterable[int]) -> dict[int, KnownMetric]:
        wanted = set(numbers)
        return {
            each.number: KnownMetric(each.metric, each.unit, each.last_at)
            for each in self._metrics.values()
            if each.number in wanted
        }

    async def known(self, namespace: str | None = None) -> Sequence[KnownMetric]:
        found = [each for each in self._metrics.values() if namespace in (None, each.metric.namespace)]
        found.sort(key=lambda each: each.metric)
        return [KnownMetric(each.metric, each.unit, each.last_at) for each in found]

    async def series(self, metric: MetricId, start: datetime, end: datetime, period_seconds: int) -> MetricSeries:
        known, slices = self._metrics.get(metric), self._coarsest_within(period_seconds)
        if known is None or slices is None:
            return NOTHING_KEPT
        begin = start.timestamp()
        periods: dict[int, list[Summary]] = {}
        for at, summary in slices.within(known.number, begin, end.timestamp()):
            periods.setdefault(int((at - begin) // period_seconds), []).append(summary)
        points = (
            MetricPoint(start + timedelta(seconds=number * period_seconds), together(*summaries))
            for number, summaries in periods.items()
        )
        return MetricSeries(known.unit, tuple(points))

    def _coarsest_within(self, period_seconds: int) -> Slices | None:
        """It reaches back farthest. Its slices must fill whole periods, or one would be counted in the wrong one."""
        fitting = [slices for slices in self.resolutions if period_seconds % slices.seconds == 0]
        return max(fitting, key=lambda slices: slices.seconds, default=None)

    def _forget_silent(self) -> None:
        """A tenth at once, so that it is not looked for at every new one."""
        by_age = sorted(self._metrics.values(), key=lambda each: each.last_at)
        gone = by_age[: len(self._metrics) - self._most_metrics * 9 // 10]
        for each in gone:
            del self._metrics[each.metric]
        for slices in self.resolutions:
            slices.forget(each.number for each in gone)
