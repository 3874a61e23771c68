"""What an execution environment uses: CPU time and memory, from its cgroup or, without one, from `/proc`.

Reading `/proc` for a few hundred processes takes milliseconds, so that way is for a thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from paddock.agent.beside import SharedEnvironment
from paddock.agent.runtime_process import RuntimeProcess
from paddock.launchers.cgroups import Cgroup
from paddock.launchers.processes import TICKS_PER_SECOND, ProcessStat

_KIB = 1024
EXACT_ABOVE = 0.5
"""Share of the limit above which shared pages are counted once: that costs a millisecond a process."""
_SET_PEAK_BACK = b"5"
"""To `clear_refs`: the resident peak of a process begins anew (Linux 4.0)."""
_BEFORE_THE_RUNTIME = 2
"""Processes of the isolation, at most."""


class Usage(NamedTuple):
    """`cpu_seconds` is cumulative; `peak_memory_bytes` the most that was held since the last look, where it is known
    to be more than `memory_bytes`.
    """

    cpu_seconds: float
    memory_bytes: int
    peak_memory_bytes: int = 0


def peak_memory_bytes(pid: int) -> int:
    """The most that the process has held resident, or one of those that it started or they did: with namespaces two
    small ones stand before the runtime. Zero when all are gone.
    """
    family, generation = [pid], [pid]
    for _ in range(_BEFORE_THE_RUNTIME):
        generation = [child for parent in generation for child in _children(parent)]
        family.extend(generation)
    return max(_peak_of(one) for one in family)


def _children(pid: int) -> list[int]:
    try:
        with open(f"/proc/{pid}/task/{pid}/children", "rb") as file:  # noqa: PTH123
            return [int(child) for child in file.read().split()]
    except OSError:
        return []


def _peak_of(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/status", "rb") as file:  # noqa: PTH123
            for line in file:
                if line.startswith(b"VmHWM:"):
                    return int(line.split()[1]) * _KIB
    except OSError:
        pass
    return 0


def usage_of_cgroup(cgroup: Cgroup) -> Usage:
    return Usage(cgroup.cpu_seconds(), *cgroup.memory())


def usage_of_processes(
    process: RuntimeProcess | SharedEnvironment, stats: Sequence[ProcessStat], memory_limit_bytes: int
) -> Usage:
    """`stats` are those of the whole machine. Resident memory counts a page once for each process that maps it; near
    the limit the proportional share is taken.
    """
    own = process.own(stats)
    cpu = sum(stat.cpu_ticks for stat in own) / TICKS_PER_SECOND
    resident = sum(stat.resident_bytes for stat in own)
    if resident > EXACT_ABOVE * memory_limit_bytes:
        resident = sum(_proportional_bytes(stat) for stat in own)
    return Usage(cpu, resident)


def grown_bytes(process: RuntimeProcess | SharedEnvironment, stats: Sequence[ProcessStat]) -> int:
    """By how much one of its processes had grown since the last call beyond what it holds now. The largest of them
    counts: whether two had grown at the same time, nobody can tell.
    """
    return max((_grown(stat.pid) for stat in process.own(stats)), default=0)


def _grown(pid: int) -> int:
    """The kernel's mark is set back; where that is not allowed, it says nothing of the time since."""
    try:
        with open(f"/proc/{pid}/status", "rb") as file:  # noqa: PTH123
            text = file.read()
        with open(f"/proc/{pid}/clear_refs", "wb", buffering=0) as file:  # noqa: PTH123
            file.write(_SET_PEAK_BACK)
    except OSError:
        return 0
    return _status_bytes(text, b"VmHWM:") - _status_bytes(text, b"VmRSS:")


def _status_bytes(status: bytes, name: bytes) -> int:
    _, found, rest = status.partition(name)
    return int(rest.split(maxsplit=1)[0]) * _KIB if found else 0


def _proportional_bytes(stat: ProcessStat) -> int:
    try:
        with open(f"/proc/{stat.pid}/smaps_rollup", "rb") as file:  # noqa: PTH123
            for line in file:
                if line.startswith(b"Pss:"):
                    return int(line.split()[1]) * _KIB
    except OSError:
        return 0
    return stat.resident_bytes
