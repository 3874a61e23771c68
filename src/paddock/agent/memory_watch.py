"""What is looked at between two reports. Where no cgroup limits memory: ends what holds more than it may. Where one
does, on a kernel that does not remember its peaks: sees them.

Without cgroups a look reads a file for each process of the machine. To look as often as AWS does, every 50 ms, would
cost a quarter of a core with thirty environments of Python; the kernel remembers the most that each process held, and
is asked for it once a report.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable

from paddock.agent.environment import ExecutionEnvironment
from paddock.agent.limits import CHECKS_OF_A_PEAK, MEMORY_CHECK_SECONDS, PEAK_SAMPLE_SECONDS
from paddock.agent.measure import Usage, grown_bytes, usage_of_processes
from paddock.launchers.cgroups import Cgroup
from paddock.launchers.processes import ProcessStat, all_stats

Environments = Callable[[], Iterable[ExecutionEnvironment]]


async def watch_memory(instance: Cgroup | None, environments: Environments) -> None:
    """Until cancelled, or at once where nobody has to look: the kernel limits memory and remembers its peaks."""
    if instance is None:
        await _limit_memory(environments)
    elif instance.is_peak_sampled:
        await _sample_peaks(environments)


async def _limit_memory(environments: Environments) -> None:
    for turn in itertools.count():
        await asyncio.sleep(MEMORY_CHECK_SECONDS)
        watched = [one for one in environments() if one.process is not None and not one.gone.is_set()]
        if watched:
            with_peaks = turn % CHECKS_OF_A_PEAK == 0
            measured = await asyncio.to_thread(_measure, watched, with_peaks=with_peaks)
            for environment, usage in zip(watched, measured, strict=True):
                environment.measured(usage)
                if usage.memory_bytes > environment.memory_limit_bytes:
                    environment.out_of_memory()


async def _sample_peaks(environments: Environments) -> None:
    """On the loop: a system call for each environment is less than a thread costs."""
    while True:
        await asyncio.sleep(PEAK_SAMPLE_SECONDS)
        for environment in environments():
            cgroup = environment.processes.cgroup
            if cgroup is not None and not environment.gone.is_set():
                cgroup.sample_peak()


def _measure(environments: list[ExecutionEnvironment], *, with_peaks: bool) -> list[Usage]:
    stats = all_stats()
    return [_measured(environment, stats, with_peaks=with_peaks) for environment in environments]


def _measured(environment: ExecutionEnvironment, stats: list[ProcessStat], *, with_peaks: bool) -> Usage:
    process = environment.process
    if process is None:
        return environment.usage
    usage = usage_of_processes(process, stats, environment.memory_limit_bytes)
    if not with_peaks:
        return usage
    return usage._replace(peak_memory_bytes=usage.memory_bytes + grown_bytes(process, stats))
