"""Control groups of one instance and its environments, version 1 and 2, where this process may make them.

Found out by trying: where it cannot be done, `open_cgroups` returns None and processes are watched instead (`measure`).
The memory limit is the environment's; CPU is a weight by entitlement, or a quota too when the operator wants that.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

MOUNTS = Path("/proc/self/mountinfo")
OWN_GROUPS = Path("/proc/self/cgroup")

_V1_CONTROLLERS = ("cpu", "cpuacct", "memory")
_V2_CONTROLLERS = ("cpu", "memory")
_PERIOD_US = 50_000
"""Of a CPU quota: half the kernel's default, so that a throttled request waits at most that long."""
_SHARES_PER_CORE = 1024
_WEIGHT_PER_CORE = 100
"""What the kernel gives a group nobody has set, so that a core's worth of entitlement weighs as much as its neighbours.
"""


@dataclass(frozen=True, slots=True)
class CpuShare:
    """`cores` is the entitlement; `strict` makes it a ceiling."""

    cores: float
    strict: bool


class Cgroup(Protocol):
    """One group; it may be made of several directories."""

    @property
    def directories(self) -> tuple[Path, ...]: ...

    @property
    def join_files(self) -> tuple[Path, ...]:
        """A process joins by writing `0` to each."""
        ...

    def child(self, name: str, cpu: CpuShare, memory_bytes: int | None) -> Cgroup: ...

    def cpu_seconds(self) -> float: ...

    def memory_bytes(self) -> int:
        """In use and not to be had back at once."""
        ...

    def out_of_memory_kills(self) -> int: ...

    def pids(self) -> list[int]: ...

    def remove(self) -> None: ...


def open_cgroups(mounts: str, own_groups: str, name: str, cpu: CpuShare) -> Cgroup | None:
    """The instance's group, made below this process's own; None where that is not allowed."""
    own = _own_paths(own_groups)
    try:
        v1 = _v1_directories(mounts, own)
        if v1 is not None:
            return CgroupV1(v1).child(name, cpu, None)
        v2 = _v2_directory(mounts, own)
        if v2 is not None:
            return CgroupV2(v2).child(name, cpu, None)
    except OSError:
        return None
    return None


def _own_paths(own_groups: str) -> dict[str, str]:
    """Controller (empty for version 2) to this process's path."""
    paths = {}
    for line in own_groups.splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            paths[controller] = path
    return paths


def _mounted(mounts: str, kind: str) -> list[tuple[Path, str, list[str]]]:
    """Mount point, the root of the mount, and its options, of each mount of the kind."""
    found = []
    for line in mounts.splitlines():
        left, _, right = line.partition(" - ")
        fields, described = left.split(), right.split()
        if described and described[0] == kind:
            found.append((Path(fields[4]), fields[3], described[2].split(",")))
    return found


def _inside(mount: Path, root: str, own: str) -> Path:
    """Where the own group is seen; a container may see only its own part of the tree."""
    below = own[len(root) :] if root != "/" and own.startswith(root) else own
    directory = mount / below.strip("/")
    return directory if directory.is_dir() else mount


def _v1_directories(mounts: str, own: Mapping[str, str]) -> dict[str, Path] | None:
    directories = {}
    for mount, root, options in _mounted(mounts, "cgroup"):
        for controller in _V1_CONTROLLERS:
            if controller in options:
                directories[controller] = _inside(mount, root, own.get(controller, "/"))
    return directories if len(directories) == len(_V1_CONTROLLERS) else None


def _v2_directory(mounts: str, own: Mapping[str, str]) -> Path | None:
    for mount, root, _ in _mounted(mounts, "cgroup2"):
        directory = _inside(mount, root, own.get("", "/"))
        if set(_V2_CONTROLLERS) <= set(_read(directory / "cgroup.controllers").split()):
            return directory
    return None


