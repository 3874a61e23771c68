"""How fast a streamed answer may go: the first 6 MiB at full speed, then 2 MiB a second, as with AWS. Pure.

Source: developer guide, "Response streaming"; AWS's open agent code (a bucket of 6 MiB, filled at 2 MiB/s).
"""

from __future__ import annotations

BURST_BYTES = 6 * 1024 * 1024
BYTES_PER_SECOND = 2 * 1024 * 1024
PAUSE_SECONDS = 0.125
"""The shortest pause: as often as AWS's agent fills its bucket."""


class Bandwidth:
    def __init__(self, now: float) -> None:
        self._credit = float(BURST_BYTES)
        self._at = now

    def take(self, size: int, now: float) -> float:
        """Seconds to wait before reading on, after `size` bytes were passed on."""
        earned = (now - self._at) * BYTES_PER_SECOND
        self._at = now
        self._credit = min(float(BURST_BYTES), self._credit + earned) - size
        return 0.0 if self._credit >= 0 else max(PAUSE_SECONDS, -self._credit / BYTES_PER_SECOND)
