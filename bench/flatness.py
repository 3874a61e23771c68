"""Whether a series of samples stays where it is. Pure; `bench.soak` asks.

The slope is Theil and Sen's: the median of the slopes between all pairs, which a few wild samples do not move.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median

WARM_UP_SHARE = 0.25
"""Of the samples, left out at the beginning: caches fill, allocators find their size."""
FEWEST_SAMPLES = 4


@dataclass(frozen=True)
class Allowance:
    """How much a series may grow over what was watched: a share of its median, and in any case so much."""

    share: float
    at_least: float


@dataclass(frozen=True)
class Trend:
    """`growth` is slope times time, over the samples after the warm-up; None when they were too few to say."""

    name: str
    median: float
    growth: float | None
    allowed: float

    @property
    def flat(self) -> bool:
        return self.growth is None or self.growth <= self.allowed

    def __str__(self) -> str:
        if self.growth is None:
            return f"{self.name}: {self.median:.2f}, too few samples to say"
        verdict = "flat" if self.flat else "GROWS"
        return f"{self.name}: {self.median:.2f}, {self.growth:+.2f} ({self.allowed:.2f} allowed): {verdict}"


def trend(name: str, hours: Sequence[float], values: Sequence[float], allowance: Allowance) -> Trend:
    """`hours` says when each value was taken, in order."""
    first = int(len(values) * WARM_UP_SHARE)
    at, of = hours[first:], values[first:]
    middle = median(of) if of else 0.0
    allowed = max(abs(middle) * allowance.share, allowance.at_least)
    if len(of) < FEWEST_SAMPLES:
        return Trend(name, middle, None, allowed)
    points = list(zip(at, of, strict=True))
    slope = median((b - a) / (later - sooner) for (sooner, a), (later, b) in combinations(points, 2))
    return Trend(name, middle, slope * (at[-1] - at[0]), allowed)
