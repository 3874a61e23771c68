"""What became of the requests of a load, and their latency. Pure: knows neither clients nor terminals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one request; times count from the start. `environment` is what the function said of itself.

    `sent_seconds` is later than `due_seconds` only where the client could not keep up.
    """

    function_name: str
    due_seconds: float
    latency_ms: float
    outcome: str
    environment: str | None = None
    detail: str | None = None
    sent_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds. Percentiles by nearest rank: each is a latency that really happened."""

    p50: float
    p90: float
    p99: float
    maximum: float


def latency_of(answers: Sequence[Answer]) -> Latency | None:
    """Of the successful answers; None where there is none."""
    return latency_of_times([answer.latency_ms for answer in answers if answer.outcome == "ok"])


def latency_of_times(times_ms: Sequence[float]) -> Latency | None:
    if not times_ms:
        return None
    ordered = sorted(times_ms)
    return Latency(_rank(ordered, 0.50), _rank(ordered, 0.90), _rank(ordered, 0.99), ordered[-1])


def _rank(ordered: Sequence[float], quantile: float) -> float:
    return ordered[max(0, math.ceil(quantile * len(ordered)) - 1)]
