"""Where no cgroup limits memory: looks often, and ends what holds more than it may."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from paddock.agent.environment import ExecutionEnvironment
from paddock.agent.limits import MEMORY_CHECK_SECONDS
from paddock.agent.measure import Usage, usage_of_processes
from paddock.launchers.processes import all_stats


async def watch_memory(environments: Callable[[], Iterable[ExecutionEnvironment]]) -> None:
    """Until cancelled."""
    while True:
        await asyncio.sleep(MEMORY_CHECK_SECONDS)
        watched = [one for one in environments() if one.process is not None and not one.gone.is_set()]
        if watched:
            for environment, usage in zip(watched, await asyncio.to_thread(_measure, watched), strict=True):
                environment.measured(usage)
                if usage.memory_bytes > environment.memory_limit_bytes:
                    environment.out_of_memory()


def _measure(environments: list[ExecutionEnvironment]) -> list[Usage]:
    stats = all_stats()
    return [
        environment.usage
        if environment.process is None
        else usage_of_processes(environment.process, stats, environment.memory_limit_bytes)
        for environment in environments
    ]
