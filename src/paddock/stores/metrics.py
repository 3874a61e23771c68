"""Metrics in memory: slices of time, in three resolutions, each bounded in length and in what it holds together.

Everything falls into all resolutions at once. A full one forgets its oldest slice, so that many metrics are remembered
for a shorter time instead of taking more memory: a point takes some 300 bytes, all of them at most about 150 MB.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from paddock.model.metrics import MetricId, Summary, added
from paddock.ports.metrics import MetricSample

METRICS_AT_MOST = 20_000
"""Function versions × what is measured of each; beyond it new metrics are not taken until old ones are forgotten."""


@dataclass(frozen=True, slots=True)
class Resolution:
    seconds: int
    kept: timedelta
    points: int


RESOLUTIONS = (
    Resolution(1, timedelta(minutes=15), 100_000),
    Resolution(60, timedelta(days=15), 200_000),
    Resolution(300, timedelta(days=63), 200_000),
)
"""AWS keeps minutes for 15 days and five minutes for 63; seconds (AWS: three hours) are for looking at what goes on."""

Slice = dict[MetricId, Summary]


class _Slices:
    """All metrics at one resolution. Slices are found by the number of their period since the epoch."""

    def __init__(self, resolution: Resolution) -> None:
        self.seconds = resolution.seconds
        self._length = int(resolution.kept.total_seconds()) // resolution.seconds
        self._most_points = resolution.points
        self._points = 0
        self._slices: dict[int, Slice] = {}
        self._newest = 0

    def put(self, at: float, samples: Sequence[MetricSample]) -> None:
        number = int(at) // self.seconds
        if number <= self._newest - self._length:
            return
        self._newest = max(self._newest, number)
        held = self._slices.setdefault(number, {})
        before = len(held)
        for sample in samples:
            known = held.get(sample.metric)
            held[sample.metric] = sample.summary if known is None else _sum(known, sample.summary)
        self._points += len(held) - before
        self._forget()

    def load(self, number: int, content: Slice) -> None:
        """What was kept elsewhere; oldest first."""
        self._newest = max(self._newest, number)
        self._points += len(content) - len(self._slices.get(number, ()))
        self._slices[number] = content
        self._forget()

    def slices(self) -> Iterator[tuple[int, Slice]]:
        yield from self._slices.items()

    def within(self, metric: MetricId, start: float, end: float) -> Iterator[tuple[int, Summary]]:
        """(Its beginning in seconds, the summary), ascending."""
        first = -(-int(start) // self.seconds)
        last = -(-int(end) // self.seconds)
        numbers = range(first, last)
        if len(numbers) > len(self._slices):
            numbers_there = sorted(number for number in self._slices if first <= number < last)
        else:
            numbers_there = [number for number in numbers if number in self._slices]
        for number in numbers_there:
            found = self._slices[number].get(metric)
            if found is not None:
                yield number * self.seconds, found

    def _forget(self) -> None:
        """A slice that came late stands behind newer ones; what is too old is looked for by number, not by place."""
        oldest_kept = self._newest - self._length
        while len(self._slices) > 1:
            oldest = min(
                next(iter(self._slices)), min(self._slices) if self._points > self._most_points else self._newest
            )
            if oldest > oldest_kept and self._points <= self._most_points:
                return
            self._points -= len(self._slices.pop(oldest))


def _sum(known: Summary, more: Summary) -> Summary:
    together = added((known, more))
    assert together is not None
    return together
