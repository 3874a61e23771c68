"""The promise of growth at default settings, from other rates and durations; and that it can be broken."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench import growth
from bench.growth import Doubling, doubled, turns
from paddock.core.planning import PlanningSettings
from paddock.core.scaling import ScalingSettings


@pytest.mark.parametrize("at_once", [False, True], ids=["within five minutes", "at once"])
@pytest.mark.parametrize("cpu_share", [0.1, 1.0])
@pytest.mark.parametrize(
    ("per_second", "seconds"),
    [(1, 0.01), (1, 1.0), (1, 10.0), (10, 0.1), (10, 1.0), (100, 0.01), (1_000, 0.1), (10_000, 0.01)],
)
def test_traffic_doubles_without_a_throttle_whatever_its_rate_and_duration(
    per_second: float, seconds: float, cpu_share: float, at_once: bool
) -> None:
    found = doubled(Doubling(per_second, seconds, cpu_share, at_once))

    assert found.asked > 500
    assert found.refused == pytest.approx(0, abs=0.5)


def test_with_less_room_kept_a_doubling_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    tight = PlanningSettings(scaling=ScalingSettings(slot_target=0.95, cpu_target=0.95))
    monkeypatch.setattr(growth, "SETTINGS", replace(growth.SETTINGS, planning=tight))

    assert doubled(Doubling(10, 10.0, at_once=True)).refused > 10
    assert doubled(Doubling(1_000, 0.1, at_once=True)).refused > 10


@pytest.mark.parametrize(("per_second", "seconds"), [(1, 1.0), (10, 1.0), (100, 0.1), (1_000, 0.1), (10_000, 0.01)])
def test_steady_traffic_never_moves_the_number_both_ways(per_second: float, seconds: float) -> None:
    assert turns(per_second, seconds, 0.1) == 0
    assert turns(per_second, seconds, 1.0) == 0


@pytest.mark.parametrize("cpu_share", [0.1, 1.0])
def test_nor_where_chance_is_larger_than_the_dead_band_for_room_is_kept_for_it(cpu_share: float) -> None:
    """Ten invocations in flight, each of ten seconds: half as many or twice as many are there by chance."""
    assert turns(1, 10.0, cpu_share) == 0
    assert turns(1, 10.0, cpu_share, deviations=0) >= 6
