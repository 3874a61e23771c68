"""Routers beside the server's own: each does what `paddock.router.process` does, as a process of this network."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from paddock.ports.clock import Clock, IdSource
from paddock.router.process import RouterOrders, routing
from paddock.router.router import Router
from paddock.simulator.network import MemoryProcess, belong_to

RESTART_SECONDS = 1.0
"""As long as `router.siblings` waits before it starts another."""


@dataclass(eq=False)
class Sibling:
    """`router` is there once it listens."""

    process: MemoryProcess = field(default_factory=MemoryProcess)
    router: Router | None = None
    task: asyncio.Task[None] | None = None

    def end(self) -> None:
        """Its standard input has ended: what it has begun may end too."""
        if self.task is not None:
            self.task.cancel()

    def kill(self) -> None:
        self.process.die()
        self.end()


class Siblings:
    """Of whichever server is up. Those of an earlier one may still be ending; `living` has them all."""

    def __init__(self, clock: Clock, ids: IdSource, group: asyncio.TaskGroup) -> None:
        self.living: list[Sibling] = []
        self._clock = clock
        self._ids = ids
        self._group = group

    async def keep_one(self, orders: RouterOrders) -> None:
        """Until cancelled; then it is told to end, and nobody waits for it."""
        while True:
            sibling = Sibling()
            sibling.task = self._group.create_task(self._run(sibling, orders))
            self.living.append(sibling)
            try:
                await asyncio.wait([sibling.task])
            finally:
                sibling.end()
            await asyncio.sleep(RESTART_SECONDS)

    async def _run(self, sibling: Sibling, orders: RouterOrders) -> None:
        belong_to(sibling.process)
        try:
            async with routing(orders, self._clock, self._ids) as router:
                sibling.router = router
                await asyncio.get_running_loop().create_future()
        finally:
            sibling.process.die()
            self.living.remove(sibling)
