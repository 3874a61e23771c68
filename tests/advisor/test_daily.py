from datetime import UTC, datetime

import numpy as np
import pytest

from paddock.advisor.daily import daily_shape
from paddock.advisor.traces.trace import Trace


def of(environments: list[int] | np.ndarray, start: datetime | None = None) -> Trace:
    return Trace(counts=np.ones(len(environments)), source="", start=start)


def days(count: int, *, busy: int = 40, quiet: int = 4, begins: int = 8, ends: int = 20) -> np.ndarray:
    hour = np.arange(count * 1440) // 60 % 24
    return np.where((hour >= begins) & (hour < ends), busy, quiet)


def test_a_busy_day_is_found_with_its_hours_and_half_of_what_it_needs() -> None:
    found = daily_shape(of(days(7)), days(7), 3)

    assert found is not None
    assert (found.busy_from, found.quiet_from, found.busy_minimum, found.quiet_minimum) == (8, 20, 20, 3)


def test_hours_are_utc_where_the_trace_has_a_calendar() -> None:
    environments = days(4)[5 * 60 :]

    found = daily_shape(of(environments, datetime(2026, 1, 1, 5, tzinfo=UTC)), environments, 3)

    assert found is not None
    assert (found.busy_from, found.quiet_from) == (8, 20)


def test_a_night_shift_goes_over_midnight() -> None:
    environments = np.roll(days(5), 12 * 60)

    found = daily_shape(of(environments), environments, 3)

    assert found is not None
    assert (found.busy_from, found.quiet_from) == (20, 8)


@pytest.mark.parametrize(
    "environments",
    [
        days(1),
        np.full(5 * 1440, 30),
        days(5, busy=6, quiet=4),
        days(5, busy=3, quiet=1),
        np.random.default_rng(5).integers(3, 60, 5 * 1440),
        np.concatenate([days(1), days(1, begins=0, ends=6), days(1, begins=20, ends=23), days(1, begins=9, ends=10)]),
    ],
    ids=["one day", "level", "hardly", "below the minimum", "noise", "days unlike one another"],
)
def test_without_a_daily_shape_there_is_no_schedule(environments: np.ndarray) -> None:
    assert daily_shape(of(environments), environments, 3) is None
