"""Control groups of one instance and its environments, version 1 and 2, where this process may make them.

Found out by trying: where it cannot be done, `open_cgroups` returns None and processes are watched instead (`measure`).
The memory limit is the environment's; CPU is a weight by entitlement, or a quota too when the operator wants that.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from paddock.launchers.cgroup_delegation import shared_parent
from paddock.launchers.cgroup_files import field_of, pids_in, read_number, read_text, remove_directories
from paddock.launchers.cgroup_mounts import MOUNTS, OWN_GROUPS, inside, mounted, own_paths
from paddock.launchers.cgroup_peaks import Peak, PeakV1, PeakV2

_V1_CONTROLLERS = ("cpu", "cpuacct", "memory")
_V2_CONTROLLERS = ("cpu", "memory", "pids")
"""Of them memory must be there. Before systemd 252 users are handed no CPU: what they start is weighed like everything
else of theirs. CPU time is counted all the same.
"""
_PROCESSES = "pids"
"""Taken where it is there: without it nothing counts processes."""
_SOCKETS = ""
"""Version 2's tree beside those of version 1, as systemd mounts them together: taken where we may use it, for it is by
its groups that the kernel knows sockets.
"""
_PERIOD_US = 50_000
"""Of a CPU quota: half the kernel's default, so that a throttled request waits at most that long."""
_PROCESSES_PER_CORE = 4
"""How many ordinary processes a core of entitlement weighs: an instance is dozens of processes, and would starve beside
a compiler if it weighed as much as one.
"""
_SHARES_PER_CORE = 1024 * _PROCESSES_PER_CORE
_WEIGHT_PER_CORE = 100 * _PROCESSES_PER_CORE


@dataclass(frozen=True, slots=True)
class CpuShare:
    """`cores` is the entitlement; `strict` makes it a ceiling."""

    cores: float
    strict: bool


@dataclass(frozen=True, slots=True)
class MemoryShare:
    """What an environment may hold. `tmp_bytes` is the size of a `/tmp` in memory, which comes on top: on AWS it is a
    disk.
    """

    memory_bytes: int
    tmp_bytes: int = 0

    @property
    def limit_bytes(self) -> int:
        return self.memory_bytes + self.tmp_bytes


class MemoryUse(NamedTuple):
    """Not to be had back at once; what lies in a `/tmp` in memory is not counted."""

    now_bytes: int
    peak_bytes: int
    """The most since the last look, also for a moment where the kernel remembers it (`is_peak_sampled`). Of files that
    were read or written in between and are gone again, the kernel does not tell what they had of it.
    """


class Cgroup(Protocol):
    """One group; it may be made of several directories."""

    @property
    def directories(self) -> tuple[Path, ...]: ...

    @property
    def join_files(self) -> tuple[Path, ...]:
        """A process joins by writing `0` to each."""
        ...

    @property
    def weighs_cpu(self) -> bool:
        """Its entitlement is more than a wish."""
        ...

    @property
    def sockets(self) -> Path | None:
        """Its directory in version 2's tree, by whose groups the kernel knows sockets. None where there is none."""
        ...

    def child(
        self, name: str, cpu: CpuShare, memory: MemoryShare | int | None, max_processes: int | None = None
    ) -> Cgroup: ...

    def cpu_seconds(self) -> float: ...

    def memory(self) -> MemoryUse:
        """Its peak begins anew with each call."""
        ...

    @property
    def is_peak_sampled(self) -> bool:
        """The kernel does not remember peaks: who wants them calls `sample_peak` between two looks."""
        ...

    def sample_peak(self) -> None: ...

    def out_of_memory_kills(self) -> int: ...

    def pids(self) -> list[int]: ...

    def kill(self) -> None:
        """No new process from now on; all are told to die where the kernel does that at one word. Does not wait."""
        ...

    def remove(self) -> None: ...


def open_cgroups(mounts: str, own_groups: str, name: str, cpu: CpuShare) -> Cgroup | None:
    """The instance's group, made below this process's own; None where that is not allowed."""
    own = own_paths(own_groups)
    try:
        v1 = _v1_directories(mounts, own)
        if v1 is not None:
            return CgroupV1(v1).child(name, cpu, None)
        v2 = _v2_directory(mounts, own)
        if v2 is not None:
            return CgroupV2(shared_parent(*v2)).child(name, cpu, None)
    except OSError:
        return None
    return None


def open_cgroups_here(name: str, cpu: CpuShare) -> Cgroup | None:
    """The same, of this machine as this process sees it."""
    try:
        mounts, own = MOUNTS.read_text(encoding="utf-8"), OWN_GROUPS.read_text(encoding="utf-8")
    except OSError:
        return None
    return open_cgroups(mounts, own, name, cpu)


