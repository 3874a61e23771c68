"""Which input would change the answer, and where the two kinds of Lambda cost the same.

Each input is varied alone by a factor; the cheapest of a few hundred candidates answers each time, so that a smaller
fleet takes over when traffic falls.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from paddock.advisor.candidates import FEE, Candidate, Levels, Requirements, scaled
from paddock.advisor.sizing import Minutes, size, slots_for
from paddock.advisor.traces.trace import Trace
from paddock.advisor.workload import Workload
from paddock.core.pricing.rates import HOURS_PER_MONTH, REQUESTS_USD_PER_MILLION, LambdaRates
from paddock.core.scaling import ScalingSettings
from paddock.model.capacity_provider import Architecture
from paddock.model.fleet import EnvironmentShape

KEPT_SHAPES = 3
KEPT_TYPES = 40
SEARCHED = 32.0
"""An input that must be this many times larger or smaller to change the answer does not change it."""

STEPS = 14
CURVE_DOUBLINGS = 3


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """All that the comparison rests on; what is varied is replaced."""

    trace: Trace
    workload: Workload
    found: Sequence[Candidate]
    rates: LambdaRates
    architecture: Architecture
    requirements: Requirements
    settings: ScalingSettings


@dataclass(frozen=True, slots=True)
class Flip:
    """`factor` is how many times its value `input_name` must be for the cheaper side to change; None: it never does."""

    input_name: str
    value: float
    unit: str
    factor: float | None

    @property
    def flips_at(self) -> float | None:
        return None if self.factor is None else self.value * self.factor


Margin = Callable[[float], float]
"""USD a month by which managed instances cost more than default Lambda, at a factor of one input."""


def break_even_factor(question: Question) -> float | None:
    """Times today's traffic; None when one side is cheaper at every traffic searched."""
    return _crossing(_Margins(question).of_traffic)


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """What both would cost, in USD a month, at another traffic of the same shape."""

    requests_per_second: float
    managed_usd: float
    default_usd: float


def cost_curve(question: Question) -> tuple[CurvePoint, ...]:
    """From an eighth to eight times today's traffic."""
    margins = _Margins(question)
    mean = question.trace.mean_per_second
    points = []
    for power in range(-CURVE_DOUBLINGS * 2, CURVE_DOUBLINGS * 2 + 1):
        factor = 2.0 ** (power / 2)
        requests = mean * factor * 3600 * float(HOURS_PER_MONTH) / 1e6 * float(REQUESTS_USD_PER_MILLION)
        default = margins.default_duration_usd(factor)
        points.append(CurvePoint(mean * factor, default + margins.of_traffic(factor) + requests, default + requests))
    return tuple(points)


def flips(question: Question) -> tuple[Flip, ...]:
    """One for each input that can be wrong; the one nearest to flipping first."""
    margins = _Margins(question)
    workload = question.workload
    found = [
        Flip("traffic", question.trace.mean_per_second, "requests/s", _crossing(margins.of_traffic)),
        Flip("duration", workload.duration_ms.mean, "ms", _crossing(margins.of_duration)),
        Flip("CPU time", workload.cpu_ms, "ms", _crossing(margins.of_cpu)),
        Flip("default Lambda's memory", workload.default_memory_mb, "MB", _crossing(margins.of_memory)),
        Flip("instance price", 1.0, "× the list price", _crossing(margins.of_instance_price)),
    ]
    return tuple(sorted(found, key=lambda flip: (flip.factor is None, _distance(flip.factor))))


def _distance(factor: float | None) -> float:
    return 0.0 if factor is None else max(factor, 1 / factor)


def _crossing(margin: Margin) -> float | None:
    """Nearest factor at which the sign changes, upwards or downwards, by doubling and halving and then bisection."""
    here = margin(1.0)
    nearest: float | None = None
    for step in (2.0, 0.5):
        low, factor = 1.0, step
        while 1 / SEARCHED <= factor <= SEARCHED:
            if margin(factor) * here < 0:
                found = _bisected(margin, low, factor, here)
                if nearest is None or _distance(found) < _distance(nearest):
                    nearest = found
                break
            low, factor = factor, factor * step
    return nearest


