"""Does the traffic have a daily shape worth a schedule? If so: from when to when, and with which minimum."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from paddock.advisor.traces.trace import MINUTES_PER_DAY, Trace

HOURS = 24
MIN_DAYS = 2
WORTH_FROM_RATIO = 2.0
"""The busiest hour must need this many times what the quietest does; less is within the scaler's own headroom."""

HELD_SHARE = 0.5
"""Of what the busy hours typically need: the scaler has room for a doubling, so half is enough to begin them with."""

AGREEMENT = 0.5
"""Days must resemble one another: the mean correlation of each day with the mean day."""


@dataclass(frozen=True, slots=True)
class DailyShape:
    """Busy from one hour to another (UTC, or counted from the trace's beginning where it has no calendar)."""

    busy_from: int
    quiet_from: int
    busy_minimum: int
    quiet_minimum: int


def daily_shape(trace: Trace, environments: NDArray[np.int64], minimum: int) -> DailyShape | None:
    """None when there is none, too few days to tell, or nothing to gain."""
    offset = 0 if trace.start is None else trace.start.hour * 60 + trace.start.minute
    days = (len(environments) - (-offset % MINUTES_PER_DAY)) // MINUTES_PER_DAY
    if days < MIN_DAYS:
        return None
    begin = -offset % MINUTES_PER_DAY
    whole = environments[begin : begin + days * MINUTES_PER_DAY].reshape(days, HOURS, 60)
    by_hour = whole.max(axis=2)
    typical = np.median(by_hour, axis=0)
    if typical.max() < WORTH_FROM_RATIO * typical.min() or typical.max() <= minimum or not _alike(by_hour):
        return None
    busy = typical > (typical.max() + typical.min()) / 2
    starts = [hour for hour in range(HOURS) if busy[hour] and not busy[hour - 1]]
    if len(starts) != 1:
        return None
    start = starts[0]
    length = next(count for count in range(1, HOURS + 1) if not busy[(start + count) % HOURS])
    hours = [(start + count) % HOURS for count in range(length)]
    return DailyShape(
        busy_from=start,
        quiet_from=(start + length) % HOURS,
        busy_minimum=max(minimum + 1, ceil(float(np.median(typical[hours])) * HELD_SHARE)),
        quiet_minimum=minimum,
    )


def _alike(by_hour: NDArray[np.int64]) -> bool:
    mean = by_hour.mean(axis=0)
    if mean.std() == 0:
        return False
    centred = by_hour - by_hour.mean(axis=1, keepdims=True)
    norms = np.sqrt((centred**2).sum(axis=1))
    if (norms == 0).any():
        return False
    correlations = centred @ (mean - mean.mean()) / (norms * np.sqrt(((mean - mean.mean()) ** 2).sum()))
    return float(correlations.mean()) >= AGREEMENT
