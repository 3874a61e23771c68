"""What a router can say of one version: counts since it started, and what is in flight."""

from __future__ import annotations

from dataclasses import dataclass

from paddock.core.routing.counters import VersionCounts
from paddock.model.ids import FunctionVersionKey


@dataclass(frozen=True, slots=True)
class VersionStatistics:
    """`in_flight` is of the moment, slots held by handlers that outlived their timeout included. `peak_in_flight` is
    of another router's reports that nobody has taken yet.
    """

    key: FunctionVersionKey
    in_flight: int
    counts: VersionCounts
    peak_in_flight: int = 0
