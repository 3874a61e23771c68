"""An asyncio event loop on virtual time: the real shells run on it, and waiting takes no time at all.

When nothing can be read and nothing is due, the clock jumps to the next timer. With nothing to wait for at all, the
program would hang for ever; that is an error here. Real sockets still work, but no virtual time passes for them.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Executor
from typing import Any, TypeVar

from paddock.simulator.kernel import VirtualClock

ResultT = TypeVar("ResultT")

REAL_WAIT_SECONDS = 0.001
"""What a wait for sockets may take in real time before virtual time goes on."""
LONGEST_THREAD_SECONDS = 30.0
"""Virtual time stands still while a thread works for the loop, but not for ever: one that waits for time would hang."""


class Deadlock(RuntimeError):
    """Every task waits for something that nothing will bring."""


class _JumpingSelector(selectors.BaseSelector):
    """Looks at what is readable now; instead of waiting, moves the clock."""

    def __init__(self, clock: VirtualClock, real_wait_seconds: float) -> None:
        self._clock = clock
        self._real_wait_seconds = real_wait_seconds
        self._real = selectors.DefaultSelector()
        self.working_threads = 0

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        longest = LONGEST_THREAD_SECONDS if self.working_threads else self._real_wait_seconds
        ready = self._real.select(0 if timeout is not None and timeout <= 0 else longest)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if timeout is None:
            raise Deadlock("every task waits and no timer is set")
        self._clock.seconds += timeout
        return ready

    def close(self) -> None:
        self._real.close()

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """`loop.time()`, sleeps and timeouts follow `clock`, which only moves when everybody waits."""

    def __init__(self, clock: VirtualClock, *, real_wait_seconds: float = REAL_WAIT_SECONDS) -> None:
        self._virtual = clock
        self._jumping = _JumpingSelector(clock, real_wait_seconds)
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._virtual.seconds

    def run_in_executor(  # type: ignore[override]  # asyncio's own signature, less its variadic types
        self, executor: Executor | None, func: Callable[..., ResultT], *args: Any
    ) -> asyncio.Future[ResultT]:
        future = super().run_in_executor(executor, func, *args)
        self._jumping.working_threads += 1
        future.add_done_callback(self._thread_is_done)
        return future

    def _thread_is_done(self, _: asyncio.Future[Any]) -> None:
        self._jumping.working_threads -= 1


def run_virtually(main: Coroutine[Any, Any, ResultT], clock: VirtualClock) -> ResultT:
    """`asyncio.run` on virtual time."""
    with asyncio.Runner(loop_factory=lambda: VirtualTimeLoop(clock)) as runner:
        return runner.run(main)
