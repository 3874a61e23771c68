"""The runtimes of this machine for an event loop: a first look for an interpreter starts processes, in a thread."""

from __future__ import annotations

import asyncio
from typing import Protocol

from paddock.runtimes.resolution import Resolution


class BlockingRuntimes(Protocol):
    """`paddock.runtimes.RuntimeStore`, as far as it is needed here."""

    def resolve(self, runtime: str, architecture: str | None = None) -> Resolution: ...


class ThreadedRuntimes:
    def __init__(self, runtimes: BlockingRuntimes) -> None:
        self._runtimes = runtimes
        self._resolved: dict[str, Resolution] = {}

    async def resolve(self, runtime: str) -> Resolution:
        known = self._resolved.get(runtime)
        if known is None:
            known = self._resolved[runtime] = await asyncio.to_thread(self._runtimes.resolve, runtime)
        return known
