"""From what routers have counted at function URLs to what happened since the last look. Synchronous, knows no clock.

As on AWS every request gives a 0 or a 1 to both counts of errors: their sums are counts, their averages rates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from paddock.controlplane.cloudwatch.invocation_meter import NONE_YET, difference, duration_summary
from paddock.controlplane.cloudwatch.names import UNITS, of_urls
from paddock.core.routing.counters import VersionCounts
from paddock.model.function_url import FunctionUrlId
from paddock.model.metrics import Summary, zeros_and_ones
from paddock.ports.metrics import MetricSample, UrlReading


class UrlMeter:
    def __init__(self) -> None:
        self._before: dict[FunctionUrlId, VersionCounts] = {}

    def samples(self, readings: Iterable[UrlReading]) -> Iterator[MetricSample]:
        """Since the last call; since the routers began, the first time. To be taken to its end."""
        counted: dict[FunctionUrlId, VersionCounts] = {}
        for reading in readings:
            now = counted[reading.url_id] = reading.counts
            happened = difference(now, self._before.get(reading.url_id, NONE_YET))
            for name, summary in _summaries(happened):
                for metric in of_urls(name, reading.function_name, reading.qualifier):
                    yield MetricSample(metric, UNITS[name], summary)
        self._before = counted


def _summaries(happened: VersionCounts) -> Iterator[tuple[str, Summary]]:
    requests = happened.invocations
    if not requests:
        return
    yield "UrlRequestCount", zeros_and_ones(0, requests)
    yield "Url4xxCount", zeros_and_ones(requests - happened.refusals, happened.refusals)
    yield "Url5xxCount", zeros_and_ones(requests - happened.errors, happened.errors)
    yield (
        "UrlRequestLatency",
        duration_summary(happened.durations, happened.duration_us_sum, happened.duration_extremes_us),
    )
