"""A heap of events and a clock that jumps from one to the next: a day passes in seconds, and a seed replays exactly.

Knows nothing of what is simulated. Watchers are called after every event, so that what breaks is found where it breaks.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush

from paddock.ports.clock import Dice, SeededIds, seeded_dice

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
MAX_EVENTS = 5_000_000
"""A simulation that goes on for longer than this runs in circles."""


class Event:
    """A thing that will happen; a cancelled one does not."""

    __slots__ = ("action", "cancelled")

    def __init__(self, action: Callable[[], None]) -> None:
        self.action = action
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class VirtualClock:
    """A `Clock`. Wall time may be made to jump; monotonic time never does."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.wall_offset = timedelta()

    def now(self) -> datetime:
        return EPOCH + timedelta(seconds=self.seconds) + self.wall_offset

    def monotonic(self) -> float:
        return self.seconds


class Kernel:
    """Chance comes from `dice`, ids from `ids`; nothing else here is random."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.clock = VirtualClock()
        self.dice: Dice = seeded_dice(seed)
        self.ids = SeededIds(seed + 1)
        self.watchers: list[Callable[[], None]] = []
        self.events = 0
        # Events of the same moment happen in the order they were asked for.
        self._heap: list[tuple[float, int, Event]] = []
        self._order = 0

    @property
    def now(self) -> float:
        """Seconds since the simulation began."""
        return self.clock.seconds

    def after(self, seconds: float, action: Callable[[], None]) -> Event:
        assert seconds >= 0
        self._order += 1
        event = Event(action)
        heappush(self._heap, (self.clock.seconds + seconds, self._order, event))
        return event

    def every(self, seconds: float, action: Callable[[], None]) -> None:
        """From one period from now on, for ever."""

        def again() -> None:
            action()
            self.after(seconds, again)

        self.after(seconds, again)

    def run(self, until: float) -> None:
        """Everything up to and including the second `until`."""
        heap = self._heap
        while heap and heap[0][0] <= until:
            at, _, event = heappop(heap)
            if event.cancelled:
                continue
            self.clock.seconds = at
            event.action()
            self.events += 1
            if self.events > MAX_EVENTS:
                raise RuntimeError(f"more than {MAX_EVENTS} events: the simulation runs in circles")
            for watch in self.watchers:
                watch()
        self.clock.seconds = max(self.clock.seconds, until)
