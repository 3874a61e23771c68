import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.advisor.traces.accumulate import MAX_DAYS, Histogram, MinuteCounts, SeenSeconds, TooManyDaysError, spread


@given(st.lists(st.floats(min_value=0.001, max_value=1e6), min_size=1, max_size=200), st.sampled_from([0.5, 0.9, 0.99]))
def test_a_quantile_is_right_to_two_percent_and_the_mean_exactly(values: list[float], fraction: float) -> None:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    found = histogram.distribution()

    assert found is not None
    exact = float(np.quantile(values, fraction, method="inverted_cdf"))
    assert found.quantile(fraction) == pytest.approx(exact, rel=0.02)
    assert found.mean == pytest.approx(float(np.mean(values)))
    assert found.quantile(0) == min(values)
    assert found.quantile(1) == pytest.approx(max(values), rel=0.02)


def test_nothing_added_is_no_distribution() -> None:
    assert Histogram().distribution() is None


@given(st.lists(st.tuples(st.integers(-3000, 3000), st.integers(0, 100)), min_size=1))
def test_counts_lose_nothing_whatever_their_order(rows: list[tuple[int, int]]) -> None:
    counts = MinuteCounts()
    for minute, count in rows:
        counts.add(minute, count)

    array = counts.to_array()

    assert array.sum() == sum(count for _, count in rows)
    assert len(array) == max(minute for minute, _ in rows) - min(minute for minute, _ in rows) + 1


def test_more_days_than_are_held_are_refused() -> None:
    counts, seen = MinuteCounts(), SeenSeconds()
    for day in range(MAX_DAYS):
        counts.add(day * 1440, 1)
        seen.add(day * 86_400)

    with pytest.raises(TooManyDaysError):
        counts.add(MAX_DAYS * 1440, 1)
    with pytest.raises(TooManyDaysError):
        seen.add(MAX_DAYS * 86_400)


def test_a_second_is_new_once() -> None:
    seen = SeenSeconds()

    assert [seen.add(second) for second in (7, 8, 7, 86_407, 7)] == [True, True, False, True, False]


@given(st.lists(st.floats(0, 1e6), min_size=2, max_size=50), st.integers(2, 60))
def test_spreading_keeps_the_sum(values: list[float], width: int) -> None:
    counts = np.zeros((len(values) - 1) * width + 1)
    named = np.zeros(len(counts), dtype=np.bool_)
    counts[::width] = values
    named[::width] = True

    wide, found = spread(counts, named)

    assert found == width
    assert wide.sum() == pytest.approx(sum(values))


def test_irregular_rows_are_left_alone() -> None:
    named = np.array([True, False, True, False, False, True])

    assert spread(np.ones(6), named)[1] == 1
