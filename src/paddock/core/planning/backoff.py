"""Which launches are not to be tried yet, because they failed lately: per instance type and zone, doubling."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from paddock.core.planning.draft import Draft
from paddock.model.fleet import LaunchFailure
from paddock.model.ids import AvailabilityZone


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
        delay = min(settings.launch_backoff * (1 << min(len(failures) - 1, 16)), settings.launch_backoff_limit)
        again = max(failure.at for failure in failures) + delay
        if again > draft.now:
            until[pair] = again
    for (name, zone), again in sorted(until.items()):
        wait = (again - draft.now).total_seconds()
        draft.because(draft.snapshot.provider, f"{name} in {zone} is not launched for {wait:.0f} s: it failed before")
        draft.wake_at(again)
    return Backoff(frozenset(until), min(until.values(), default=None))
