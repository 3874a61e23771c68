"""What happened to the invocations of one version, counted and never reset: readers take differences.

Counting must cost next to nothing, because it happens once per invocation: integers in place, no allocation. Extremes
alone are no differences of anything: they are of an interval, which the one who takes them ends.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import zip_longest
from typing import TypeAlias

from paddock.core.routing.pool import ThrottleCause

Extremes: TypeAlias = "tuple[int, int]"
"""The least and the greatest of an interval, in microseconds."""

_STEPS = 4
"""Buckets per doubling: bounds lie 14 to 25 % apart, close enough for a percentile."""
_BUCKETS = 41 * _STEPS
"""Up to 2^40 microseconds, twelve days: longer than any timeout."""
_LONGEST_US = 1 << 40
_NONE_YET_US = 1 << 62
"""Above every duration: what the least is compared with first."""


def bucket_of(duration_us: int) -> int:
    """The histogram bucket of a duration in microseconds."""
    if duration_us < _STEPS:
        return max(duration_us, 0)
    bits = duration_us.bit_length()
    return min((bits - 2) * _STEPS + ((duration_us >> (bits - 3)) & (_STEPS - 1)), _BUCKETS - 1)


def upper_bound_us(bucket: int) -> int:
    """Every duration of this bucket is below this."""
    if bucket < _STEPS:
        return bucket + 1
    octave, step = divmod(bucket, _STEPS)
    return (_STEPS + step + 1) << (octave - 1)


@dataclass(frozen=True, slots=True)
class VersionCounts:
    """One reading of `VersionCounters`. The histograms are cut after their last bucket that is not empty."""

    invocations: int
    errors: int
    refusals: int
    throttles: tuple[tuple[ThrottleCause, int], ...]
    duration_us_sum: int
    durations: tuple[int, ...]
    extensions_us_sum: int = 0
    extensions: tuple[int, ...] = ()
    """How long extensions went on after the function: a histogram like `durations`, which has this in it."""
    duration_extremes_us: Extremes | None = None
    """Of the durations since `begin_interval`; None without any."""
    extensions_extremes_us: Extremes | None = None

    @property
    def throttled(self) -> int:
        return sum(count for _, count in self.throttles)

    def duration_us_below(self, share: float) -> int | None:
        """The bound below which this share of the durations lies; None when nothing was measured."""
        wanted = sum(self.durations) * share
        seen = 0
        for bucket, count in enumerate(self.durations):
            seen += count
            if count and seen >= wanted:
                return upper_bound_us(bucket)
        return None


def combined(counts: Iterable[VersionCounts]) -> VersionCounts:
    """What several routers have counted of one version, as if one had counted it all."""
    each = tuple(counts)
    throttles = {cause: sum(dict(one.throttles).get(cause, 0) for one in each) for cause in ThrottleCause}
    return VersionCounts(
        invocations=sum(one.invocations for one in each),
        errors=sum(one.errors for one in each),
        refusals=sum(one.refusals for one in each),
        throttles=tuple(throttles.items()),
        duration_us_sum=sum(one.duration_us_sum for one in each),
        durations=tuple(map(sum, zip_longest(*(one.durations for one in each), fillvalue=0))),
        extensions_us_sum=sum(one.extensions_us_sum for one in each),
        extensions=tuple(map(sum, zip_longest(*(one.extensions for one in each), fillvalue=0))),
        duration_extremes_us=widest(one.duration_extremes_us for one in each),
        extensions_extremes_us=widest(one.extensions_extremes_us for one in each),
    )


def widest(extremes: Iterable[Extremes | None]) -> Extremes | None:
    """Those of several intervals as if they were one."""
    known = [each for each in extremes if each is not None]
    return (min(least for least, _ in known), max(greatest for _, greatest in known)) if known else None


class VersionCounters:
    """`invocations` were run, `errors` of them ended in a function error. `refusals`: an agent said no."""

    __slots__ = (
        "duration_us_sum",
        "durations",
        "errors",
        "extensions",
        "extensions_extremes_us",
        "extensions_us_sum",
        "greatest_us",
        "invocations",
        "least_us",
        "refusals",
        "throttles",
    )

    def __init__(self) -> None:
        self.invocations = 0
        self.errors = 0
        self.refusals = 0
        self.duration_us_sum = 0
        self.durations = [0] * _BUCKETS
        self.throttles = dict.fromkeys(ThrottleCause, 0)
        self.extensions_us_sum = 0
        self.extensions: list[int] = []
        self.begin_interval()

    def begin_interval(self) -> None:
        """Extremes are of what comes from now on. For whoever keeps those there were; all else goes on."""
        self.least_us = _NONE_YET_US
        self.greatest_us = -1
        self.extensions_extremes_us: Extremes | None = None

    def answered(self, duration_us: int) -> None:
        self.invocations += 1
        self.duration_us_sum += duration_us
        if duration_us < self.least_us:  # noqa: PLR1730 - a call of min or max costs more than all the rest
            self.least_us = duration_us
        if duration_us > self.greatest_us:  # noqa: PLR1730
            self.greatest_us = duration_us
        # `bucket_of`, written out: a call of it costs as much as all the rest.
        if _STEPS <= duration_us < _LONGEST_US:
            bits = duration_us.bit_length()
            self.durations[(bits - 2) * _STEPS + ((duration_us >> (bits - 3)) & (_STEPS - 1))] += 1
        else:
            self.durations[bucket_of(duration_us)] += 1

    def answered_early(self) -> None:
        """The environment is not done with it: how long it takes is told by `concluded`."""
        self.invocations += 1

    def concluded(self, duration_us: int, extensions_us: int | None) -> None:
        """As on AWS the duration has the time of extensions in it, beyond that of the function."""
        whole_us = duration_us + (extensions_us or 0)
        self.duration_us_sum += whole_us
        self.durations[bucket_of(whole_us)] += 1
        self.least_us = min(self.least_us, whole_us)
        self.greatest_us = max(self.greatest_us, whole_us)
        if extensions_us is not None:
            if not self.extensions:
                self.extensions = [0] * _BUCKETS
            self.extensions_us_sum += extensions_us
            self.extensions[bucket_of(extensions_us)] += 1
            self.extensions_extremes_us = widest((self.extensions_extremes_us, (extensions_us, extensions_us)))

    def counts(self) -> VersionCounts:
        return VersionCounts(
            invocations=self.invocations,
            errors=self.errors,
            refusals=self.refusals,
            throttles=tuple(self.throttles.items()),
            duration_us_sum=self.duration_us_sum,
            durations=_cut(self.durations),
            extensions_us_sum=self.extensions_us_sum,
            extensions=_cut(self.extensions),
            duration_extremes_us=None if self.greatest_us < 0 else (self.least_us, self.greatest_us),
            extensions_extremes_us=self.extensions_extremes_us,
        )


def _cut(histogram: list[int]) -> tuple[int, ...]:
    used = len(histogram)
    while used and not histogram[used - 1]:
        used -= 1
    return tuple(histogram[:used])
