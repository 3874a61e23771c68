"""Which launches are not to be tried yet, because they failed lately.

Per instance type and zone, doubling: another type or zone may have what this one lacks, and is tried meanwhile. When
launches fail of which another type is no better, or many in a row of whichever, the cause is none of theirs: then the
provider launches nothing for a time that doubles likewise, or it would go through its whole catalogue again and again.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from paddock.core.counting import counted
from paddock.core.planning.draft import Draft
from paddock.model.fleet import LaunchFailure
from paddock.model.ids import AvailabilityZone
from paddock.model.states import InstancePhase, StateReasonCode

_BETTER_ELSEWHERE = frozenset(
    {
        StateReasonCode.INSUFFICIENT_CAPACITY,
        StateReasonCode.SUBNET_OUT_OF_IP_ADDRESSES,
        StateReasonCode.INVALID_SUBNET,
    }
)
"""What one type or zone lacks."""
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
    for failure in draft.launch_failures:
        grouped.setdefault((failure.instance_type, failure.zone), []).append(failure)
    until: dict[tuple[str, AvailabilityZone], datetime] = {}
    for pair, failures in grouped.items():
        again = launched_again_at(
            failures, settings.launch_backoff, settings.launch_backoff_limit, settings.failure_memory
        )
        if again is not None and again > draft.now:
            until[pair] = again
    whole = _of_the_whole(draft)
    if whole is not None:
        pairs = ((kind.name, zone.zone) for kind in draft.snapshot.offered_types for zone in draft.snapshot.zones)
        return Backoff(frozenset(pairs), whole)
    for (name, zone), again in sorted(until.items()):
        wait = (again - draft.now).total_seconds()
        draft.because(draft.snapshot.provider, f"{name} in {zone} is not launched for {wait:.0f} s: it failed before")
        draft.wake_at(again)
    return Backoff(frozenset(until), min(until.values(), default=None))


def _of_the_whole(draft: Draft) -> datetime | None:
    """Until when the provider launches nothing. What has come up since a failure says that the cause of it is gone."""
    settings = draft.settings
    up = [each.launched_at for each in draft.snapshot.instances if each.phase is InstancePhase.RUNNING]
    success = max(up, default=None)
    failures = [each for each in draft.launch_failures if success is None or each.at > success]
    anywhere = [each for each in failures if each.reason_code not in _BETTER_ELSEWHERE]
    if len(failures) < settings.launch_tries and len(anywhere) < settings.spread_instances:
        return None
    rounds = _rounds(failures, settings.launch_backoff)
    again = launched_again_at(rounds, settings.launch_backoff, settings.launch_backoff_limit, settings.failure_memory)
    if again is None or again <= draft.now:
        return None
    wait, count = (again - draft.now).total_seconds(), counted(len(failures), "launch attempt")
    text = f"nothing is launched for {wait:.0f} s: {count} failed since one did not, the last: {failures[-1].text}"
    draft.because(draft.snapshot.provider, text)
    draft.wake_at(again)
    return again


def _rounds(failures: Iterable[LaunchFailure], pause: timedelta) -> list[LaunchFailure]:
    """One for all that failed together: several instances are launched at once."""
    found: list[LaunchFailure] = []
    for failure in sorted(failures, key=lambda each: each.at):
        if found and failure.at - found[-1].at < pause:
            continue
        found.append(failure)
    return found


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
