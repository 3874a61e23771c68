"""How many invocations an environment can hold at present, learned from what its runtime shows.

A runtime says nowhere how many workers it has. Those that have a connection each are counted; a custom runtime's are
taken to be as many as were ever seen at once; where workers take any number of events the configured maximum holds.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Generic

from paddock.core.environment.words import ConnectionT, RuntimeWorkers

MAX_IDLE_POLLS = 10_000
"""AWS's agent answers further polls with `Runtime.TooManyIdleRuntimes`: its figure, so no setting."""


@dataclass(frozen=True, slots=True)
class SlotSettings:
    """What AWS does not say of slots, and an operator may set."""

    poll_wait_seconds: float = 1.0
    """How long an invocation waits, within capacity, for a worker that is between its last answer and its next poll.
    That gap is well under a millisecond on an idle core; only a starved machine or a worker that is ill comes near it.
    """
    settling_seconds: float = 10.0
    """After the first poll the other workers are still importing: the maximum is promised until then, so that early
    invocations wait for them a moment instead of being refused.
    """
    return_seconds: float = 1.0
    """In which a worker that closed its connection while it had neither event nor poll is expected on a new one: AWS's
    Python client does so whenever a post of it was refused.
    """
    leaked_seconds: float = 60.0
    """Once handlers that outlived their timeout hold every slot, one of them for so long, the environment is replaced.
    """


DEFAULT_SLOTS = SlotSettings()


class Slots(Generic[ConnectionT]):
    """`count` is kept ready to read; `changes_at` is when `settle` may lower it, None when nothing is awaited."""

    def __init__(self, max_concurrency: int, workers: RuntimeWorkers, settings: SlotSettings = DEFAULT_SLOTS) -> None:
        self.count = max_concurrency
        self._max = max_concurrency
        self._model = workers
        self._settings = settings
        self._settles_at: float | None = None
        self.workers: set[ConnectionT] = set()
        self._away: deque[float] = deque()
        self._lost = 0
        self._most_units = 1

    @property
    def changes_at(self) -> float | None:
        if self._settles_at is None:
            return self._away[0] if self._away else None
        return min(self._settles_at, self._away[0]) if self._away else self._settles_at

    def runtime_ready(self, now: float) -> None:
        if self._model is not RuntimeWorkers.MULTIPLEXED:
            self._settles_at = now + self._settings.settling_seconds

    def worker_seen(self, connection: ConnectionT) -> None:
        if connection in self.workers:
            return
        self.workers.add(connection)
        if self._away:
            self._away.popleft()
        if len(self.workers) >= self._max:
            self._settles_at = None
        self._count()

    def worker_lost(self, connection: ConnectionT, now: float, *, may_return: bool) -> None:
        if connection not in self.workers:
            return
        self.workers.remove(connection)
        if may_return:
            self._away.append(now + self._settings.return_seconds)
        else:
            self._lost += 1
        self._count()

    def units_seen(self, units: int) -> None:
        """Polls and running invocations at once."""
        if units > self._most_units:
            self._most_units = units
            if self._model is RuntimeWorkers.UNKNOWN:
                self._count()

    def settle(self, now: float) -> None:
        if self._settles_at is not None and now >= self._settles_at:
            self._settles_at = None
        while self._away and now >= self._away[0]:
            self._away.popleft()
            self._lost += 1
        self._count()

    def _count(self) -> None:
        if self._model is RuntimeWorkers.MULTIPLEXED:
            return
        if self._settles_at is not None:
            self.count = max(0, self._max - self._lost)
        elif self._model is RuntimeWorkers.OWN_CONNECTION:
            self.count = min(self._max, len(self.workers) + len(self._away))
        else:
            self.count = min(self._max, self._most_units)
