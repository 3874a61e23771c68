"""The processes of one execution environment, started and ended: its runtime, its extensions, and the cgroup that holds
them.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from pathlib import Path, PurePath

from paddock.agent.beside import BesideProcess, SharedEnvironment, open_environment
from paddock.agent.facilities import Facilities
from paddock.agent.limits import PROCESSES
from paddock.agent.runtime_process import ProcessCommand, RuntimeProcess
from paddock.isolation.ladder import pinned_processors
from paddock.launchers.cgroups import Cgroup, CpuShare, MemoryShare
from paddock.wire.agent import EnvironmentSpec

_LOG = logging.getLogger("paddock.agent")
_BYTES_PER_MB = 1024 * 1024
_EXTENSIONS = "extensions"


class EnvironmentProcesses:
    """`number` is unique on the instance."""

    def __init__(self, spec: EnvironmentSpec, number: int, facilities: Facilities) -> None:
        self.whole: RuntimeProcess | SharedEnvironment | None = None
        """Stands for all of them: the runtime, where there is nothing else."""
        self.runtime: BesideProcess | None = None
        self.extensions: dict[str, BesideProcess] = {}
        self.cgroup: Cgroup | None = None
        self._shared: SharedEnvironment | None = None
        self._spec = spec
        self._number = number
        self._facilities = facilities
        self._ended: set[BesideProcess] = set()
        self._news = asyncio.Event()

    @property
    def memory_limit_bytes(self) -> int:
        return self._spec.memory_mb * _BYTES_PER_MB

    @property
    def processors(self) -> tuple[int, ...]:
        spec = self._spec
        entitled = spec.vcpu * self._facilities.cores_per_vcpu
        return pinned_processors(self._number, spec.vcpu, entitled, sorted(os.sched_getaffinity(0)))

    # Start

    def make_cgroup(self) -> None:
        facilities, spec = self._facilities, self._spec
        if facilities.cgroup is not None:
            cpu = CpuShare(spec.vcpu * facilities.cores_per_vcpu, facilities.strict_cpu)
            in_memory = spec.ephemeral_storage_mb if facilities.isolation.has_aws_layout else 0
            memory = MemoryShare(self.memory_limit_bytes, in_memory * _BYTES_PER_MB)
            self.cgroup = facilities.cgroup.child(spec.environment_id, cpu, memory, max_processes=PROCESSES)

    async def share(self, command: ProcessCommand) -> None:
        """There will be extensions beside the runtime. Raises `CannotStart`."""
        self.whole = self._shared = open_environment(command, self.cgroup, self._facilities.isolation)
        await asyncio.to_thread(self._shared.wait_executed)

    def start_runtime(self, command: ProcessCommand) -> BesideProcess:
        """Raises `CannotStart`."""
        if self._shared is None:
            self.whole = self.runtime = self._facilities.start(command, self.cgroup, self._facilities.isolation)
        else:
            self.runtime = self._shared.start_beside(command.argv, command.environment, command.cwd)
        return self.runtime

    def start_extension(self, name: str, opt_root: Path, variables: Mapping[str, str]) -> BesideProcess:
        """After `share`. Raises `CannotStart`."""
        assert self._shared is not None
        opt = PurePath("/opt") if self._facilities.isolation.has_aws_layout else opt_root
        process = self._shared.start_beside((str(opt / _EXTENSIONS / name),), variables, PurePath("/"))
        self.extensions[name] = process
        return process

    # End

    def exited(self, process: BesideProcess | None) -> None:
        """It was waited for: its pid may be another's from now on."""
        if process is not None:
            self._ended.add(process)
            self._news.set()

    def is_alive(self, process: BesideProcess) -> bool:
        return process not in self._ended

    def signal(self, process: BesideProcess | None, number: int) -> None:
        if process is not None and self.is_alive(process):
            process.signal_group(number)

    async def until(self, is_so: Callable[[], bool], seconds: float) -> bool:
        """Waits for ends of processes; False when the time was too short."""
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                while not is_so():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return False
        return True

    async def kill(self) -> None:
        """Until nothing is left of any of them."""
        if self.whole is None:
            return
        self.whole.forget()
        loop = asyncio.get_running_loop()
        if not await loop.run_in_executor(self._facilities.ending, self.whole.kill):
            _LOG.error("processes of environment %s would not end", self._spec.environment_id)

    def remove_cgroup(self) -> None:
        if self.cgroup is not None:
            self.cgroup.remove()


def extension_files(opt_root: Path) -> list[str]:
    """What is to be started, by name: whatever is no directory. Blocking."""
    try:
        with os.scandir(opt_root / _EXTENSIONS) as entries:
            return sorted(entry.name for entry in entries if not entry.is_dir(follow_symlinks=False))
    except OSError:
        return []
