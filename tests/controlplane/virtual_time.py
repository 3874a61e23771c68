"""An event loop whose time passes only when nothing is left to do: hours of the fleet in milliseconds of a test."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class _JumpingSelector(selectors.DefaultSelector):
    passed = 0.0

    def select(self, timeout: float | None = None) -> Any:
        events = super().select(0)
        if not events:
            assert timeout is not None, "nothing would ever happen again"
            self.passed += timeout
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.jumping = _JumpingSelector()
        super().__init__(self.jumping)

    def time(self) -> float:
        return self.jumping.passed

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]
        """At once: time must not pass for the loop while a thread works."""
        done: asyncio.Future[T] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001  # it belongs to whoever waits
            done.set_exception(error)
        return done


class LoopClock:
    """The running loop's time as wall and monotonic time."""

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()


def run_virtually(scenario: Coroutine[Any, Any, T], *, limit_seconds: float = 8 * 3600) -> T:
    """`limit_seconds` of virtual time."""

    async def limited() -> T:
        async with asyncio.timeout(limit_seconds):
            return await scenario

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(limited())
