"""Which stretch of a trace is replayed, how fast, and when each request leaves. Numbers only."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from paddock.simulator.invocations import poisson_arrivals

MOST_PER_SECOND = 200.0
"""What one Python client sends without being the bottleneck itself."""

MOST_REQUESTS = 200_000
SHARE_OF_CORES = 0.4
"""Client, server and function share this machine: what the function may keep busy by itself."""

SHARE_OF_SLOTS = 0.4
"""Room for a doubling, which is what the fleet is kept at."""

MOST_IN_FLIGHT = 64
CHOSEN_PER_SECOND = 50.0
SECONDS_PER_MINUTE = 60


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """Expected requests of each minute of the trace; `hurry` is how much faster than it happened it is replayed."""

    counts: NDArray[np.float64]
    first_minute: int
    seconds: float
    hurry: float = 1.0

    @property
    def peak_per_second(self) -> float:
        """Of the busiest minute; the rate is the trace's own, also when it is replayed in a hurry."""
        return float(self.counts.max()) / SECONDS_PER_MINUTE


def busiest(counts: NDArray[np.float64], seconds: float) -> Stretch:
    """As it happened: the stretch of so many seconds with the most requests."""
    width = min(len(counts), ceil(seconds / SECONDS_PER_MINUTE))
    sums = np.convolve(counts, np.ones(width), mode="valid")
    first = int(np.argmax(sums))
    return Stretch(counts[first : first + width], first, min(seconds, width * SECONDS_PER_MINUTE))


def squeezed(counts: NDArray[np.float64], seconds: float) -> Stretch:
    """All of it within the time: its shape is kept, its rates are kept, its minutes are shorter."""
    hurry = len(counts) * SECONDS_PER_MINUTE / seconds
    return Stretch(counts, 0, seconds, hurry)


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds the scale: the machine, the fleet's slots and what one invocation takes."""

    cores: float
    slots: int
    duration_seconds: float
    cpu_seconds: float


def chosen_rate(limits: Limits) -> tuple[float, str]:
    """Requests a second at the peak that this machine should take, and what bounds them."""
    duration = max(limits.duration_seconds, 1e-4)
    cores = SHARE_OF_CORES * limits.cores
    bounds = {
        "what one client sends": CHOSEN_PER_SECOND,
        f"{SHARE_OF_CORES:.0%} of {limits.cores:g} cores": cores / max(limits.cpu_seconds, 1e-5),
        f"{SHARE_OF_SLOTS:.0%} of {limits.slots} slots": SHARE_OF_SLOTS * limits.slots / duration,
        f"{MOST_IN_FLIGHT} in flight": MOST_IN_FLIGHT / duration,
    }
    reason = min(bounds, key=bounds.__getitem__)
    return bounds[reason], reason


def due_times(stretch: Stretch, scale: float, seed: int) -> NDArray[np.float64]:
    """Poisson within each minute, cut at the stretch's end. The seed gives the same times again."""
    dice = np.random.default_rng(seed)
    found = poisson_arrivals(stretch.counts * scale / stretch.hurry, dice) / stretch.hurry
    return found[found < stretch.seconds]
