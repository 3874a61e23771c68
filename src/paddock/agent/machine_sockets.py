"""Sockets that speak in the machine's network, for an agent that lives in its instance's.

A socket belongs for good to the network of the thread that made it, and may be used from any.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from paddock.agent.network_namespace import MachineNetwork

_Found = TypeVar("_Found")


class MachineSockets:
    """`close` it at the end: it keeps a thread in the machine's network."""

    def __init__(self, machine: MachineNetwork) -> None:
        self._thread = ThreadPoolExecutor(1, "machine-sockets", initializer=machine.move_thread)

    async def open(self, family: int, kind: int) -> socket.socket:
        """Not connected, and for use on a loop. Raises `OSError`."""
        opening = self._thread.submit(_open, family, kind)
        try:
            return await asyncio.wrap_future(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close_opened)
            raise

    async def ask(self, question: Callable[[], _Found]) -> _Found:
        """Something brief that only a thread in the machine's network can tell."""
        return await asyncio.wrap_future(self._thread.submit(question))

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)


def _open(family: int, kind: int) -> socket.socket:
    made = socket.socket(family, kind | socket.SOCK_CLOEXEC)
    made.setblocking(False)
    return made


def _close_opened(opening: Future[socket.socket]) -> None:
    """Nobody waits for it any more."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
