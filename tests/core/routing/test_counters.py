"""Counting one invocation at a time, reading percentiles from buckets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from paddock.core.routing.counters import VersionCounters, bucket_of, combined, upper_bound_us
from paddock.core.routing.pool import ThrottleCause


@given(st.integers(0, 2**39))
def test_a_duration_lies_below_the_bound_of_its_bucket_and_not_far_below(duration_us: int) -> None:
    bound = upper_bound_us(bucket_of(duration_us))

    assert duration_us < bound
    assert bound <= duration_us * 1.25 + 1


@given(st.integers(0, 2**39))
def test_longer_durations_never_fall_into_earlier_buckets(duration_us: int) -> None:
    assert bucket_of(duration_us) <= bucket_of(duration_us + 1)


@given(st.integers(0, 2**41))
def test_a_duration_is_counted_in_its_bucket(duration_us: int) -> None:
    counters = VersionCounters()
    counters.answered(duration_us)

    assert counters.durations[bucket_of(duration_us)] == 1


def test_extensions_of_several_routers_are_counted_together() -> None:
    one, other = VersionCounters(), VersionCounters()
    for counters, extensions_us in ((one, 100), (other, 300)):
        counters.answered_early()
        counters.concluded(1000, extensions_us)
    other.answered(50)

    whole = combined([one.counts(), other.counts()])

    assert (whole.invocations, whole.duration_us_sum, whole.extensions_us_sum) == (3, 2450, 400)
    assert (sum(whole.durations), sum(whole.extensions)) == (3, 2)


def test_absurd_durations_are_counted_too() -> None:
    counters = VersionCounters()
    counters.answered(2**60)
    counters.answered(-5)

    assert counters.counts().invocations == 2
    assert sum(counters.counts().durations) == 2


def test_percentiles_are_read_from_the_histogram() -> None:
    counters = VersionCounters()
    for duration in [100] * 99 + [100_000]:
        counters.answered(duration)
    counts = counters.counts()

    assert counts.duration_us_below(0.5) == upper_bound_us(bucket_of(100))
    assert counts.duration_us_below(1.0) == upper_bound_us(bucket_of(100_000))
    assert VersionCounters().counts().duration_us_below(0.5) is None


def test_throttles_are_counted_by_cause() -> None:
    counters = VersionCounters()
    counters.throttles[ThrottleCause.CONCURRENCY] += 2
    counters.throttles[ThrottleCause.CPU] += 1

    assert counters.counts().throttled == 3
    assert dict(counters.counts().throttles)[ThrottleCause.MEMORY] == 0


def test_the_counts_of_several_routers_are_those_of_one_that_had_counted_all() -> None:
    one, other, all_of_it = VersionCounters(), VersionCounters(), VersionCounters()
    for counters, durations in ((one, [10, 5000]), (other, [70])):
        for duration_us in durations:
            counters.answered(duration_us)
            all_of_it.answered(duration_us)
        counters.errors += 1
        counters.refusals += 2
        counters.throttles[ThrottleCause.MEMORY] += 3
    all_of_it.errors, all_of_it.refusals = 2, 4
    all_of_it.throttles[ThrottleCause.MEMORY] = 6

    assert combined([one.counts(), other.counts()]) == all_of_it.counts()
    assert combined([one.counts()]) == one.counts()
    assert combined([]) == VersionCounters().counts()


def test_extremes_are_of_the_interval_and_everything_else_goes_on() -> None:
    counters = VersionCounters()
    assert counters.counts().duration_extremes_us is None
    for duration_us in (700, 20, 90_001):
        counters.answered(duration_us)
    counters.answered_early()
    counters.concluded(3, 5)
    assert counters.counts().duration_extremes_us == (8, 90_001)
    assert counters.counts().extensions_extremes_us == (5, 5)

    counters.begin_interval()
    assert counters.counts().duration_extremes_us is None
    assert counters.counts().extensions_extremes_us is None
    assert counters.counts().invocations == 4
    counters.answered(50)
    assert counters.counts().duration_extremes_us == (50, 50)
