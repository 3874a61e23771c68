"""What counts as flat in a soak."""

from __future__ import annotations

import pytest

from bench.flatness import Allowance, trend

HOURS = [minute / 60 for minute in range(60)]
LITTLE = Allowance(0.05, 1.0)


@pytest.mark.parametrize(
    ("values", "flat"),
    [
        ([100.0] * 60, True),
        ([100.0 + minute for minute in range(60)], False),
        ([100.0 - minute for minute in range(60)], True),
        ([100.0 + (minute % 7) for minute in range(60)], True),
        ([50.0 + 5 * minute for minute in range(10)] + [100.0] * 50, True),
        ([100.0] * 30 + [900.0] * 3 + [100.0] * 27, True),
    ],
    ids=["steady", "growing", "shrinking", "noisy", "grown while warming up", "a few wild samples"],
)
def test_a_series_is_flat_when_it_does_not_grow_after_its_warm_up(values: list[float], flat: bool) -> None:
    assert trend("memory", HOURS, values, LITTLE).flat is flat


def test_growth_is_over_all_that_was_watched_after_the_warm_up() -> None:
    found = trend("memory", HOURS, [100.0 + minute for minute in range(60)], LITTLE)

    assert found.growth == pytest.approx(44.0)
    assert "GROWS" in str(found)


def test_too_few_samples_say_nothing() -> None:
    found = trend("memory", [0.0, 0.1], [1.0, 100.0], LITTLE)

    assert found.growth is None
    assert found.flat
    assert "too few samples" in str(found)
