"""Monotonic time made wall time, cheaply enough for every invocation. Resynchronised with the clock once a second."""

from __future__ import annotations

from datetime import UTC, datetime

from paddock.ports.clock import Clock


class Timebase:
    def __init__(self, clock: Clock) -> None:
        self.monotonic = clock.monotonic
        self._clock = clock
        self._offset = 0.0
        self._second = -1
        self._second_text = ""
        self._made_for = -1
        self._made = ""
        self.resynchronise()

    def resynchronise(self) -> None:
        self._offset = self._clock.now().timestamp() - self._clock.monotonic()

    def epoch_seconds(self, monotonic: float) -> float:
        return monotonic + self._offset

    def epoch_now(self) -> float:
        return self.epoch_seconds(self.monotonic())

    def epoch_ms(self, monotonic: float) -> int:
        return int((monotonic + self._offset) * 1000)

    def iso(self, epoch_ms: int) -> str:
        """`2026-11-23T06:28:00.123Z`; what was made last is kept, and the part that changes once a second."""
        if epoch_ms == self._made_for:
            return self._made
        self._made_for = epoch_ms
        second, milliseconds = divmod(epoch_ms, 1000)
        if second != self._second:
            self._second = second
            self._second_text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        self._made = f"{self._second_text}.{milliseconds:03d}Z"
        return self._made
