"""What a replay showed, as a page plots it; filled by whoever ran the replay."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Timeline:
    """Arrays have one value for each tick. Throttles are invocations of a tick, by what was short."""

    tick_seconds: int
    arrivals: NDArray[np.float64]
    in_flight: NDArray[np.float64]
    ready: NDArray[np.int64]
    instances: NDArray[np.int64]
    cpu_utilization: NDArray[np.float64]
    throttles: dict[str, NDArray[np.float64]]
    changes: tuple[str, ...]

    @property
    def hours(self) -> NDArray[np.float64]:
        return np.arange(len(self.arrivals)) * self.tick_seconds / 3600

    @property
    def throttled(self) -> float:
        return float(sum(each.sum() for each in self.throttles.values()))

    @property
    def throttled_share(self) -> float:
        arrived = float(self.arrivals.sum())
        return self.throttled / arrived if arrived else 0.0

    @property
    def mean_instances(self) -> float:
        return float(self.instances.mean())
