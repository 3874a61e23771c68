"""Steady traffic by chance: single Poisson arrivals with exponential durations, sampled and scaled on virtual time.

A flap is a scale-out after a scale-in: what was given back is asked for again, by the same traffic. That there is none
cannot be proven, for chance has no bound. Here are some two hundred hours without one, by seed: with 95 % certainty
there is less than one in seventy.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from itertools import pairwise, product

import numpy as np
import pytest
from numpy.typing import NDArray

from paddock.core.scaling import ScalingSettings, decide
from paddock.model.capacity_provider import CapacityProviderScalingConfig
from paddock.model.fleet import LoadSample
from tests.core.fleets import NOON, SMALL, a_version

SETTINGS = ScalingSettings()
AUTO = CapacityProviderScalingConfig()
TICK_SECONDS = 10
HOURS = 3
LONGEST_SAMPLES = int(SETTINGS.long_window.total_seconds() / TICK_SECONDS) + 1


@dataclass(frozen=True)
class Traffic:
    """`cpu_share`: of its duration each invocation computes so much."""

    in_flight: float
    seconds: float
    cpu_share: float = 0.1
    slots: int = 16

    @property
    def per_second(self) -> float:
        return self.in_flight / self.seconds


@dataclass(frozen=True)
class Ticks:
    """In flight on average and at most, and how many came, by tick."""

    mean: NDArray[np.float64]
    peak: NDArray[np.int64]
    came: NDArray[np.int64]


def drawn(traffic: Traffic, seed: int) -> Ticks:
    """It has gone on for twenty durations when the first tick begins."""
    dice = np.random.default_rng(seed)
    before = 20 * traffic.seconds + 1
    until = before + HOURS * 3600
    arrivals = np.sort(dice.uniform(0, until, dice.poisson(traffic.per_second * until)))
    ends = arrivals + dice.exponential(traffic.seconds, len(arrivals))
    at = np.concatenate([arrivals, ends])
    order = np.argsort(at, kind="stable")
    at, there = at[order], np.cumsum(np.where(order < len(arrivals), 1, -1))
    edges = np.arange(before, until + 1e-6, TICK_SECONDS)
    area = np.concatenate([[0.0], np.cumsum(there[:-1] * np.diff(at))])
    last = np.searchsorted(at, edges, side="right") - 1
    mean = np.diff(area[last] + there[last] * (edges - at[last])) / TICK_SECONDS
    peak = np.maximum.reduceat(there, last)[:-1]
    return Ticks(mean, peak, np.histogram(arrivals, edges)[0])


def numbers(traffic: Traffic, seed: int, *, begin: int, settings: ScalingSettings = SETTINGS) -> list[int]:
    """What the scaler wants after each tick; what it wants is there at the next."""
    shape = replace(SMALL, max_concurrency=traffic.slots)
    ticks = drawn(traffic, seed)
    loads: list[LoadSample] = []
    found = [begin]
    for index, (mean, peak, came) in enumerate(
        zip(ticks.mean.tolist(), ticks.peak.tolist(), ticks.came.tolist(), strict=True)
    ):
        now = NOON + timedelta(seconds=TICK_SECONDS * index)
        there = found[-1]
        cpu = mean * traffic.cpu_share / (there * shape.vcpu)
        loads.append(LoadSample(now, there, mean, peak, cpu, 0, came))
        del loads[:-LONGEST_SAMPLES]
        version = a_version(loads=loads, shape=shape)
        found.append(decide(version, there, scaling=AUTO, now=now, settings=settings).environments)
    return found


def flaps(counts: list[int]) -> int:
    fallen = found = 0
    for earlier, later in pairwise(counts):
        if later < earlier:
            fallen = 1
        elif later > earlier:
            found, fallen = found + fallen, 0
    return found


WAITING = [
    Traffic(in_flight, seconds, 0.1, slots)
    for in_flight, seconds, slots in product((1.0, 3.0, 10.0, 30.0, 100.0), (0.1, 1.0, 10.0), (4, 16))
    if in_flight / seconds <= 100 and (in_flight > 1.0 or slots > 4)
]
COMPUTING = [
    Traffic(in_flight, seconds, cpu_share)
    for in_flight, seconds, cpu_share in product((10.0, 30.0, 100.0), (0.1, 1.0, 10.0), (0.4, 1.0))
    if in_flight / seconds <= 100
]
FROM_FAR_ABOVE = 8
"""So many times more than it needs: a load that fell before."""


@pytest.mark.parametrize("traffic", [*WAITING, *COMPUTING], ids=str)
def test_steady_traffic_gets_nothing_taken_that_it_asks_for_again(traffic: Traffic) -> None:
    growing = numbers(traffic, 1, begin=3)
    coming_down = numbers(traffic, 2, begin=FROM_FAR_ABOVE * growing[-1])

    assert flaps(growing) == 0
    assert flaps(coming_down) == 0
    assert coming_down[-1] < coming_down[0]


@pytest.mark.parametrize(
    "traffic",
    [Traffic(10, 10, 1.0), Traffic(3, 10, slots=4), Traffic(1, 10, 1.0), Traffic(10, 60)],
    ids=str,
)
def test_without_room_for_chance_the_same_traffic_flaps(traffic: Traffic) -> None:
    bold = replace(SETTINGS, chance_deviations=0.0)

    assert flaps(numbers(traffic, 1, begin=3, settings=bold)) >= 3


@pytest.mark.parametrize(
    "traffic", [Traffic(1, 10, 1.0), Traffic(3, 10, 1.0), Traffic(1, 10, slots=1), Traffic(10, 100)], ids=str
)
def test_where_one_invocation_is_worth_an_environment_or_lasts_for_minutes_there_are_far_fewer_flaps(
    traffic: Traffic,
) -> None:
    """What chance brings together of two or three is many times their mean, and five minutes are no mean of minutes."""
    bold = replace(SETTINGS, chance_deviations=0.0)
    seeds = range(4)

    found = sum(flaps(numbers(traffic, seed, begin=3)) for seed in seeds)

    assert found * 4 <= sum(flaps(numbers(traffic, seed, begin=3, settings=bold)) for seed in seeds)


@pytest.mark.parametrize("in_flight", [10.0, 100.0])
def test_a_load_that_falls_to_a_tenth_is_followed_down_within_the_hour(in_flight: float) -> None:
    low = Traffic(in_flight, 10.0)
    high = replace(low, in_flight=10 * in_flight)
    needed, held = numbers(low, 1, begin=3)[-1], numbers(high, 1, begin=3)[-1]

    falling = numbers(low, 2, begin=held)

    assert falling[3600 // TICK_SECONDS] <= max(needed + 2, 1.3 * needed)
    assert falling == sorted(falling, reverse=True)
