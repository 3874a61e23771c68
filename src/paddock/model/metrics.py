"""Metrics as values: what one is called, and what was seen of it, kept so that any two sights can be added up.

A `Summary` holds count, sum and extremes exactly and the distribution in buckets that lie 9 % apart, so a percentile is
right to a few percent however many values went in. No data is no summary, never a zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import floor, log2

_STEPS = 8
"""Buckets per doubling."""
_SHIFT = 1000
"""Zero is bucket 0; positive values have positive buckets, negative ones negative: 2^±125 lies within."""


@dataclass(frozen=True, slots=True, order=True)
class MetricId:
    """`dimensions` are in the order of their names."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...] = ()


def metric_id(namespace: str, name: str, dimensions: Mapping[str, str]) -> MetricId:
    return MetricId(namespace, name, tuple(sorted(dimensions.items())))


def bucket_of(value: float) -> int:
    if value == 0:
        return 0
    place = min(max(floor(log2(abs(value)) * _STEPS), 1 - _SHIFT), _SHIFT - 1) + _SHIFT
    return place if value > 0 else -place


def bounds_of(bucket: int) -> tuple[float, float]:
    """The least and the greatest value of a bucket."""
    if bucket == 0:
        return 0.0, 0.0
    place = abs(bucket) - _SHIFT
    low, high = 2.0 ** (place / _STEPS), 2.0 ** ((place + 1) / _STEPS)
    return (low, high) if bucket > 0 else (-high, -low)


@dataclass(frozen=True, slots=True)
class Summary:
    """A number of values. `buckets` are (bucket, how many) in ascending order; empty when all values are the same."""

    count: float
    total: float
    minimum: float
    maximum: float
    buckets: tuple[tuple[int, float], ...] = ()

    @property
    def average(self) -> float:
        return self.total / self.count

    def spread(self) -> tuple[tuple[int, float], ...]:
        return self.buckets or ((bucket_of(self.minimum), self.count),)

    def percentile(self, percent: float) -> float:
        """The value below which this much of all values lies, interpolated within its bucket."""
        wanted = self.count * percent / 100
        passed = 0.0
        for bucket, count in self.spread():
            if passed + count >= wanted:
                low, high = bounds_of(bucket)
                within = low + (high - low) * max(0.0, wanted - passed) / count
                return min(max(within, self.minimum), self.maximum)
            passed += count
        return self.maximum


def summary_of(values: Mapping[float, float]) -> Summary:
    """Of values and how often each was seen; there is at least one."""
    minimum, maximum = min(values), max(values)
    buckets: dict[int, float] = {}
    if minimum != maximum:
        for value, count in values.items():
            bucket = bucket_of(value)
            buckets[bucket] = buckets.get(bucket, 0) + count
    return Summary(
        count=sum(values.values()),
        total=sum(value * count for value, count in values.items()),
        minimum=minimum,
        maximum=maximum,
        buckets=tuple(sorted(buckets.items())),
    )


def single(value: float) -> Summary:
    return Summary(1, value, value, value)


def zeros_and_ones(zeros: int, ones: int) -> Summary:
    """Of something that each of `zeros + ones` events did or did not; at least one event."""
    return summary_of({float(value): float(count) for value, count in ((0, zeros), (1, ones)) if count})


def together(*summaries: Summary) -> Summary:
    """All of them as one; there is at least one."""
    if len(summaries) == 1:
        return summaries[0]
    minimum = min(each.minimum for each in summaries)
    maximum = max(each.maximum for each in summaries)
    buckets: dict[int, float] = {}
    if minimum != maximum:
        for each in summaries:
            for bucket, count in each.spread():
                buckets[bucket] = buckets.get(bucket, 0) + count
    return Summary(
        count=sum(each.count for each in summaries),
        total=sum(each.total for each in summaries),
        minimum=minimum,
        maximum=maximum,
        buckets=tuple(sorted(buckets.items())),
    )
