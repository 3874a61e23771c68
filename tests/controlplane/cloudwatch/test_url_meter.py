from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from paddock.controlplane.cloudwatch.url_meter import UrlMeter
from paddock.core.routing.counters import VersionCounters, VersionCounts
from paddock.model.function_url import FunctionUrlId
from paddock.model.ids import FunctionName
from paddock.model.metrics import Summary
from paddock.ports.metrics import MetricSample

URL_ID = FunctionUrlId("a" * 32)
SITE = FunctionName("site")


@dataclass
class Reading:
    """One URL, counted as routers count."""

    qualifier: str | None = None
    url_id: FunctionUrlId = URL_ID
    function_name: FunctionName = SITE
    counters: VersionCounters = field(default_factory=VersionCounters)

    @property
    def counts(self) -> VersionCounts:
        return self.counters.counts()

    def answered(self, *statuses: int) -> None:
        for status in statuses:
            self.counters.answered(2000)
            self.counters.refusals += 400 <= status < 500
            self.counters.errors += status >= 500


def seen(samples: Iterable[MetricSample], **dimensions: str) -> dict[str, Summary]:
    wanted = tuple(sorted(dimensions.items()))
    return {sample.metric.name: sample.summary for sample in samples if sample.metric.dimensions == wanted}


def test_requests_are_counted_by_what_they_were_answered_with() -> None:
    reading = Reading()
    reading.answered(200, 404, 403, 502)
    found = seen(UrlMeter().samples([reading]), FunctionName="site")
    assert {name: found[name].total for name in ("UrlRequestCount", "Url4xxCount", "Url5xxCount")} == {
        "UrlRequestCount": 4,
        "Url4xxCount": 2,
        "Url5xxCount": 1,
    }
    assert (found["Url4xxCount"].average, found["UrlRequestLatency"].total) == (0.5, 8.0)


def test_only_what_happened_since_the_last_look_is_measured() -> None:
    meter, reading = UrlMeter(), Reading()
    reading.answered(200)
    assert len(list(meter.samples([reading]))) == 4
    assert list(meter.samples([reading])) == []


def test_an_alias_s_requests_are_its_function_s_too() -> None:
    reading = Reading("live")
    reading.answered(200)
    samples = list(UrlMeter().samples([reading]))
    assert seen(samples, FunctionName="site") == seen(samples, FunctionName="site", Resource="site:live") != {}


def test_a_url_that_nobody_asked_is_no_data() -> None:
    assert list(UrlMeter().samples([Reading()])) == []
