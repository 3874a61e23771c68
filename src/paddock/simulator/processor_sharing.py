"""Processor sharing, exactly: whoever computes gets an equal share of the cores, and never more than one of them.

A virtual clock runs at the speed that each gets; an invocation is done when it has advanced by its CPU time. So an
arrival or a departure costs a logarithm, however many compute (Kleinrock, 1967, in the form fair queueing uses).
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Generic, TypeVar

WorkT = TypeVar("WorkT")

NEVER = float("inf")
_ROUNDING = 1e-12


class SharedCpu(Generic[WorkT]):
    """`cores` may be a fraction. `core_seconds` is the work done so far, `changes` counts who came and went."""

    __slots__ = ("_advanced", "_at", "_waiting", "changes", "core_seconds", "cores")

    def __init__(self, cores: float, now: float = 0.0) -> None:
        assert cores > 0
        self.cores = cores
        self.core_seconds = 0.0
        self._at = now
        self._advanced = 0.0
        self._waiting: list[tuple[float, int, WorkT]] = []
        self.changes = 0

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, now: float, cpu_seconds: float, work: WorkT) -> None:
        self.advance(now)
        self.changes += 1
        heappush(self._waiting, (self._advanced + cpu_seconds, self.changes, work))

    def next_at(self) -> float:
        """When the next one is done, if nobody comes; `NEVER` when nobody computes."""
        if not self._waiting:
            return NEVER
        return self._at + max(0.0, self._waiting[0][0] - self._advanced) / self._speed()

    def pop(self, now: float) -> WorkT:
        """The one that is done `now`, which is what `next_at` said."""
        self.advance(now)
        self.changes += 1
        done, _, work = heappop(self._waiting)
        assert done - self._advanced < _ROUNDING + 1e-9 * abs(done), "popped before it was done"
        return work

    def advance(self, now: float) -> None:
        passed = max(0.0, now - self._at)
        if self._waiting and passed:
            speed = self._speed()
            self._advanced += passed * speed
            self.core_seconds += passed * speed * len(self._waiting)
        self._at = max(now, self._at)

    def _speed(self) -> float:
        return min(1.0, self.cores / len(self._waiting))
