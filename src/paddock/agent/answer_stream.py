"""A streamed answer on its way from the runtime's connection to the caller: when to read on and when to wait."""

from __future__ import annotations

import asyncio
from typing import Protocol

from paddock.agent.bandwidth import Bandwidth
from paddock.agent.limits import STREAM_BYTES


class StreamSource(Protocol):
    """The runtime's connection that it comes from."""

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class AnswerStream:
    """`paused` by the caller, `blocked` by the link to it, throttled by its bandwidth: each stops the reading.

    `began_at` is when its runtime began to answer, in monotonic seconds; `passed` counts bytes.
    """

    def __init__(self, source: StreamSource) -> None:
        self.paused = False
        self.blocked = False
        self.began_at = 0.0
        self._source = source
        self._loop = asyncio.get_running_loop()
        self._bandwidth = Bandwidth(self._loop.time())
        self._throttled = False
        self.passed = 0
        self._over = False

    @property
    def too_long(self) -> bool:
        return self.passed > STREAM_BYTES

    def passed_on(self, size: int) -> None:
        self.passed += size
        pause_seconds = self._bandwidth.take(size, self._loop.time())
        if pause_seconds and not self._throttled:
            self._throttled = True
            self._loop.call_later(pause_seconds, self._go_on)
        self.regulate()

    def _go_on(self) -> None:
        self._throttled = False
        self.regulate()

    def regulate(self) -> None:
        if not self._over and (self.paused or self.blocked or self._throttled):
            self._source.pause_reading()
        else:
            self._source.resume_reading()

    def let_run(self) -> None:
        """Nobody reads it any more, or it has ended: the runtime may write what it likes."""
        self._over = True
        self.regulate()