@contextlib.contextmanager
def tried_group() -> Iterator[Cgroup | None]:
    """One for a moment, to find out what can be done with it. None where none can be made."""
    group = open_cgroups_here(f"paddock-probe-{os.getpid()}", CpuShare(1.0, strict=False))
    try:
        yield group
    finally:
        if group is not None:
            group.remove()


def _v1_directories(mounts: str, own: Mapping[str, str]) -> dict[str, Path] | None:
    directories = {}
    for mount, root, options in mounted(mounts, "cgroup"):
        for controller in (*_V1_CONTROLLERS, _PROCESSES):
            if controller in options:
                directories[controller] = inside(mount, root, own.get(controller, "/"))
    for mount, root, _ in mounted(mounts, "cgroup2"):
        beside = inside(mount, root, own.get(_SOCKETS, "/"))
        if os.access(beside, os.W_OK):
            directories[_SOCKETS] = beside
    return directories if directories.keys() >= set(_V1_CONTROLLERS) else None


def _v2_directory(mounts: str, own: Mapping[str, str]) -> tuple[Path, Path] | None:
    """The hierarchy's own directory, and this process's."""
    for mount, root, _ in mounted(mounts, "cgroup2"):
        directory = inside(mount, root, own.get("", "/"))
        if "memory" in read_text(directory / "cgroup.controllers").split():
            return mount, directory
    return None


class CgroupV1:
    """One directory for each of the controllers; `cpu` and `cpuacct` may be the same one."""

    def __init__(self, by_controller: Mapping[str, Path], tmp_bytes: int = 0) -> None:
        self._by_controller = dict(by_controller)
        self._tmp_bytes = tmp_bytes
        self._peak = PeakV1(self._by_controller["memory"])

    @property
    def directories(self) -> tuple[Path, ...]:
        return tuple(dict.fromkeys(self._by_controller.values()))

    @property
    def join_files(self) -> tuple[Path, ...]:
        return tuple(directory / "cgroup.procs" for directory in self.directories)

    @property
    def weighs_cpu(self) -> bool:
        return True

    @property
    def sockets(self) -> Path | None:
        return self._by_controller.get(_SOCKETS)

    def child(
        self, name: str, cpu: CpuShare, memory: MemoryShare | int | None, max_processes: int | None = None
    ) -> CgroupV1:
        share = _share(memory)
        below = {controller: directory / name for controller, directory in self._by_controller.items()}
        made = CgroupV1(below, 0 if share is None else share.tmp_bytes)
        try:
            for directory in made.directories:
                directory.mkdir(exist_ok=True)
            made._limit(cpu, share)
            if max_processes is not None:
                made._limit_processes(max_processes)
        except OSError:
            made.remove()
            raise
        return made

    def _limit(self, cpu: CpuShare, share: MemoryShare | None) -> None:
        cpu_directory, memory_directory = self._by_controller["cpu"], self._by_controller["memory"]
        (cpu_directory / "cpu.shares").write_text(str(max(2, round(cpu.cores * _SHARES_PER_CORE))))
        if cpu.strict:
            (cpu_directory / "cpu.cfs_period_us").write_text(str(_PERIOD_US))
            (cpu_directory / "cpu.cfs_quota_us").write_text(str(max(1000, round(cpu.cores * _PERIOD_US))))
        if share is not None:
            (memory_directory / "memory.limit_in_bytes").write_text(str(share.limit_bytes))
            # Swap does not stretch the limit, where swap is counted at all.
            with contextlib.suppress(OSError):
                (memory_directory / "memory.memsw.limit_in_bytes").write_text(str(share.limit_bytes))

    def _limit_processes(self, most: int) -> None:
        if _PROCESSES in self._by_controller:
            (self._by_controller[_PROCESSES] / "pids.max").write_text(str(most))

    def cpu_seconds(self) -> float:
        return read_number(self._by_controller["cpuacct"] / "cpuacct.usage") / 1e9

    def memory(self) -> MemoryUse:
        directory = self._by_controller["memory"]
        detail = read_text(directory / "memory.stat")
        in_tmp = min(self._tmp_bytes, field_of(detail, "total_shmem"))
        beside = field_of(detail, "total_inactive_file") + in_tmp
        return _use(read_number(directory / "memory.usage_in_bytes"), beside, self._peak)

    @property
    def is_peak_sampled(self) -> bool:
        return self._peak.is_sampled

    def sample_peak(self) -> None:
        self._peak.sample()

    def out_of_memory_kills(self) -> int:
        return field_of(read_text(self._by_controller["memory"] / "memory.oom_control"), "oom_kill")

    def pids(self) -> list[int]:
        return pids_in(self._by_controller["memory"])

    def kill(self) -> None:
        """Version 1 has no word for it: whoever waits for the end kills `pids` one by one, and none is born
        meanwhile.
        """
        with contextlib.suppress(OSError):
            self._limit_processes(0)

    def remove(self) -> None:
        self._peak.close()
        remove_directories(self.directories)


