"""Counts and quantiles gathered in bounded memory while a trace streams by."""

from __future__ import annotations

from datetime import UTC, datetime
from math import floor, inf, log
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from paddock.advisor.traces.trace import MINUTES_PER_DAY, SECONDS_PER_MINUTE, Distribution

MAX_DAYS = 800
"""Two years and a bit: the longest traffic anybody should size from; a day of minutes takes 12 kB."""

BUCKET_GROWTH = 1.02
"""Each bucket of a histogram ends 2 % above the one before, so a quantile is right to 1 %."""

_LOG_GROWTH = log(BUCKET_GROWTH)
QUANTILES = (0.0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0)
SMALLEST = 1e-9
Scalar = TypeVar("Scalar", np.float64, np.bool_)


class TooManyDaysError(Exception):
    """The trace covers more time than is held."""


class MinuteCounts:
    """Invocations per minute, in any order. Minutes are counted from any origin and may be negative."""

    def __init__(self) -> None:
        # Lists, not arrays: one number at a time is what arrays are slow at.
        self._days: dict[int, list[float]] = {}
        self._named: dict[int, bytearray] = {}
        self.first: int | None = None
        self.last: int | None = None
        self.out_of_order = 0
        self._latest: int | None = None

    def add(self, minute: int, count: float) -> None:
        day, place = divmod(minute, MINUTES_PER_DAY)
        bins = self._days.get(day)
        if bins is None:
            if len(self._days) >= MAX_DAYS:
                raise TooManyDaysError
            bins = self._days[day] = [0.0] * MINUTES_PER_DAY
            self._named[day] = bytearray(MINUTES_PER_DAY)
        bins[place] += count
        self._named[day][place] = 1
        if minute == self._latest:
            return
        if self._latest is not None and minute < self._latest:
            self.out_of_order += 1
        self._latest = minute
        self.first = minute if self.first is None else min(self.first, minute)
        self.last = minute if self.last is None else max(self.last, minute)

    def to_array(self) -> NDArray[np.float64]:
        """From the first minute that was named to the last; minutes in between that were not named are zero."""
        held = {day: np.array(bins) for day, bins in self._days.items()}
        return self._joined(held, np.zeros(MINUTES_PER_DAY))

    def named(self) -> NDArray[np.bool_]:
        """Which of those minutes were named at all."""
        held = {day: np.frombuffer(bins, dtype=np.uint8).astype(np.bool_) for day, bins in self._named.items()}
        return self._joined(held, np.zeros(MINUTES_PER_DAY, dtype=np.bool_))

    def _joined(self, days: dict[int, NDArray[Scalar]], empty: NDArray[Scalar]) -> NDArray[Scalar]:
        if self.first is None or self.last is None:
            return empty[:0]
        first_day, last_day = self.first // MINUTES_PER_DAY, self.last // MINUTES_PER_DAY
        if last_day - first_day >= MAX_DAYS:
            raise TooManyDaysError
        whole = np.concatenate([days.get(day, empty) for day in range(first_day, last_day + 1)])
        begin = self.first - first_day * MINUTES_PER_DAY
        return whole[begin : begin + self.last - self.first + 1]

    @property
    def start(self) -> datetime | None:
        """The first minute, when minutes are counted from 1970."""
        return None if self.first is None else datetime.fromtimestamp(self.first * SECONDS_PER_MINUTE, UTC)


def spread(counts: NDArray[np.float64], named: NDArray[np.bool_]) -> tuple[NDArray[np.float64], int]:
    """Rows further apart than a minute count what came until the next row: spread them. Also the minutes a row covers.

    Only a regular trace is spread, one whose gaps are multiples of its commonest gap; a hole in it stays a hole.
    """
    places = np.flatnonzero(named)
    if len(places) < 2:
        return counts, 1
    gaps = np.diff(places)
    width = int(np.bincount(gaps).argmax())
    if width == 1 or np.any(gaps % width):
        return counts, 1
    wide = np.zeros(len(counts) + width - 1)
    for place in places:
        wide[place : place + width] += counts[place] / width
    return wide, width


class SeenSeconds:
    """Which seconds were named before: one bit each, a day is 11 kB."""

    def __init__(self) -> None:
        self._days: dict[int, bytearray] = {}

    def add(self, second: int) -> bool:
        """Was it new?"""
        day, place = divmod(second, 86_400)
        bits = self._days.get(day)
        if bits is None:
            if len(self._days) >= MAX_DAYS:
                raise TooManyDaysError
            bits = self._days[day] = bytearray(10_800)
        mask = 1 << (place & 7)
        is_new = not bits[place >> 3] & mask
        bits[place >> 3] |= mask
        return is_new


class Histogram:
    """Weighted quantiles to 1 %, an exact mean, exact ends; some thousand buckets at most."""

    def __init__(self) -> None:
        self._buckets: dict[int, float] = {}
        self._weight = 0.0
        self._sum = 0.0
        self._least = inf
        self._most = -inf

    def add(self, value: float, weight: float = 1.0) -> None:
        """`value` is at least 0 and finite."""
        if weight <= 0:
            return
        bucket = floor(log(max(SMALLEST, value)) / _LOG_GROWTH)
        self._buckets[bucket] = self._buckets.get(bucket, 0.0) + weight
        self._weight += weight
        self._sum += value * weight
        self._least = min(self._least, value)
        self._most = max(self._most, value)

    def distribution(self) -> Distribution | None:
        """None when nothing was added: no data is no zero."""
        if self._weight == 0:
            return None
        points = tuple((fraction, self._quantile(fraction)) for fraction in QUANTILES)
        return Distribution(self._sum / self._weight, points)

    def _quantile(self, fraction: float) -> float:
        if fraction == 0:
            return self._least
        wanted = fraction * self._weight
        passed = 0.0
        for bucket in sorted(self._buckets):
            passed += self._buckets[bucket]
            if passed >= wanted:
                middle = float(BUCKET_GROWTH ** (bucket + 0.5))
                return min(max(middle, self._least), self._most)
        return self._most
