"""One timer that waits for whatever is due first."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable


class Wake:
    """`due` is called when the time has come. All times are monotonic seconds."""

    def __init__(self, due: Callable[[], None]) -> None:
        self.at = math.inf
        self._due = due
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def by(self, at: float, now: float) -> None:
        """At the latest then."""
        if at >= self.at:
            return
        self.cancel()
        self.at = at
        self._timer = self._loop.call_later(max(0.0, at - now), self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self.at = math.inf
        self._due()

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
