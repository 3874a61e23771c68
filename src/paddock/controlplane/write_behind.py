"""Writes that come one by one and reach the store together: while one commit is under way the next one fills."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from paddock.ports.store import Store, Transaction

T = TypeVar("T")


class WriteBehind(Generic[T]):
    """`write` puts several items into one transaction, in the order they came."""

    def __init__(self, store: Store, write: Callable[[Transaction, Sequence[T]], None], at_most: int) -> None:
        self._store = store
        self._write = write
        self._at_most = at_most
        self._waiting: list[tuple[T, asyncio.Future[None]]] = []
        self._arrived = asyncio.Event()

    async def put(self, item: T) -> None:
        """Returns when the item is on disk. Raises what the store raises."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, done))
        self._arrived.set()
        await done

    async def run(self) -> None:
        """Until cancelled; what waits then is told so."""
        try:
            while True:
                await self._arrived.wait()
                self._arrived.clear()
                while self._waiting:
                    batch, self._waiting = self._waiting[: self._at_most], self._waiting[self._at_most :]
                    await self._store_batch(batch)
        finally:
            for _, done in self._waiting:
                done.cancel()

    async def _store_batch(self, batch: list[tuple[T, asyncio.Future[None]]]) -> None:
        items = [item for item, _ in batch]
        try:
            await self._store.write(lambda tx: self._write(tx, items))
        except Exception as error:  # noqa: BLE001  # it belongs to those who wait
            for _, done in batch:
                if not done.done():
                    done.set_exception(error)
        except BaseException:
            for _, done in batch:
                done.cancel()
            raise
        else:
            for _, done in batch:
                if not done.done():
                    done.set_result(None)
