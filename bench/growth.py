"""Whether traffic may double within five minutes without a throttle, and how calm steady traffic is: by simulation.

`python -m bench.growth`, about a minute of CPU. Up to a hundred requests a second (ten, where it is hours) are single
invocations through the real router and planner, with exponential durations; more are the fluid of `paddock simulate`.
Default settings; arrivals are Poisson, by a seed; a tenth of a duration is CPU, or all of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from bench import table
from paddock import catalogue
from paddock.core.planning import PlanningSettings
from paddock.core.scaling import ScalingSettings
from paddock.model.capacity_provider import CapacityProviderScalingConfig
from paddock.model.fleet import EnvironmentShape
from paddock.simulator.exact_replay import ExactReplay, exact_replay
from paddock.simulator.invocations import invocations, poisson_arrivals
from paddock.simulator.trace_replay import Replay, ReplayedWorkload, ReplaySettings, replay

SHAPE = EnvironmentShape(memory_mb=2048, vcpu=1.0, max_concurrency=16)
TYPE = "m7g.xlarge"
BEFORE_MINUTES, AFTER_MINUTES = 3, 5
"""What comes before is not judged: a fleet settles by formula and gets used to single invocations then."""
GROWTH_MINUTES = 5
SETTINGS = ReplaySettings(scaling=CapacityProviderScalingConfig(max_vcpu_count=1_000_000))
RATES = (1, 10, 100, 1_000, 10_000)
DURATIONS = (0.01, 0.1, 1.0, 10.0)
MOST_IN_FLIGHT = 1_000
"""More in flight is more of the same, and costs minutes."""
MOST_SINGLE = 300_000
"""Some seconds each."""
STEADY_MINUTES = 180


@dataclass(frozen=True)
class Doubling:
    """`seconds`: how long an invocation takes. `at_once`: within no time rather than within five minutes."""

    per_second: float
    seconds: float
    cpu_share: float = 0.1
    at_once: bool = False
    slots: int = SHAPE.max_concurrency
    seed: int = 1

    def counts(self) -> NDArray[np.float64]:
        ramp = [] if self.at_once else [1 + (minute + 0.5) / GROWTH_MINUTES for minute in range(GROWTH_MINUTES)]
        shape = np.array([*[1.0] * BEFORE_MINUTES, *ramp, *[2.0] * AFTER_MINUTES])
        return shape * self.per_second * 60

    @property
    def shape(self) -> EnvironmentShape:
        return replace(SHAPE, max_concurrency=self.slots)


@dataclass(frozen=True)
class Doubled:
    """Of those that came since the growth began. Environments: before it, and the most after it."""

    asked: int
    refused: float
    environments: tuple[int, int]


def doubled(case: Doubling) -> Doubled:
    counts = case.counts()
    exact = counts.sum() < MOST_SINGLE
    return _of_single_ones(case, counts) if exact else _of_the_fluid(case, counts)


def _of_single_ones(case: Doubling, counts: NDArray[np.float64]) -> Doubled:
    dice = np.random.default_rng(case.seed)
    at = poisson_arrivals(counts, dice)
    load = invocations(at, dice.exponential(case.seconds, len(at)), case.cpu_share)
    found = exact_replay(load, case.shape, catalogue.load().types[TYPE], SETTINGS)
    begin = BEFORE_MINUTES * 60 // found.tick_seconds
    refused = found.throttles[begin:, 1:].sum()
    return Doubled(int(found.arrivals[begin:].sum()), float(refused), _environments(found.ready, begin))


def _of_the_fluid(case: Doubling, counts: NDArray[np.float64]) -> Doubled:
    workload = ReplayedWorkload(case.seconds, case.seconds * case.cpu_share)
    settings = replace(SETTINGS, seed=case.seed)
    found = replay(counts, workload, case.shape, catalogue.load().types[TYPE], settings)
    begin = BEFORE_MINUTES * 60 // found.tick_seconds
    refused = found.slot_throttles + found.cpu_throttles + found.cap_throttles
    return Doubled(int(found.arrivals[begin:].sum()), float(refused[begin:].sum()), _environments(found.ready, begin))


def _environments(ready: NDArray[np.int64], begin: int) -> tuple[int, int]:
    return int(ready[begin - 1]), int(ready[begin:].max())


def turns(
    per_second: float, seconds: float, cpu_share: float, *, seed: int = 1, deviations: float | None = None
) -> int:
    """How often the number of environments goes up after it went down, or down after it went up, in three hours."""
    counts = np.full(STEADY_MINUTES, per_second * 60)
    instance_type, settings = catalogue.load().types[TYPE], replace(SETTINGS, seed=seed)
    if deviations is not None:
        planning = PlanningSettings(scaling=ScalingSettings(chance_deviations=deviations))
        settings = replace(settings, planning=planning)
    found: Replay | ExactReplay
    if counts.sum() < MOST_SINGLE:
        dice = np.random.default_rng(seed)
        at = poisson_arrivals(counts, dice)
        load = invocations(at, dice.exponential(seconds, len(at)), cpu_share)
        found = exact_replay(load, SHAPE, instance_type, settings)
    else:
        found = replay(counts, ReplayedWorkload(seconds, seconds * cpu_share), SHAPE, instance_type, settings)
    numbers = [int(found.ready[0]), *(decision.environments for decision in found.decisions)]
    moves = [later - earlier for earlier, later in pairwise(numbers) if later != earlier]
    return sum((earlier > 0) != (later > 0) for earlier, later in pairwise(moves))


def lines(cpu_share: float, *, at_once: bool) -> Iterator[tuple[str, ...]]:
    how = f"{'at once' if at_once else 'in 5 min'}, {cpu_share:.0%} CPU"
    for rate in RATES:
        cells = []
        for seconds in DURATIONS:
            if rate * seconds * max(1.0, cpu_share * 10) > MOST_IN_FLIGHT:
                cells.append("-")
                continue
            found = doubled(Doubling(rate, seconds, cpu_share, at_once))
            before, most = found.environments
            cells.append(f"{found.refused:,.0f} of {found.asked:,} ({before} to {most})")
        yield (how, f"{rate:,}", *cells)


def steady() -> Iterator[tuple[str, ...]]:
    for cpu_share in (0.1, 1.0):
        for rate in RATES:
            cells = [
                "-"
                if rate * seconds * cpu_share > MOST_IN_FLIGHT / 10
                else f"{turns(rate, seconds, cpu_share)} ({turns(rate, seconds, cpu_share, deviations=0)})"
                for seconds in DURATIONS
            ]
            yield (f"{cpu_share:.0%} CPU", f"{rate:,}", *cells)


def main() -> None:
    durations = [f"{seconds:g} s" for seconds in DURATIONS]
    print("Refused while traffic doubles, of those that came (environments before it, and the most)\n")
    heading = ("doubles", "requests/s", *durations)
    found = [line for share in (0.1, 1.0) for at_once in (False, True) for line in lines(share, at_once=at_once)]
    print(table.text([heading, *found]))
    print("\nSteady traffic for three hours: how often the number of environments turned (without room for chance)\n")
    print(table.text([("", "requests/s", *durations), *steady()]))


if __name__ == "__main__":
    main()
