"""What the processes of an instance have read from and written to storage, by the kernel's own count.

`/proc/<pid>/io` counts what went past the page cache; of a process that was waited for it is its parent's from then on,
so that nothing is lost with processes that end. Reading it for a few hundred processes is for a thread.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from typing import NamedTuple

from paddock.agent.limits import DISK_SECONDS
from paddock.launchers.cgroups import Cgroup
from paddock.launchers.processes import PROC, all_stats, descendants


class DiskUse(NamedTuple):
    """Bytes since the instance began."""

    read_bytes: int
    write_bytes: int


class DiskMeter:
    def __init__(self) -> None:
        self.used: DiskUse | None = None
        """None until it was measured, and where the kernel does not count."""

    async def run(self, cgroups: Callable[[], Sequence[Cgroup] | None]) -> None:
        """Until cancelled. `cgroups` are those of all environments, None where there are none: then descent says who
        belongs here.
        """
        while True:
            now = await asyncio.to_thread(disk_use, cgroups())
            if now is not None:
                before = self.used or now
                # A process that is being waited for is for a moment counted nowhere.
                self.used = DiskUse(max(before.read_bytes, now.read_bytes), max(before.write_bytes, now.write_bytes))
            await asyncio.sleep(DISK_SECONDS)


def disk_use(cgroups: Sequence[Cgroup] | None) -> DiskUse | None:
    """Of this process and those it started. Parents are read before their children: otherwise one that ends in between
    would count twice. Blocking.
    """
    own = os.getpid()
    if cgroups is None:
        others = descendants([own], all_stats())
    else:
        others = [pid for cgroup in cgroups for pid in sorted(cgroup.pids())]
    found = [use for pid in (own, *others) if (use := _use_of(pid)) is not None]
    if not found:
        return None
    return DiskUse(sum(use.read_bytes for use in found), sum(use.write_bytes for use in found))


def _use_of(pid: int) -> DiskUse | None:
    try:
        with open(f"{PROC}/{pid}/io", "rb") as file:  # noqa: PTH123  # called for every process of the instance
            lines = dict(line.split(b": ") for line in file.read().splitlines())
        return DiskUse(int(lines[b"read_bytes"]), int(lines[b"write_bytes"]))
    except (OSError, KeyError, ValueError):
        return None
