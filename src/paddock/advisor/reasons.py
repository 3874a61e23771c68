"""Why: the three strongest reasons with their numbers, and what other people's rules of thumb would say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from paddock.advisor.candidates import Candidate
from paddock.advisor.default_lambda import DefaultForecast, monthly_requests
from paddock.advisor.traces.trace import Trace
from paddock.advisor.workload import Workload

AWS_MONTHLY_USD = 1000
"""AWS's present wording: consider managed instances above this much a month of default Lambda."""

AWS_STEADY_PER_SECOND = 45
GROWTH_WINDOW_MINUTES = 5


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What reasons are drawn from."""

    trace: Trace
    workload: Workload
    best: Candidate
    managed_usd: float
    default_usd: float
    default_forecast: DefaultForecast
    break_even_per_second: float | None
    throttled_share: float
    least_instances: int


def three_reasons(evidence: Evidence) -> tuple[str, str, str]:
    """Cost first, then where it would even out, then what decides the fit of this traffic."""
    return (_cost(evidence), _break_even(evidence), _fit(evidence))


def _cost(evidence: Evidence) -> str:
    managed, default = evidence.managed_usd, evidence.default_usd
    candidate = evidence.best
    fleet = f"{candidate.mean_instances:.1f} × {candidate.instance_type.name} on average"
    if default <= 0:
        return f"managed instances cost ${managed:,.0f} a month ({fleet}), default Lambda nothing within the free tier"
    change = managed / default - 1
    side = "less" if change < 0 else "more"
    return (
        f"managed instances cost ${managed:,.0f} a month ({fleet}), {abs(change):.0%} {side} than the "
        f"${default:,.0f} of default Lambda at {evidence.default_forecast.memory_mb} MB"
    )


def _break_even(evidence: Evidence) -> str:
    mean = evidence.trace.mean_per_second
    even = evidence.break_even_per_second
    if even is None:
        cheaper = "managed instances stay" if evidence.managed_usd < evidence.default_usd else "default Lambda stays"
        return f"{cheaper} cheaper from a 32nd to 32 times this traffic of {mean:.3g} requests/s"
    return f"both cost the same at {even:.3g} requests/s of this shape; the traffic is {mean:.3g} on average"


def _fit(evidence: Evidence) -> str:
    """The most telling of: throttles from growth, an idle floor, sharing of environments."""
    candidate, workload = evidence.best, evidence.workload
    growth = fastest_growth(evidence.trace)
    if evidence.throttled_share > 0.0005:
        return (
            f"traffic grows up to {growth:.1f}-fold within five minutes, headroom is {candidate.sizing.headroom:.1f}: "
            f"about {evidence.throttled_share:.2%} of requests would be throttled before capacity follows"
        )
    in_flight = evidence.trace.mean_per_second * workload.duration_ms.mean / 1000
    slots = candidate.environments_per_instance * evidence.least_instances * candidate.shape.max_concurrency
    if evidence.managed_usd > evidence.default_usd and candidate.mean_instances <= evidence.least_instances * 1.05:
        return (
            f"the floor of {evidence.least_instances} instances is paid around the clock: it holds {slots} invocations "
            f"at once and {in_flight:.2g} are in flight on average"
        )
    return (
        f"one invocation keeps {workload.cpu_share * 100:.2g} % of a vCPU busy, so an environment takes "
        f"{candidate.shape.max_concurrency} at once; with room for a doubling, {in_flight:.3g} in flight are "
        f"{float(np.mean(candidate.sizing.environments)):.1f} environments on {candidate.mean_instances:.1f} instances"
    )


def fastest_growth(trace: Trace) -> float:
    """The largest ratio of a minute to the one five minutes before, of minutes that matter (above the mean)."""
    counts = trace.counts
    if len(counts) <= GROWTH_WINDOW_MINUTES:
        return 1.0
    before, after = counts[:-GROWTH_WINDOW_MINUTES], counts[GROWTH_WINDOW_MINUTES:]
    matters = after > counts.mean()
    if not matters.any():
        return 1.0
    floor = max(float(counts.mean()) * 0.1, 1.0)
    return max(1.0, float((after[matters] / np.maximum(before[matters], floor)).max()))


def rules_of_thumb(evidence: Evidence) -> tuple[str, ...]:
    """What public rules say of this traffic. Each hides a GB-second: the computed answer decides."""
    requests = float(monthly_requests(evidence.trace)) / 1e6
    mean = evidence.trace.mean_per_second
    usd = evidence.default_usd
    peak = evidence.trace.peak_per_second() / mean
    rules = (
        (f"AWS: above ${AWS_MONTHLY_USD:,} a month of default Lambda", usd > AWS_MONTHLY_USD, f"${usd:,.0f}"),
        (f"AWS's calculator: above {AWS_STEADY_PER_SECOND}/s", mean > AWS_STEADY_PER_SECOND, f"{mean:.3g}/s"),
        ("bloggers: above 50 to 100 million requests a month", requests > 50, f"{requests:,.1f} million"),
        ("busiest minute below three times the mean", peak < 3, f"{peak:.1f} times"),
    )
    return tuple(f"{rule}: {'yes' if holds else 'no'} ({figure})" for rule, holds, figure in rules)