class CgroupV1:
    """One directory for each of the controllers; `cpu` and `cpuacct` may be the same one."""

    def __init__(self, by_controller: Mapping[str, Path]) -> None:
        self._by_controller = dict(by_controller)

    @property
    def directories(self) -> tuple[Path, ...]:
        return tuple(dict.fromkeys(self._by_controller.values()))

    @property
    def join_files(self) -> tuple[Path, ...]:
        return tuple(directory / "cgroup.procs" for directory in self.directories)

    def child(self, name: str, cpu: CpuShare, memory_bytes: int | None) -> CgroupV1:
        made = CgroupV1({controller: directory / name for controller, directory in self._by_controller.items()})
        try:
            for directory in made.directories:
                directory.mkdir(exist_ok=True)
            made._limit(cpu, memory_bytes)
        except OSError:
            made.remove()
            raise
        return made

    def _limit(self, cpu: CpuShare, memory_bytes: int | None) -> None:
        cpu_directory, memory_directory = self._by_controller["cpu"], self._by_controller["memory"]
        (cpu_directory / "cpu.shares").write_text(str(max(2, round(cpu.cores * _SHARES_PER_CORE))))
        if cpu.strict:
            (cpu_directory / "cpu.cfs_period_us").write_text(str(_PERIOD_US))
            (cpu_directory / "cpu.cfs_quota_us").write_text(str(max(1000, round(cpu.cores * _PERIOD_US))))
        if memory_bytes is not None:
            (memory_directory / "memory.limit_in_bytes").write_text(str(memory_bytes))

    def cpu_seconds(self) -> float:
        return _number(self._by_controller["cpuacct"] / "cpuacct.usage") / 1e9

    def memory_bytes(self) -> int:
        directory = self._by_controller["memory"]
        reclaimable = _field(_read(directory / "memory.stat"), "total_inactive_file")
        return max(0, _number(directory / "memory.usage_in_bytes") - reclaimable)

    def out_of_memory_kills(self) -> int:
        return _field(_read(self._by_controller["memory"] / "memory.oom_control"), "oom_kill")

    def pids(self) -> list[int]:
        return _pids(self._by_controller["memory"])

    def remove(self) -> None:
        _remove(self.directories)


class CgroupV2:
    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @property
    def directories(self) -> tuple[Path, ...]:
        return (self._directory,)

    @property
    def join_files(self) -> tuple[Path, ...]:
        return (self._directory / "cgroup.procs",)

    def child(self, name: str, cpu: CpuShare, memory_bytes: int | None) -> CgroupV2:
        """Fails with `OSError` (EBUSY) where the parent holds processes itself: the kernel's rule."""
        enabled = set(_read(self._directory / "cgroup.subtree_control").split())
        missing = [controller for controller in _V2_CONTROLLERS if controller not in enabled]
        if missing:
            (self._directory / "cgroup.subtree_control").write_text(" ".join(f"+{one}" for one in missing))
        made = CgroupV2(self._directory / name)
        try:
            made._directory.mkdir(exist_ok=True)
            made._limit(cpu, memory_bytes)
        except OSError:
            made.remove()
            raise
        return made

    def _limit(self, cpu: CpuShare, memory_bytes: int | None) -> None:
        weight = min(10_000, max(1, round(cpu.cores * _WEIGHT_PER_CORE)))
        (self._directory / "cpu.weight").write_text(str(weight))
        if cpu.strict:
            (self._directory / "cpu.max").write_text(f"{max(1000, round(cpu.cores * _PERIOD_US))} {_PERIOD_US}")
        if memory_bytes is not None:
            (self._directory / "memory.max").write_text(str(memory_bytes))
            # Half an environment is of no use: all of it goes when one of its processes must.
            with contextlib.suppress(OSError):
                (self._directory / "memory.oom.group").write_text("1")

    def cpu_seconds(self) -> float:
        return _field(_read(self._directory / "cpu.stat"), "usage_usec") / 1e6

    def memory_bytes(self) -> int:
        reclaimable = _field(_read(self._directory / "memory.stat"), "inactive_file")
        return max(0, _number(self._directory / "memory.current") - reclaimable)

    def out_of_memory_kills(self) -> int:
        return _field(_read(self._directory / "memory.events"), "oom_kill")

    def pids(self) -> list[int]:
        return _pids(self._directory)

    def remove(self) -> None:
        _remove(self.directories)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError:
        return ""


def _number(path: Path) -> int:
    text = _read(path).strip()
    return int(text) if text.isdigit() else 0


def _field(text: str, name: str) -> int:
    for line in text.splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    return 0


def _pids(directory: Path) -> list[int]:
    return [int(pid) for pid in _read(directory / "cgroup.procs").split()]


def _remove(directories: tuple[Path, ...]) -> None:
    for directory in directories:
        with contextlib.suppress(OSError):
            directory.rmdir()
