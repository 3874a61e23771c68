"""Which launches are not to be tried yet, because they failed lately: per instance type and zone, doubling."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from paddock.core.planning.draft import Draft
from paddock.model.fleet import LaunchFailure
from paddock.model.ids import AvailabilityZone

_MOST_DOUBLINGS = 16
"""Beyond that any limit is reached; no setting."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Launches not to be tried yet: `blocked` (type, zone) pairs, and when the first of them may be tried again."""

    blocked: frozenset[tuple[str, AvailabilityZone]]
    until: datetime | None


def backoff(draft: Draft) -> Backoff:
    settings = draft.settings
    grouped: dict[tuple[str, AvailabilityZone], list[LaunchFailure]] = {}
    for failure in draft.snapshot.launch_failures:
        grouped.setdefault((failure.instance_type, failure.zone), []).append(failure)
    until: dict[tuple[str, AvailabilityZone], datetime] = {}
    for pair, failures in grouped.items():
        again = launched_again_at(
            failures, settings.launch_backoff, settings.launch_backoff_limit, settings.failure_memory
        )
        if again is not None and again > draft.now:
            until[pair] = again
    for (name, zone), again in sorted(until.items()):
        wait = (again - draft.now).total_seconds()
        draft.because(draft.snapshot.provider, f"{name} in {zone} is not launched for {wait:.0f} s: it failed before")
        draft.wake_at(again)
    return Backoff(frozenset(until), min(until.values(), default=None))


def launched_again_at(
    failures: Iterable[LaunchFailure], first: timedelta, limit: timedelta, memory: timedelta
) -> datetime | None:
    """When a launch that failed may be tried again; None when none has. Twice as long after each failure, up to the
    limit; what failed longer than `memory` before the next failure is forgotten.
    """
    moments = sorted((failure.at for failure in failures), reverse=True)
    if not moments:
        return None
    in_a_row = 1
    for later, earlier in pairwise(moments):
        if later - earlier > memory:
            break
        in_a_row += 1
    return moments[0] + min(first * (1 << min(in_a_row - 1, _MOST_DOUBLINGS)), limit)
