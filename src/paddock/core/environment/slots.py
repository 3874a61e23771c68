"""How many invocations an environment can hold at present, learned from what its runtime shows.

A runtime says nowhere how many workers it has. Those that have a connection each are counted; a custom runtime's are
taken to be as many as were ever seen at once; where workers take any number of events the configured maximum holds.
"""

from __future__ import annotations

from typing import Generic

from paddock.core.environment.words import ConnectionT, RuntimeWorkers

SETTLING_SECONDS = 10.0
"""After the first poll the other workers are still importing: the maximum is promised until then, so that early
invocations wait for them a moment instead of being refused.
"""


class Slots(Generic[ConnectionT]):
    """`count` is kept ready to read; `settles_at` is when the promise ends, None before init and afterwards."""

    def __init__(self, max_concurrency: int, workers: RuntimeWorkers) -> None:
        self.count = max_concurrency
        self.settles_at: float | None = None
        self._max = max_concurrency
        self._model = workers
        self._workers: set[ConnectionT] = set()
        self._lost = 0
        self._most_units = 1

    def runtime_ready(self, now: float) -> None:
        if self._model is not RuntimeWorkers.MULTIPLEXED:
            self.settles_at = now + SETTLING_SECONDS

    def worker_seen(self, connection: ConnectionT) -> None:
        if connection not in self._workers:
            self._workers.add(connection)
            if len(self._workers) >= self._max:
                self.settles_at = None
            self._count()

    def worker_lost(self, connection: ConnectionT) -> None:
        if connection in self._workers:
            self._workers.remove(connection)
            self._lost += 1
            self._count()

    def units_seen(self, units: int) -> None:
        """Polls and running invocations at once."""
        if units > self._most_units:
            self._most_units = units
            if self._model is RuntimeWorkers.UNKNOWN:
                self._count()

    def settle(self, now: float) -> None:
        if self.settles_at is not None and now >= self.settles_at:
            self.settles_at = None
            self._count()

    def _count(self) -> None:
        if self._model is RuntimeWorkers.MULTIPLEXED:
            return
        if self.settles_at is not None:
            self.count = max(0, self._max - self._lost)
        elif self._model is RuntimeWorkers.OWN_CONNECTION:
            self.count = min(self._max, len(self._workers))
        else:
            self.count = min(self._max, self._most_units)
