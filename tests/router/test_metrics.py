"""Counts in the form that Prometheus scrapes."""

from __future__ import annotations

from paddock.core.routing.counters import VersionCounters
from paddock.core.routing.pool import ThrottleCause
from paddock.model.ids import LATEST_PUBLISHED, FunctionName, FunctionVersionKey
from paddock.router.metrics import exposition
from paddock.router.statistics import VersionStatistics

LABELS = 'function_name="f",version="$LATEST.PUBLISHED"'


def statistics() -> VersionStatistics:
    counters = VersionCounters()
    for duration_us in (100, 100, 3_000_000):
        counters.answered(duration_us)
    counters.errors += 1
    counters.refusals += 2
    counters.throttles[ThrottleCause.CPU] += 4
    return VersionStatistics(FunctionVersionKey(FunctionName("f"), LATEST_PUBLISHED), 5, counters.counts())


def test_every_count_is_there_with_its_labels() -> None:
    lines = exposition([statistics()]).splitlines()

    assert f"paddock_invocations_total{{{LABELS}}} 3" in lines
    assert f"paddock_errors_total{{{LABELS}}} 1" in lines
    assert f"paddock_refusals_total{{{LABELS}}} 2" in lines
    assert f"paddock_invocations_in_flight{{{LABELS}}} 5" in lines
    assert f'paddock_throttles_total{{{LABELS},cause="CPUThrottles"}} 4' in lines
    assert f'paddock_throttles_total{{{LABELS},cause="DiskThrottles"}} 0' in lines


def test_the_histogram_is_cumulative_and_ends_in_all() -> None:
    lines = [line for line in exposition([statistics()]).splitlines() if line.startswith("paddock_duration_seconds_")]

    assert [line.rpartition(" ")[2] for line in lines] == ["2", "3", "3", "3.000200", "3"]
    assert 'le="0.000112"' in lines[0]
    assert 'le="+Inf"' in lines[2]


def test_the_time_of_extensions_is_a_histogram_of_its_own_where_there_are_any() -> None:
    counters = VersionCounters()
    counters.answered_early()
    counters.concluded(1_000_000, 500_000)
    one = VersionStatistics(FunctionVersionKey(FunctionName("f"), LATEST_PUBLISHED), 0, counters.counts())
    name = "paddock_post_runtime_extensions_seconds"

    lines = exposition([one]).splitlines()

    assert f"{name}_sum{{{LABELS}}} 0.500000" in lines
    assert f"{name}_count{{{LABELS}}} 1" in lines
    assert f"paddock_duration_seconds_sum{{{LABELS}}} 1.500000" in lines
    assert f"{name}_sum" not in exposition([statistics()])


def test_each_metric_is_described_once() -> None:
    text = exposition([statistics(), statistics()])

    assert text.count("# TYPE paddock_invocations_total counter") == 1
    assert text.endswith("\n")


def test_a_router_that_did_nothing_yet_says_so() -> None:
    assert "paddock_invocations_total{" not in exposition([])
