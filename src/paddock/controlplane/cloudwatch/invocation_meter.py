"""From what routers have counted to what happened since the last look. Synchronous, knows no clock.

As on AWS every invocation gives a 0 or a 1 to Errors and, like every refused one, to Throttles and its causes: their
averages are rates. Nothing invoked is no data.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import zip_longest

from paddock.controlplane.cloudwatch.names import UNITS, of_invocations
from paddock.core.routing.counters import Extremes, VersionCounts, upper_bound_us
from paddock.core.routing.counters import bucket_of as bucket_of_us
from paddock.core.routing.pool import ThrottleCause
from paddock.model.ids import FunctionVersionKey
from paddock.model.metrics import MetricId, Summary, bucket_of, single, zeros_and_ones
from paddock.ports.metrics import InvocationReading, MetricSample

NONE_YET = VersionCounts(0, 0, 0, (), 0, ())


class InvocationMeter:
    def __init__(self) -> None:
        self._before: dict[FunctionVersionKey, VersionCounts] = {}

    def samples(self, readings: Iterable[InvocationReading]) -> Iterator[MetricSample]:
        """Since the last call; since the routers began, the first time. To be taken to its end, in as many turns as
        one likes.
        """
        counted: dict[FunctionVersionKey, VersionCounts] = {}
        in_flight: dict[MetricId, int] = {}
        for reading in readings:
            key, now = reading.key, reading.counts
            counted[key] = now
            happened = difference(now, self._before.get(key, NONE_YET))
            for name, summary in _summaries(happened):
                yield from (MetricSample(metric, UNITS[name], summary) for metric in of_invocations(name, key))
            if reading.in_flight or happened.invocations:
                for metric in of_invocations("ConcurrentExecutions", key):
                    in_flight[metric] = in_flight.get(metric, 0) + reading.in_flight
        self._before = counted
        unit = UNITS["ConcurrentExecutions"]
        yield from (MetricSample(metric, unit, single(count)) for metric, count in in_flight.items())


def difference(now: VersionCounts, before: VersionCounts) -> VersionCounts:
    """Counts that are smaller than before were begun anew: the function was created again. Extremes are of the interval
    between the two already.
    """
    if now.invocations < before.invocations or now.throttled < before.throttled:
        before = NONE_YET
    throttled = dict(before.throttles)
    return VersionCounts(
        invocations=now.invocations - before.invocations,
        errors=now.errors - before.errors,
        refusals=now.refusals - before.refusals,
        throttles=tuple((cause, count - throttled.get(cause, 0)) for cause, count in now.throttles),
        duration_us_sum=now.duration_us_sum - before.duration_us_sum,
        durations=tuple(a - b for a, b in zip_longest(now.durations, before.durations, fillvalue=0)),
        extensions_us_sum=now.extensions_us_sum - before.extensions_us_sum,
        extensions=tuple(a - b for a, b in zip_longest(now.extensions, before.extensions, fillvalue=0)),
        duration_extremes_us=now.duration_extremes_us,
        extensions_extremes_us=now.extensions_extremes_us,
    )


def _summaries(happened: VersionCounts) -> Iterator[tuple[str, Summary]]:
    invocations, throttled = happened.invocations, happened.throttled
    asked = invocations + throttled
    if invocations:
        yield "Invocations", zeros_and_ones(0, invocations)
        yield "Errors", zeros_and_ones(invocations - happened.errors, happened.errors)
    # An invocation that extensions heard of has its duration only when they are done.
    if any(happened.durations):
        yield "Duration", duration_summary(happened.durations, happened.duration_us_sum, happened.duration_extremes_us)
    if any(happened.extensions):
        extremes_us = happened.extensions_extremes_us
        yield (
            "PostRuntimeExtensionsDuration",
            duration_summary(happened.extensions, happened.extensions_us_sum, extremes_us),
        )
    if asked:
        yield "Throttles", zeros_and_ones(asked - throttled, throttled)
        causes: Mapping[ThrottleCause, int] = dict(happened.throttles)
        for cause in ThrottleCause:
            count = causes.get(cause, 0)
            yield cause.value, zeros_and_ones(asked - count, count)


def duration_summary(durations: tuple[int, ...], total_us: int, extremes_us: Extremes | None) -> Summary:
    """In milliseconds, of the router's histogram: sum and extremes are exact, percentiles right to an eighth.

    Extremes outside the outer buckets are of something else (the report that had them was lost, or a router was read
    for the first time): the bounds of these buckets are nearer.
    """
    count = sum(durations)
    if count == 1:
        return single(total_us / 1000)
    filled = [bucket for bucket, times in enumerate(durations) if times]
    least_us, greatest_us = extremes_us or (-1, -1)
    if extremes_us is None or bucket_of_us(least_us) != filled[0]:
        least_us = _lower_bound_us(filled[0])
    if extremes_us is None or bucket_of_us(greatest_us) != filled[-1]:
        greatest_us = upper_bound_us(filled[-1])
    buckets: dict[int, float] = {}
    for bucket in filled:
        middle = bucket_of((_lower_bound_us(bucket) + upper_bound_us(bucket)) / 2000)
        buckets[middle] = buckets.get(middle, 0) + durations[bucket]
    return Summary(
        count=count,
        total=total_us / 1000,
        minimum=least_us / 1000,
        maximum=greatest_us / 1000,
        buckets=tuple(sorted(buckets.items())),
    )


def _lower_bound_us(bucket: int) -> int:
    return upper_bound_us(bucket - 1) if bucket else 0
