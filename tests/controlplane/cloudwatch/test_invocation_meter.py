from collections.abc import Iterable
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.controlplane.cloudwatch.invocation_meter import InvocationMeter, duration_summary
from paddock.core.routing.counters import VersionCounters, VersionCounts
from paddock.core.routing.pool import ThrottleCause
from paddock.model.ids import FunctionName, FunctionVersionKey, VersionName
from paddock.model.metrics import Summary
from paddock.ports.metrics import MetricSample


@dataclass
class Reading:
    """One version of one router, counted as routers count."""

    key: FunctionVersionKey
    counters: VersionCounters
    in_flight: int = 0

    @property
    def counts(self) -> VersionCounts:
        return self.counters.counts()

    def ran(self, *durations_us: int, errors: int = 0) -> None:
        for duration in durations_us:
            self.counters.answered(duration)
        self.counters.errors += errors


def reading(name: str = "hello", version: str = "1") -> Reading:
    return Reading(FunctionVersionKey(FunctionName(name), VersionName(version)), VersionCounters())


def seen(samples: Iterable[MetricSample], **dimensions: str) -> dict[str, Summary]:
    """What was measured with exactly these dimensions, by name."""
    wanted = tuple(sorted(dimensions.items()))
    return {sample.metric.name: sample.summary for sample in samples if sample.metric.dimensions == wanted}


def test_only_what_happened_since_the_last_look_is_measured() -> None:
    meter, hello = InvocationMeter(), reading()
    hello.ran(1000, 2000, errors=1)
    first = seen(meter.samples([hello]), FunctionName="hello", Resource="hello:1")
    assert (first["Invocations"].total, first["Errors"].total, first["Duration"].total) == (2, 1, 3.0)
    assert list(meter.samples([hello])) == []
    hello.ran(5000)
    later = seen(meter.samples([hello]), FunctionName="hello", Resource="hello:1")
    assert later["Duration"] == Summary(1, 5.0, 5.0, 5.0)
    assert later["Errors"] == Summary(1, 0.0, 0.0, 0.0)


def test_an_invocation_has_its_duration_when_its_extensions_are_done() -> None:
    meter, hello = InvocationMeter(), reading()
    hello.counters.answered_early()
    first = seen(meter.samples([hello]), FunctionName="hello")
    assert first["Invocations"].total == 1
    assert not {"Duration", "PostRuntimeExtensionsDuration"} & first.keys()
    hello.counters.concluded(2000, 500)
    later = seen(meter.samples([hello]), FunctionName="hello")
    assert "Invocations" not in later
    assert later["Duration"] == Summary(1, 2.5, 2.5, 2.5)
    assert later["PostRuntimeExtensionsDuration"] == Summary(1, 0.5, 0.5, 0.5)
    assert list(meter.samples([hello])) == []


def test_without_an_extension_there_is_no_time_of_extensions() -> None:
    meter, hello = InvocationMeter(), reading()
    hello.ran(1000)
    hello.counters.answered_early()
    hello.counters.concluded(3000, None)
    found = seen(meter.samples([hello]), FunctionName="hello")
    assert found["Duration"].total == 4.0
    assert "PostRuntimeExtensionsDuration" not in found


def test_what_did_not_happen_is_no_data() -> None:
    assert list(InvocationMeter().samples([reading()])) == []


def test_averages_of_errors_and_throttles_are_rates() -> None:
    meter, hello = InvocationMeter(), reading()
    hello.ran(*[1000] * 8, errors=2)
    hello.counters.throttles[ThrottleCause.CONCURRENCY] += 1
    hello.counters.throttles[ThrottleCause.MEMORY] += 1
    found = seen(meter.samples([hello]), FunctionName="hello")
    assert found["Errors"].average == 0.25
    assert (found["Throttles"].count, found["Throttles"].total) == (10, 2)
    assert {name: found[name].total for name in found if name.endswith(("yThrottles", "kThrottles"))} == {
        "ConcurrencyThrottles": 1,
        "MemoryThrottles": 1,
        "DiskThrottles": 0,
    }
    assert found["CPUThrottles"].total == 0


def test_refusals_alone_are_throttles_without_invocations() -> None:
    meter, hello = InvocationMeter(), reading()
    hello.counters.throttles[ThrottleCause.CPU] += 3
    found = seen(meter.samples([hello]), FunctionName="hello")
    assert found["CPUThrottles"] == Summary(3, 3.0, 1.0, 1.0)
    assert "Invocations" not in found
    assert "Duration" not in found


def test_concurrent_executions_of_versions_and_functions_are_added_up() -> None:
    meter, one, two, other = InvocationMeter(), reading(), reading(version="2"), reading("other")
    one.in_flight, two.in_flight, other.in_flight = 3, 4, 5
    samples = list(meter.samples([one, two, other]))
    assert seen(samples, FunctionName="hello", Resource="hello:2")["ConcurrentExecutions"].total == 4
    assert seen(samples, FunctionName="hello")["ConcurrentExecutions"].total == 7
    assert seen(samples)["ConcurrentExecutions"] == Summary(1, 12.0, 12.0, 12.0)


def test_a_function_that_was_created_again_is_counted_from_zero() -> None:
    meter, hello = InvocationMeter(), reading()
    hello.ran(*[1000] * 10)
    list(meter.samples([hello]))
    again = reading()
    again.ran(1000)
    assert seen(meter.samples([again]), FunctionName="hello")["Invocations"].total == 1
    list(meter.samples([]))
    again.ran(1000)
    assert seen(meter.samples([again]), FunctionName="hello")["Invocations"].total == 2


@given(st.lists(st.integers(min_value=0, max_value=10**9), min_size=1, max_size=50))
def test_sum_and_extremes_of_durations_are_exact(durations_us: list[int]) -> None:
    counters = VersionCounters()
    for duration in durations_us:
        counters.answered(duration)
    summary = summary_of_durations(counters)
    assert summary.count == len(durations_us)
    assert summary.total == pytest.approx(sum(durations_us) / 1000)
    assert (summary.minimum, summary.maximum) == (min(durations_us) / 1000, max(durations_us) / 1000)


@pytest.mark.parametrize("extremes", [None, (5, 7), (5, 10_000_000)])
def test_extremes_that_are_of_something_else_leave_the_bounds_of_the_buckets(extremes: tuple[int, int] | None) -> None:
    """A report was lost with those it had, and the counts came with the next."""
    counters = VersionCounters()
    for duration in (1000, 2000, 3000):
        counters.answered(duration)
    counts = counters.counts()
    summary = duration_summary(counts.durations, counts.duration_us_sum, extremes)
    assert 0.75 < summary.minimum <= 1.0
    assert 3.0 <= summary.maximum < 3.8


@pytest.mark.parametrize("percent", [1, 50, 90, 99])
def test_percentiles_of_durations_are_right_to_an_eighth(percent: int) -> None:
    counters = VersionCounters()
    for duration in range(1000, 101_000, 100):
        counters.answered(duration)
    assert summary_of_durations(counters).percentile(percent) == pytest.approx(1 + percent, rel=0.13)


def summary_of_durations(counters: VersionCounters) -> Summary:
    counts = counters.counts()
    return duration_summary(counts.durations, counts.duration_us_sum, counts.duration_extremes_us)
