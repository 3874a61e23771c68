"""The few formulas of queueing theory that capacity rests on, each with its source.

Erlang's hold for any distribution of durations (the loss system is insensitive to it), processor sharing likewise: only
means are needed. Nothing queues in front of an execution environment, so loss is the right model there, not waiting.
"""

from __future__ import annotations

from math import sqrt
from statistics import NormalDist

MAX_SHARED = 0.95
"""Processor sharing stretches without bound as the CPU fills up; beyond this nobody plans."""

_STANDARD = NormalDist()
_EXACT_SERVERS = 400
"""Up to here Erlang's recursion is run; above, the same sum from its largest term on, which is soon done."""
_NOTHING_IS_REFUSED = 1e15

LEAST_Z = 1.0
MOST_Z = 4.0


def in_flight(rate_per_second: float, duration_seconds: float) -> float:
    """Little, 1961: what is in flight is what arrives times how long it stays."""
    return rate_per_second * duration_seconds


def shared_duration(duration: float, cpu: float, utilization: float) -> float:
    """How long an invocation takes when others use the CPU too (M/G/1 with processor sharing; Kleinrock, 1967).

    Only the part on the CPU is stretched: (d − c) + c ÷ (1 − u).
    """
    on_cpu = min(cpu, duration)
    return (duration - on_cpu) + on_cpu / (1 - min(max(utilization, 0.0), MAX_SHARED))


def erlang_b(servers: int, offered: float) -> float:
    """The share refused when `offered` Erlang meet `servers` and nobody waits (Erlang, 1917)."""
    assert servers >= 0
    assert offered >= 0
    if offered == 0:
        return 0.0
    if servers > _EXACT_SERVERS:
        return _erlang_b_large(servers, offered)
    refused = 1.0
    for number in range(1, servers + 1):
        refused = offered * refused / (number + offered * refused)
    return refused


def _erlang_b_large(servers: int, offered: float) -> float:
    """1 ÷ Σ servers!/(k!·offered^(servers−k)): its terms fall off quickly, and grow only where B is 0."""
    total, term = 1.0, 1.0
    for number in range(servers, 0, -1):
        term *= number / offered
        total += term
        if term < 1e-13 * total or total > _NOTHING_IS_REFUSED:
            break
    return 1 / total


def erlang_c(servers: int, offered: float) -> float:
    """The share that waits when it may (M/M/c; Erlang, 1917). Needs `offered` below `servers`."""
    assert offered < servers
    refused = erlang_b(servers, offered)
    return refused / (1 - offered / servers * (1 - refused))


def peak_z(duration_seconds: float, window_seconds: float = 60.0) -> float:
    """How many standard deviations the highest number in flight within a window lies above the mean.

    What is in flight changes within about one duration, so a window is some window ÷ duration looks at it.
    """
    looks = max(2.0, window_seconds / max(duration_seconds, 1e-3))
    return min(max(_STANDARD.inv_cdf(1 - 1 / looks), LEAST_Z), MOST_Z)


def peak_in_flight(mean: float, z: float) -> float:
    """Square-root staffing: arrivals are Poisson within a minute, so what is in flight has the variance of its mean."""
    return mean + z * sqrt(mean)
