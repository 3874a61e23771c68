"""A trace as single invocations: when each arrives, how long it computes and how long it waits for others.

Chance comes from the generator that is passed in, so a seed gives the same traffic again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SECONDS_PER_MINUTE = 60


@dataclass(frozen=True, slots=True, eq=False)
class Invocations:
    """Three arrays of one length, in seconds; arrivals ascend from 0. `waits` is the duration without its CPU time."""

    arrivals: NDArray[np.float64]
    computes: NDArray[np.float64]
    waits: NDArray[np.float64]

    def __post_init__(self) -> None:
        assert len(self.arrivals) == len(self.computes) == len(self.waits)

    def __len__(self) -> int:
        return len(self.arrivals)


def poisson_arrivals(per_minute: NDArray[np.float64], dice: np.random.Generator) -> NDArray[np.float64]:
    """Arrivals that are Poisson within each minute, at the minute's mean."""
    counts = dice.poisson(per_minute)
    minutes = np.repeat(np.arange(len(per_minute)), counts)
    return np.sort((minutes + dice.random(len(minutes))) * SECONDS_PER_MINUTE)


def invocations(arrivals: NDArray[np.float64], durations: NDArray[np.float64], cpu_share: float) -> Invocations:
    """`durations` are unshared; the same share of each is CPU time."""
    computes = durations * min(cpu_share, 1.0)
    return Invocations(arrivals, computes, np.maximum(durations - computes, 0.0))
