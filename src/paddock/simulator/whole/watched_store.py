"""The store of the whole: it tells that it was written to, and may be looked into between two turns of the loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from paddock.ports.store import Transaction
from paddock.stores.memory import MemoryStore

T = TypeVar("T")


class WatchedStore(MemoryStore):
    """`writes` counts the transactions that were kept."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0

    async def write(self, work: Callable[[Transaction], T]) -> T:
        result = await super().write(work)
        self.writes += 1
        return result

    def look(self, work: Callable[[Transaction], T]) -> T:
        """As `read`, at once: nothing here ever waits."""
        return work(self._transaction)
