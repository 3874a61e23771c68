"""What is known of a function's traffic, whatever it was read from."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

MINUTES_PER_DAY = 1440
SECONDS_PER_MINUTE = 60


@dataclass(frozen=True, slots=True)
class Distribution:
    """How one quantity spreads over invocations: its mean and some quantiles, ascending, `(fraction, value)`."""

    mean: float
    points: tuple[tuple[float, float], ...]

    def quantile(self, fraction: float) -> float:
        """Between two known quantiles a straight line; beyond the last one known its value."""
        fractions = [point[0] for point in self.points]
        values = [point[1] for point in self.points]
        return float(np.interp(fraction, fractions, values))

    @classmethod
    def constant(cls, value: float) -> Distribution:
        return cls(value, ((0.0, value), (1.0, value)))


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """Invocations per minute, and what the source knew of each invocation. `notes` say what was assumed or mended.

    `start` is UTC; None where the source has no calendar (a drawn shape, a trace that counts from zero).
    """

    counts: NDArray[np.float64]
    source: str
    start: datetime | None = None
    function: str | None = None
    duration_ms: Distribution | None = None
    cpu_ms: Distribution | None = None
    memory_mb: Distribution | None = None
    payload_bytes: Distribution | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def minutes(self) -> int:
        return len(self.counts)

    @property
    def invocations(self) -> float:
        return float(self.counts.sum())

    @property
    def days(self) -> float:
        return self.minutes / MINUTES_PER_DAY

    @property
    def mean_per_second(self) -> float:
        return self.invocations / (self.minutes * SECONDS_PER_MINUTE)

    def peak_per_second(self, fraction: float = 1.0) -> float:
        """The mean rate of the busiest minute, or of the minute at a quantile of all minutes."""
        return float(np.quantile(self.counts, fraction)) / SECONDS_PER_MINUTE

    def scaled(self, factor: float) -> Trace:
        """The same shape with `factor` times the traffic."""
        return Trace(
            counts=self.counts * factor,
            source=self.source,
            start=self.start,
            function=self.function,
            duration_ms=self.duration_ms,
            cpu_ms=self.cpu_ms,
            memory_mb=self.memory_mb,
            payload_bytes=self.payload_bytes,
            notes=self.notes,
        )
