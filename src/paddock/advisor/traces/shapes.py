"""Drawn traffic, for those without a trace: expected invocations per minute, no dice.

Peaks of `diurnal` and `weekly` lie at 14:00 of each day; a `spike` lasts ten minutes at noon of the middle day.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from paddock.advisor.documents import InputError
from paddock.advisor.traces.accumulate import MAX_DAYS
from paddock.advisor.traces.trace import MINUTES_PER_DAY, SECONDS_PER_MINUTE, Trace

PEAK_MINUTE = 14 * 60
SPIKE_MINUTES = 10
WEEKEND_SHARE = 0.4
"""Of a weekday's traffic above the base that is left on Saturday and Sunday."""


LARGEST_PER_SECOND = 1e9
"""More than all of AWS Lambda serves: a slip of the keyboard."""


class ShapeKind(StrEnum):
    STEADY = "steady"
    DIURNAL = "diurnal"
    STEP = "step"
    SPIKE = "spike"
    WEEKLY = "weekly"


@dataclass(frozen=True, slots=True)
class Shape:
    """`peak_per_second` is what traffic rises to; it has no meaning for `steady`."""

    kind: ShapeKind
    base_per_second: float
    peak_per_second: float | None = None
    days: int = 7


def draw(shape: Shape) -> Trace:
    """Raises InputError for a shape that cannot be."""
    if not 1 <= shape.days <= MAX_DAYS:
        raise InputError(f"a shape lasts 1 to {MAX_DAYS} days, not {shape.days}")
    peak = shape.base_per_second if shape.peak_per_second is None else shape.peak_per_second
    if not (0 <= shape.base_per_second <= LARGEST_PER_SECOND and peak <= LARGEST_PER_SECOND):
        raise InputError(f"rates are numbers from 0 to {LARGEST_PER_SECOND:,.0f} a second")
    if peak < shape.base_per_second:
        raise InputError(f"the peak of {peak:g}/s lies below the base of {shape.base_per_second:g}/s")
    if peak == 0:
        raise InputError("a shape without traffic: there is nothing to size or to pay")
    if shape.kind is not ShapeKind.STEADY and shape.peak_per_second is None:
        raise InputError(f"the shape {shape.kind} needs a peak as well")
    weight = _above_base(shape.kind, shape.days)
    rates = shape.base_per_second + (peak - shape.base_per_second) * weight
    named = f"{shape.kind.value} {shape.base_per_second:g}/s" + (
        "" if peak == shape.base_per_second else f" to {peak:g}/s"
    )
    return Trace(counts=rates * SECONDS_PER_MINUTE, source=f"drawn: {named}, {shape.days} days")


def _above_base(kind: ShapeKind, days: int) -> NDArray[np.float64]:
    """0 is the base, 1 the peak, for each minute."""
    minute = np.arange(days * MINUTES_PER_DAY)
    middle = days * MINUTES_PER_DAY // 2
    if kind is ShapeKind.STEADY:
        return np.zeros(len(minute))
    if kind is ShapeKind.STEP:
        return (minute >= middle).astype(np.float64)
    if kind is ShapeKind.SPIKE:
        return ((minute >= middle) & (minute < middle + SPIKE_MINUTES)).astype(np.float64)
    day = (1 + np.cos((minute - PEAK_MINUTE) / MINUTES_PER_DAY * 2 * np.pi)) / 2
    if kind is ShapeKind.DIURNAL:
        return day
    weekend = (minute // MINUTES_PER_DAY) % 7 >= 5
    return np.where(weekend, day * WEEKEND_SHARE, day)
