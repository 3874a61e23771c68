"""The calls in progress: tasks in one group, bounded, ended together. The only place of the front that starts tasks."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any

log = logging.getLogger(__name__)

CALLS_IN_PROGRESS = 512
"""Each holds its parameters and waits for the store; beyond this a caller is better told to come back."""

CLOSING_GRACE_SECONDS = 5.0
"""What calls in progress get to end by themselves; what they have answered is in the store by then."""


class Calls:
    """Owned by the front. A call that raises is logged and ends no other; those given should answer before they do."""

    def __init__(self, at_most: int = CALLS_IN_PROGRESS) -> None:
        self._at_most = at_most
        self._group: asyncio.TaskGroup | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Calls are taken while this is open. At its end those in progress get their grace, then are cancelled."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                yield
            finally:
                self._group = None
                if self._tasks:
                    await asyncio.wait(self._tasks, timeout=CLOSING_GRACE_SECONDS)
                for task in tuple(self._tasks):
                    task.cancel()

    def start(self, work: Coroutine[Any, Any, None]) -> bool:
        """False, and the work not begun, when there are too many or none are taken any more."""
        if self._group is None or len(self._tasks) >= self._at_most:
            work.close()
            return False
        task = self._group.create_task(_apart(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True


async def _apart(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except Exception:
        log.exception("a call ended without an answer")
