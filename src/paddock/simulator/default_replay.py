"""The same invocations on default Lambda: one at a time in an environment, started when none is idle.

The environment used last is used first, so that others can be given up. CPUs are not shared here: default Lambda gives
each environment its own part; `cores` is for one machine that has to serve them all.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush

import numpy as np
from numpy.typing import NDArray

from paddock.simulator.invocations import Invocations
from paddock.simulator.processor_sharing import NEVER, SharedCpu

IDLE_SECONDS = 600.0
"""AWS publishes none; within what is observed."""


@dataclass(frozen=True, slots=True)
class DefaultSettings:
    """`start_seconds` is from the request to the handler's first line, `most` the account's concurrency, `warm`
    how many environments are idle at the beginning.
    """

    start_seconds: float = 0.5
    idle_seconds: float = IDLE_SECONDS
    most: int = 1000
    cores: float | None = None
    warm: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class DefaultReplay:
    """`seconds` has one value for each invocation, cold start included; NaN for a refused one."""

    seconds: NDArray[np.float64]
    cold: NDArray[np.bool_]
    core_seconds: float
    most_in_flight: int

    @property
    def cold_starts(self) -> int:
        return int(self.cold.sum())

    @property
    def throttled(self) -> int:
        return int(np.isnan(self.seconds).sum())


def default_replay(load: Invocations, settings: DefaultSettings | None = None) -> DefaultReplay:
    return _DefaultReplayer(load, settings or DefaultSettings()).run()


class _DefaultReplayer:
    """Idle environments are the seconds since which they are, the latest last."""

    def __init__(self, load: Invocations, settings: DefaultSettings) -> None:
        self._load = load
        self._settings = settings
        self._cpu: SharedCpu[int] = SharedCpu(settings.cores or float(max(1, settings.most)))
        self._later: list[tuple[float, int, bool]] = []
        """When somebody begins to compute (True) or is done with waiting."""
        self._idle: list[float] = [0.0] * settings.warm
        self._busy = 0
        self._most = 0
        self._seconds = np.full(len(load), np.nan)
        self._cold = np.zeros(len(load), dtype=np.bool_)

    def run(self) -> DefaultReplay:
        arrivals = self._load.arrivals.tolist()
        index, count = 0, len(arrivals)
        while index < count or self._busy:
            arrival = arrivals[index] if index < count else NEVER
            later = self._later[0][0] if self._later else NEVER
            computed = self._cpu.next_at()
            if arrival < min(later, computed):
                self._arrive(arrival, index)
                index += 1
            elif later <= computed:
                at, which, begins = heappop(self._later)
                if begins:
                    self._cpu.add(at, float(self._load.computes[which]), which)
                else:
                    self._finish(at, which)
            else:
                which = self._cpu.pop(computed)
                heappush(self._later, (computed + float(self._load.waits[which]), which, False))
        return DefaultReplay(self._seconds, self._cold, self._cpu.core_seconds, self._most)

    def _arrive(self, now: float, index: int) -> None:
        idle = self._idle
        while idle and now - idle[0] > self._settings.idle_seconds:
            idle.pop(0)
        if not idle and self._busy >= self._settings.most:
            return
        begins = now
        if idle:
            idle.pop()
        else:
            self._cold[index] = True
            begins += self._settings.start_seconds
        self._busy += 1
        self._most = max(self._most, self._busy)
        heappush(self._later, (begins, index, True))

    def _finish(self, now: float, index: int) -> None:
        self._busy -= 1
        self._idle.append(now)
        self._seconds[index] = now - self._load.arrivals[index]
