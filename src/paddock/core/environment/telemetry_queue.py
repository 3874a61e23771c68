"""The events that wait for one subscriber: when they make a batch, what there is no room for, what is told of that.

Pure: `now` is monotonic seconds. Sources: Lambda developer guide, "Telemetry API" (buffering); AWS's open agent code,
which drops what a slow subscriber has not taken and says so with `platform.logsDropped`.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from paddock.core.environment.telemetry import Buffering

WAITING_BATCHES = 2
"""That wait while one is being delivered: a short pause of the subscriber loses nothing, and a long one no memory."""
SINGLE_EVENT_BATCHES = 2
"""An event may be larger than `maxBytes`, but a delivery no larger than twice that (developer guide)."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What goes out at once, with what was dropped before it."""

    events: tuple[bytes, ...]
    dropped_records: int
    dropped_bytes: int


class TelemetryQueue:
    """Its owner delivers one batch at a time and says how that went."""

    def __init__(self, buffering: Buffering) -> None:
        self._buffering = buffering
        self._timeout_seconds = buffering.timeout_ms / 1000
        self._events: deque[tuple[float, bytes]] = deque()
        self._bytes = 0
        self._dropped_records = 0
        self._dropped_bytes = 0
        self._flushing = False

    @property
    def empty(self) -> bool:
        return not self._events

    def add(self, event: bytes, now: float) -> bool:
        """Whether that changed when the next batch is due."""
        limits, size = self._buffering, len(event)
        if (
            size > SINGLE_EVENT_BATCHES * limits.max_bytes
            or len(self._events) >= WAITING_BATCHES * limits.max_items
            or (self._events and self._bytes + size > WAITING_BATCHES * limits.max_bytes)
        ):
            self.drop(1, size)
            return False
        due = self.due_at()
        self._events.append((now, event))
        self._bytes += size
        return self.due_at() != due

    def drop(self, records: int, dropped_bytes: int) -> None:
        self._dropped_records += records
        self._dropped_bytes += dropped_bytes

    def flush(self) -> None:
        """From now on nothing waits for more."""
        self._flushing = True

    def due_at(self) -> float | None:
        """When the next batch goes out; None when there is none. That events were lost is told with the next ones."""
        if not self._events:
            return None
        limits = self._buffering
        if self._flushing or len(self._events) >= limits.max_items or self._bytes >= limits.max_bytes:
            return -math.inf
        return self._events[0][0] + self._timeout_seconds

    def take(self) -> Batch:
        """The oldest events up to the limits, and at least one if there is one."""
        limits = self._buffering
        events: list[bytes] = []
        size = 0
        while self._events and len(events) < limits.max_items:
            event = self._events[0][1]
            if events and size + len(event) > limits.max_bytes:
                break
            self._events.popleft()
            events.append(event)
            size += len(event)
        self._bytes -= size
        batch = Batch(tuple(events), self._dropped_records, self._dropped_bytes)
        self._dropped_records = self._dropped_bytes = 0
        return batch

    def lost(self, batch: Batch) -> None:
        """It could not be delivered."""
        self.drop(len(batch.events) + batch.dropped_records, sum(map(len, batch.events)) + batch.dropped_bytes)
