"""The network that the agent, and with it all of its instance, lives in: entered once, before there is any thread.

Some errands are the machine's and no function's: a runtime is installed from where the machine installs things. They
run in a thread of their own that goes there and never comes back, so that no thread is ever in the wrong network.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

_Found = TypeVar("_Found")
_CLONE_NEWNET = 0x40000000
_OWN = Path("/proc/self/ns/net")


class MachineNetwork:
    """`descriptor` is the namespace of the machine's network; None where the agent has never left it."""

    def __init__(self, descriptor: int | None = None) -> None:
        self._descriptor = descriptor

    @property
    def is_elsewhere(self) -> bool:
        return self._descriptor is not None

    def run(self, errand: Callable[[], _Found]) -> _Found:
        """Blocking. A socket or process made by the errand stays in the machine's network for good."""
        if self._descriptor is None:
            return errand()
        with ThreadPoolExecutor(1, "errand") as alone:
            return alone.submit(self._go_and_run, self._descriptor, errand).result()

    def move_thread(self) -> None:
        """The calling thread is in the machine's network from now on: for one that runs nothing but errands."""
        if self._descriptor is not None:
            _set_namespace(self._descriptor)

    @staticmethod
    def _go_and_run(descriptor: int, errand: Callable[[], _Found]) -> _Found:
        _set_namespace(descriptor)
        return errand()


IN_IT_ALREADY = MachineNetwork()


def enter(namespace: Path) -> MachineNetwork:
    """The way back for errands. Raises `OSError`, also where this process has threads, which would stay behind."""
    if len(os.listdir("/proc/self/task")) > 1:  # noqa: PTH208  # one line of the kernel's each
        raise OSError("a network is entered before there are threads")
    descriptor = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
    try:
        machine = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
        _set_namespace(descriptor)
    finally:
        os.close(descriptor)
    return MachineNetwork(machine)


def _set_namespace(descriptor: int) -> None:
    """Of the calling thread. By libc: Python has `os.setns` from 3.12 on."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"the network namespace cannot be entered: {os.strerror(number)}")
