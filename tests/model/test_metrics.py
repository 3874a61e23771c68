import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.model.metrics import (
    Summary,
    bounds_of,
    bucket_of,
    metric_id,
    single,
    summary_of,
    together,
    zeros_and_ones,
)

VALUES = st.floats(min_value=-1e9, max_value=1e9, allow_nan=False).map(
    lambda value: 0.0 if abs(value) < 1e-9 else value
)
MANY = st.lists(VALUES, min_size=1, max_size=60)


def summary_of_list(values: list[float]) -> Summary:
    return together(*(single(value) for value in values))


def test_the_order_of_dimensions_does_not_matter() -> None:
    assert metric_id("AWS/Lambda", "Errors", {"b": "2", "a": "1"}) == metric_id(
        "AWS/Lambda", "Errors", {"a": "1", "b": "2"}
    )


@given(VALUES)
def test_a_value_lies_in_its_bucket(value: float) -> None:
    low, high = bounds_of(bucket_of(value))
    assert low <= value * (1 + math.copysign(1e-12, value))
    assert value * (1 - math.copysign(1e-12, value)) <= high


@given(st.lists(VALUES, min_size=2, max_size=20))
def test_greater_values_have_greater_buckets(values: list[float]) -> None:
    buckets = [bucket_of(value) for value in sorted(values)]
    assert buckets == sorted(buckets)


@pytest.mark.parametrize("value", [1e-300, 1e300, -1e300])
def test_values_beyond_all_buckets_go_into_the_last(value: float) -> None:
    assert abs(bucket_of(value)) < 2000


@given(MANY)
def test_count_sum_and_extremes_are_exact(values: list[float]) -> None:
    summary = summary_of_list(values)
    assert summary.count == len(values)
    assert (summary.minimum, summary.maximum) == (min(values), max(values))
    assert summary.total == pytest.approx(sum(values), abs=1e-6)
    assert sum(count for _, count in summary.spread()) == len(values)


@given(MANY, MANY)
def test_adding_up_parts_is_adding_up_the_whole(some: list[float], others: list[float]) -> None:
    parts, whole = together(summary_of_list(some), summary_of_list(others)), summary_of_list(some + others)
    assert (parts.count, parts.minimum, parts.maximum) == (whole.count, whole.minimum, whole.maximum)
    assert dict(parts.spread()) == dict(whole.spread())


@given(st.lists(st.floats(min_value=0.001, max_value=1e6), min_size=1, max_size=200), st.integers(0, 100))
def test_a_percentile_is_right_to_a_bucket(values: list[float], percent: int) -> None:
    ordered = sorted(values)
    true = ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]
    found = summary_of_list(values).percentile(percent)
    assert true * 0.91 <= found <= true * 1.1


def test_percentiles_never_leave_the_extremes() -> None:
    summary = summary_of({10.0: 1, 10.1: 1})
    assert summary.percentile(0) == 10.0
    assert summary.percentile(100) == 10.1


def test_values_that_are_all_the_same_need_no_buckets() -> None:
    summary = summary_of({4.0: 7})
    assert summary.buckets == ()
    assert summary.percentile(99) == 4.0


@pytest.mark.parametrize(
    ("zeros", "ones", "average", "median"), [(3, 0, 0, 0), (0, 3, 1, 1), (9, 1, 0.1, 0), (1, 9, 0.9, 1)]
)
def test_zeros_and_ones_have_a_rate(zeros: int, ones: int, average: float, median: float) -> None:
    summary = zeros_and_ones(zeros, ones)
    assert summary.total == ones
    assert summary.average == pytest.approx(average)
    assert summary.percentile(50) == median
