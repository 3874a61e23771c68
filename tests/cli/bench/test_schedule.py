"""Which stretch of a trace is replayed, at which scale, and that a seed repeats it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.cli.bench.schedule import Limits, busiest, chosen_rate, due_times, squeezed

QUIET_THEN_BUSY = np.array([60.0] * 30 + [600.0, 1200.0, 600.0] + [60.0] * 30)


def test_the_busiest_stretch_is_found() -> None:
    stretch = busiest(QUIET_THEN_BUSY, 180)

    assert stretch.first_minute == 30
    assert stretch.counts.tolist() == [600.0, 1200.0, 600.0]
    assert stretch.peak_per_second == 20.0


def test_a_trace_shorter_than_the_time_asked_is_replayed_once() -> None:
    assert busiest(np.array([60.0, 60.0]), 3600).seconds == 120


def test_squeezed_all_of_it_is_replayed_at_its_own_rates() -> None:
    stretch = squeezed(QUIET_THEN_BUSY, 63.0)
    due = due_times(stretch, 1.0, seed=1)

    assert stretch.hurry == 60.0
    assert due.max() < 63.0
    assert len(due) == pytest.approx(QUIET_THEN_BUSY.sum() / 60, rel=0.3)
    busy = np.count_nonzero((due >= 31) & (due < 32))
    assert 8 <= busy <= 40


@given(st.integers(0, 1000), st.floats(0.01, 3), st.floats(5, 200))
def test_due_times_ascend_lie_within_the_stretch_and_repeat(seed: int, scale: float, seconds: float) -> None:
    stretch = busiest(QUIET_THEN_BUSY, seconds)
    due = due_times(stretch, scale, seed)

    assert (np.diff(due) >= 0).all()
    assert ((due >= 0) & (due < stretch.seconds)).all()
    assert due.tolist() == due_times(stretch, scale, seed).tolist()


@pytest.mark.parametrize(
    ("limits", "rate", "reason"),
    [
        (Limits(cores=2, slots=48, duration_seconds=0.01, cpu_seconds=0.001), 50.0, "one client"),
        (Limits(cores=2, slots=480, duration_seconds=0.2, cpu_seconds=0.1), 8.0, "cores"),
        (Limits(cores=64, slots=3, duration_seconds=1.0, cpu_seconds=0.01), 1.2, "slots"),
        (Limits(cores=64, slots=4000, duration_seconds=10.0, cpu_seconds=0.01), 6.4, "in flight"),
    ],
)
def test_the_scale_is_bounded_by_what_gives_out_first(limits: Limits, rate: float, reason: str) -> None:
    found, why = chosen_rate(limits)

    assert found == pytest.approx(rate)
    assert reason in why