def _bisected(margin: Margin, same: float, other: float, here: float) -> float:
    for _ in range(STEPS):
        middle: float = (same * other) ** 0.5
        same, other = (middle, other) if margin(middle) * here > 0 else (same, middle)
    return float((same * other) ** 0.5)


class _Margins:
    """Margins of one question. Keeps the types and shapes that could win."""

    def __init__(self, question: Question) -> None:
        self._question = question
        requirements = question.requirements
        self._least = max(1, min(requirements.zones, requirements.minimum_environments))
        by_use = list(question.found[: KEPT_TYPES * 4])
        by_floor = sorted(question.found, key=lambda each: each.instance_type.on_demand_usd_per_hour or 0)
        shapes: dict[EnvironmentShape, None] = dict.fromkeys(each.shape for each in by_use)
        kept = [*list(shapes)[:KEPT_SHAPES], *(each.shape for each in by_floor[:1])]
        self._kept: dict[EnvironmentShape, dict[str, Candidate]] = {shape: {} for shape in kept}
        for each in [*by_use, *by_floor[: KEPT_TYPES * 4]]:
            if each.shape in self._kept and len(self._kept[each.shape]) < KEPT_TYPES:
                self._kept[each.shape][each.instance_type.name] = each

    def of_traffic(self, factor: float) -> float:
        return self._margin(self._question.trace.scaled(factor), self._question.workload, gb_seconds=factor)

    def of_duration(self, factor: float) -> float:
        """Waiting and computing both take longer."""
        return self._margin(self._question.trace, scaled(self._question.workload, factor), gb_seconds=factor)

    def of_cpu(self, factor: float) -> float:
        """Never more than the duration can hold: then the factor has no effect."""
        workload = self._question.workload
        most = workload.duration_ms.mean * max(1.0, workload.cpu_share)
        varied = replace(workload, cpu_ms=min(workload.cpu_ms * factor, most))
        return self._margin(self._question.trace, varied, gb_seconds=1.0)

    def of_memory(self, factor: float) -> float:
        return self._margin(self._question.trace, self._question.workload, gb_seconds=factor)

    def of_instance_price(self, factor: float) -> float:
        return self._margin(self._question.trace, self._question.workload, gb_seconds=1.0, price=factor)

    def _margin(self, trace: Trace, workload: Workload, *, gb_seconds: float, price: float = 1.0) -> float:
        question = self._question
        minutes = Minutes.of(trace.counts, workload)
        cheapest = float("inf")
        for kept_shape, kept in self._kept.items():
            slots = slots_for(workload, kept_shape.memory_mb, int(kept_shape.vcpu))
            if slots == 0:
                continue
            shape = replace(kept_shape, max_concurrency=slots)
            sizing = size(
                minutes,
                workload,
                shape,
                minimum=question.requirements.minimum_environments,
                settings=question.settings,
            )
            levels = Levels.of(sizing)
            for each in kept.values():
                hourly = float(each.instance_type.on_demand_usd_per_hour or 0) * (price + FEE)
                mean = levels.mean_instances(each.environments_per_instance, self._least)
                cheapest = min(cheapest, mean * hourly * float(HOURS_PER_MONTH))
        return cheapest - self.default_duration_usd(gb_seconds)

    def default_duration_usd(self, factor: float) -> float:
        """Requests cost the same on both sides. The first tier stands for all: later ones are 10 and 20 % off."""
        workload, trace = self._question.workload, self._question.trace
        seconds = trace.mean_per_second * 3600 * float(HOURS_PER_MONTH) * workload.duration_ms.mean / 1000
        rate = float(self._question.rates.duration[self._question.architecture][0].usd_per_gb_second)
        return seconds * workload.default_memory_mb / 1024 * factor * rate
