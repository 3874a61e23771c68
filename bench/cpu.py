"""How much CPU process groups, and the whole machine, have used, and how often they waited. Read from /proc."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Use(NamedTuple):
    """Seconds of CPU; how often a thread went to wait, or was made to; pages that had to be found."""

    user: float
    kernel: float
    waits: float
    preemptions: float
    page_faults: float


_NOTHING = Use(0.0, 0.0, 0, 0, 0)


def group_use(groups: Iterable[int]) -> dict[int, Use]:
    """Of all living processes of each group. The kernel splits what it measured between user and kernel by samples."""
    found = dict.fromkeys(groups, _NOTHING)
    for pid, fields in _processes():
        group = int(fields[2])
        if group in found:
            waits, preemptions = _switches(pid)
            one = Use(int(fields[11]) / _TICKS, int(fields[12]) / _TICKS, waits, preemptions, int(fields[7]))
            found[group] = Use(*map(sum, zip(found[group], one, strict=True)))
    return found


def _switches(pid: int) -> tuple[int, int]:
    """Voluntary and other ones of all threads."""
    waits = preemptions = 0
    for status in Path(f"/proc/{pid}/task").glob("*/status"):
        try:
            lines = status.read_text().splitlines()
        except OSError:
            continue  # it has just ended
        counts = {name: value for name, _, value in (line.partition(":") for line in lines)}
        waits += int(counts["voluntary_ctxt_switches"])
        preemptions += int(counts["nonvoluntary_ctxt_switches"])
    return waits, preemptions


def pids_of(group: int) -> list[int]:
    return [pid for pid, fields in _processes() if int(fields[2]) == group]


def group_memory_mb(group: int) -> float:
    """Proportional set size of all processes of a group, in MB."""
    total = 0
    for pid, fields in _processes():
        if int(fields[2]) == group:
            try:
                rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            except OSError:
                continue
            total += sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    return total / 1024


class Held(NamedTuple):
    """What all processes of some groups hold together."""

    memory_mb: float
    descriptors: int
    threads: int


def held(groups: Iterable[int]) -> Held:
    wanted = set(groups)
    descriptors = threads = 0
    for pid, fields in _processes():
        if int(fields[2]) in wanted:
            threads += int(fields[17])
            try:
                descriptors += sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
            except OSError:
                continue  # it has just ended
    return Held(sum(map(group_memory_mb, wanted)), descriptors, threads)


class Process(NamedTuple):
    parent: int
    group: int
    command: str


def command_lines() -> dict[int, Process]:
    """Every process of the machine that can be seen."""
    found = {}
    for pid, fields in _processes():
        try:
            command = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
        found[pid] = Process(int(fields[1]), int(fields[2]), command)
    return found


def busy_seconds() -> float:
    """CPU time of everything on the machine, idle and waiting left out."""
    user, nice, system, _idle, _iowait, irq, softirq = map(int, Path("/proc/stat").read_text().split(None, 8)[1:8])
    return (user + nice + system + irq + softirq) / _TICKS


def _processes() -> Iterable[tuple[int, list[str]]]:
    """Pid, and the fields of `stat` from the state on."""
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                stat = Path(f"/proc/{entry.name}/stat").read_text()
            except OSError:
                continue
            yield int(entry.name), stat[stat.rindex(")") + 2 :].split()
