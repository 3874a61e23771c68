"""Starts further router processes beside the server's own router, and others for those that end. Runs in the server."""

from __future__ import annotations

import asyncio
import logging
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec

from paddock.model.errors import StartError
from paddock.router.process import RouterOrders

log = logging.getLogger(__name__)

RESTART_SECONDS = 1.0
"""Between the end of one process and the start of the next: a mistake must not become a storm of processes."""
END_SECONDS = 5.0
"""Beyond what answers under way get, which is a setting: then it is killed. No setting: nobody waits for it."""
START_SECONDS = 30.0
"""For all to be ready. No setting: a process starts in a second, and who waits for a server wants to be told."""


class Siblings:
    """`pids` are of the processes that run now; `close_seconds` is what answers under way get at their end."""

    def __init__(self, close_seconds: float) -> None:
        self.pids: set[int] = set()
        self._close_seconds = close_seconds

    async def keep_one(self, orders: bytes, ready: asyncio.Event) -> None:
        """Until cancelled."""
        while True:
            try:
                await self._run_one(orders, ready)
            except OSError as error:  # the machine is full, or it ended before it was told anything
                log.error("a router process cannot be started, which is tried again: %s", error)  # noqa: TRY400
            await asyncio.sleep(RESTART_SECONDS)

    async def _run_one(self, orders: bytes, ready: asyncio.Event) -> None:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "paddock.router.process", stdin=PIPE, stdout=PIPE
        )
        self.pids.add(process.pid)
        try:
            if await _give_orders(process, orders):
                ready.set()
            status = await process.wait()
            log.error("router process %d ended with %d; another is started", process.pid, status)
        finally:
            await _end(process, self._close_seconds + END_SECONDS)
            self.pids.discard(process.pid)


@asynccontextmanager
async def sibling_routers(count: int, orders: RouterOrders) -> AsyncIterator[Siblings]:
    """So many further processes, all ready once the context is open, all ended when it closes. Raises `StartError`."""
    siblings = Siblings(orders.close_seconds)
    line = msgspec.json.encode(orders) + b"\n"
    async with asyncio.TaskGroup() as group:
        ready = [asyncio.Event() for _ in range(count)]
        keepers = [group.create_task(siblings.keep_one(line, event)) for event in ready]
        try:
            async with asyncio.timeout(START_SECONDS):
                for event in ready:
                    await event.wait()
        except TimeoutError:
            raise StartError(f"further router processes did not begin within {START_SECONDS:.0f} s") from None
        yield siblings
        for keeper in keepers:
            keeper.cancel()


async def _give_orders(process: Process, orders: bytes) -> bool:
    """Whether it says that it is ready. Raises `OSError`."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(orders)
    await process.stdin.drain()
    return bool(await process.stdout.readline())


async def _end(process: Process, seconds: float) -> None:
    """Closing its standard input tells it to end."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        async with asyncio.timeout(seconds):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
