"""What processes have read from and written to storage, by the kernel's own count, here with real processes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

import pytest

from paddock.agent import disk
from paddock.agent.disk import DiskMeter, DiskUse, disk_use
from paddock.launchers.cgroups import Cgroup

WRITTEN = 8 * 1024 * 1024
WRITER = """
import os, sys
with open(sys.argv[1], "wb") as file:
    file.write(bytes(int(sys.argv[2])))
    file.flush()
    os.fsync(file.fileno())
print("written", flush=True)
sys.stdin.read()
"""


class PlayedCgroup:
    def __init__(self, *pids: int) -> None:
        self._pids = list(pids)

    def pids(self) -> list[int]:
        return self._pids


def cgroups(*pids: int) -> list[Cgroup]:
    return [cast("Cgroup", PlayedCgroup(*pids))]


def used(groups: list[Cgroup] | None) -> DiskUse:
    found = disk_use(groups)
    if found is None:
        pytest.skip("this kernel does not count what processes read and write")
    return found


@pytest.fixture
def before() -> DiskUse:
    return used(None)


@pytest.fixture
def writer(before: DiskUse, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A child that has written, and lives until its standard input is closed."""
    command = [sys.executable, "-c", WRITER, str(tmp_path / "file"), str(WRITTEN)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert cast("IO[str]", process.stdout).readline() == "written\n"
        if used(cgroups(process.pid)).write_bytes - used([]).write_bytes < WRITTEN:
            process.kill()
            pytest.skip("what is written here goes to no storage")
        yield process


def test_what_a_child_writes_counts_and_stays_when_it_has_ended(before: DiskUse, writer: subprocess.Popen[str]) -> None:
    assert used(None).write_bytes - before.write_bytes >= WRITTEN

    writer.communicate("")

    assert used(None).write_bytes - before.write_bytes >= WRITTEN


def test_of_cgroups_only_their_processes_count(writer: subprocess.Popen[str]) -> None:
    assert used(cgroups(writer.pid)).write_bytes - used(cgroups()).write_bytes >= WRITTEN


def test_a_process_that_is_gone_is_passed_over() -> None:
    assert used(cgroups(2**22 + 1)).write_bytes >= 0


def test_it_never_goes_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that is being waited for is for a moment counted nowhere."""
    found = iter([None, DiskUse(10, 5), DiskUse(4, 9), DiskUse(20, 9)])
    seen: list[DiskUse | None] = []
    meter = DiskMeter()

    def next_use(_groups: object) -> DiskUse | None:
        seen.append(meter.used)
        return next(found)

    async def scenario() -> None:
        async with asyncio.TaskGroup() as group:
            running = group.create_task(meter.run(lambda: None))
            while len(seen) < 4 or meter.used != DiskUse(20, 9):  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0)
            running.cancel()

    monkeypatch.setattr(disk, "disk_use", next_use)
    monkeypatch.setattr(disk, "DISK_SECONDS", 0.01)
    asyncio.run(asyncio.wait_for(scenario(), 30))
    assert seen == [None, None, DiskUse(10, 5), DiskUse(10, 9)]
