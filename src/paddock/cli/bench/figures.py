"""One kind of Lambda under one load, as forecast or as measured, and how far apart the two are. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Figures:
    """Latency in milliseconds, None where nothing was answered. `cpu_cores` is what the function kept busy on average.

    On default Lambda every environment that is started is a cold start; on managed instances nobody waits for one.
    """

    requests: int
    answered: int
    throttles: int
    errors: int
    throughput_per_second: float
    mean_ms: float | None
    p50_ms: float | None
    p99_ms: float | None
    environments_started: int | None
    cpu_cores: float | None
    most_in_flight: int | None
    environments: int | None
    instances: int | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """`unavailable` says why there is no measurement."""

    kind: str
    forecast: Figures
    measured: Figures | None = None
    unavailable: str | None = None
    notes: tuple[str, ...] = ()

    def errors(self) -> dict[str, float | None]:
        """(forecast − measured) ÷ measured, for each figure; None where there is nothing to compare."""
        if self.measured is None:
            return {}
        forecast, measured = asdict(self.forecast), asdict(self.measured)
        return {name: relative_error(forecast[name], measured[name]) for name in forecast}

    def document(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "forecast": asdict(self.forecast),
            "measured": None if self.measured is None else asdict(self.measured),
            "forecast_error": self.errors(),
            "unavailable": self.unavailable,
            "notes": list(self.notes),
        }


def relative_error(forecast: float | None, measured: float | None) -> float | None:
    """Both nothing is no error; something where nothing was measured has no ratio."""
    if forecast is None or measured is None:
        return None
    if measured == 0:
        return 0.0 if forecast == 0 else None
    return (forecast - measured) / measured