class CgroupV2:
    """`controllers` are those that it is handed; None: as the kernel says."""

    def __init__(self, directory: Path, tmp_bytes: int = 0, controllers: tuple[str, ...] | None = None) -> None:
        self._directory = directory
        self._controllers = controllers
        self._tmp_bytes = tmp_bytes
        self._peak = PeakV2(directory)

    @property
    def directories(self) -> tuple[Path, ...]:
        return (self._directory,)

    @property
    def join_files(self) -> tuple[Path, ...]:
        return (self._directory / "cgroup.procs",)

    @property
    def weighs_cpu(self) -> bool:
        return "cpu" in self._handed()

    def _handed(self) -> tuple[str, ...]:
        if self._controllers is None:
            offered = read_text(self._directory / "cgroup.controllers").split()
            self._controllers = tuple(each for each in _V2_CONTROLLERS if each in offered)
        return self._controllers

    @property
    def sockets(self) -> Path | None:
        return self._directory

    def child(
        self, name: str, cpu: CpuShare, memory: MemoryShare | int | None, max_processes: int | None = None
    ) -> CgroupV2:
        """Fails with `OSError` (EBUSY) where the parent holds processes itself: the kernel's rule."""
        controllers = self._handed()
        enabled = read_text(self._directory / "cgroup.subtree_control").split()
        missing = [each for each in controllers if each not in enabled]
        if missing:
            (self._directory / "cgroup.subtree_control").write_text(" ".join(f"+{one}" for one in missing))
        share = _share(memory)
        made = CgroupV2(self._directory / name, 0 if share is None else share.tmp_bytes, controllers)
        try:
            made._directory.mkdir(exist_ok=True)
            made._limit(cpu, share)
            if max_processes is not None and _PROCESSES in controllers:
                (made._directory / "pids.max").write_text(str(max_processes))
        except OSError:
            made.remove()
            raise
        return made

    def _limit(self, cpu: CpuShare, share: MemoryShare | None) -> None:
        if self.weighs_cpu:
            weight = min(10_000, max(1, round(cpu.cores * _WEIGHT_PER_CORE)))
            (self._directory / "cpu.weight").write_text(str(weight))
            if cpu.strict:
                (self._directory / "cpu.max").write_text(f"{max(1000, round(cpu.cores * _PERIOD_US))} {_PERIOD_US}")
        if share is not None:
            (self._directory / "memory.max").write_text(str(share.limit_bytes))
            # Half an environment is of no use: all of it goes when one of its processes must. Swap is no memory.
            for name, value in (("memory.oom.group", "1"), ("memory.swap.max", "0")):
                with contextlib.suppress(OSError):
                    (self._directory / name).write_text(value)

    def cpu_seconds(self) -> float:
        return field_of(read_text(self._directory / "cpu.stat"), "usage_usec") / 1e6

    def memory(self) -> MemoryUse:
        detail = read_text(self._directory / "memory.stat")
        in_tmp = min(self._tmp_bytes, field_of(detail, "shmem"))
        beside = field_of(detail, "inactive_file") + in_tmp
        return _use(read_number(self._directory / "memory.current"), beside, self._peak)

    @property
    def is_peak_sampled(self) -> bool:
        return self._peak.is_sampled

    def sample_peak(self) -> None:
        self._peak.sample()

    def out_of_memory_kills(self) -> int:
        return field_of(read_text(self._directory / "memory.events"), "oom_kill")

    def pids(self) -> list[int]:
        return pids_in(self._directory)

    def kill(self) -> None:
        for name, value in (("pids.max", "0"), ("cgroup.kill", "1")):
            with contextlib.suppress(OSError):
                (self._directory / name).write_text(value)

    def remove(self) -> None:
        self._peak.close()
        remove_directories(self.directories)


def _use(charged_bytes: int, beside_bytes: int, peak: Peak) -> MemoryUse:
    """`beside_bytes` of what is charged is no memory of the function's."""
    now = max(0, charged_bytes - beside_bytes)
    return MemoryUse(now, max(now, peak.take() - beside_bytes))


def _share(memory: MemoryShare | int | None) -> MemoryShare | None:
    return MemoryShare(memory) if isinstance(memory, int) else memory
