"""Single invocations through the real router and the real planner: who was refused, and how long each took.

Slots are taken from and given back to `core.routing`'s pool, the fleet follows `core.planning`, the CPU is shared
exactly. An invocation computes first and waits then. One that drains away with its environment still ends: nothing is
killed here. For short traces; `trace_replay` does months by formula. Faults are for the event simulator.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum
from heapq import heappop, heappush

import numpy as np
from numpy.typing import NDArray

from paddock.core.routing.pool import EnvironmentPool, RoutedEnvironment
from paddock.model.fleet import EnvironmentShape, LoadSample
from paddock.model.ids import EnvironmentId
from paddock.model.instance_types import InstanceType
from paddock.simulator.invocations import Invocations
from paddock.simulator.processor_sharing import NEVER, SharedCpu
from paddock.simulator.trace_fleet import Fleet
from paddock.simulator.trace_replay import ReplayedWorkload, ReplaySettings, serve
from paddock.simulator.trace_steering import START, ReplayedDecision, Steering

MAX_INVOCATIONS = 2_000_000
"""A minute's work; beyond it the formula is the better tool."""

DEFAULT_TICK_SECONDS = 5


class Cause(IntEnum):
    """What became of an invocation; the refused by what was short."""

    SERVED = 0
    SLOTS = 1
    CPU = 2
    CAP = 3


@dataclass(frozen=True, slots=True)
class Machine:
    """What a vCPU is worth. With `cores`, all environments share so many (one machine), else each has its own vCPU."""

    cores: float | None = None
    cores_per_vcpu: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class ExactReplay:
    """`seconds` and `causes` have one value for each invocation (NaN for a refused one), the rest one for each tick."""

    tick_seconds: int
    seconds: NDArray[np.float64]
    causes: NDArray[np.int8]
    arrivals: NDArray[np.int64]
    in_flight: NDArray[np.float64]
    ready: NDArray[np.int64]
    instances: NDArray[np.int64]
    cpu_utilization: NDArray[np.float64]
    throttles: NDArray[np.int64]
    """By tick and cause: a row for each tick."""
    core_seconds: float
    most_in_flight: int
    decisions: tuple[ReplayedDecision, ...]

    @property
    def throttled(self) -> int:
        return int(np.count_nonzero(self.causes))

    @property
    def served(self) -> int:
        return len(self.causes) - self.throttled

    @property
    def throttled_share(self) -> float:
        return self.throttled / len(self.causes) if len(self.causes) else 0.0

    def latency(self, quantile: float) -> float:
        """Seconds, of the served; NaN when none was."""
        served = self.seconds[self.causes == Cause.SERVED]
        return float(np.quantile(served, quantile)) if len(served) else float("nan")


Progress = Callable[[int, int], None]


def exact_replay(
    load: Invocations,
    shape: EnvironmentShape,
    instance_type: InstanceType,
    settings: ReplaySettings | None = None,
    *,
    machine: Machine | None = None,
    settled: bool = True,
    progress: Progress | None = None,
) -> ExactReplay:
    """`settled`: the fleet has got used to the first minute's traffic, else it was just published.

    Raises ReplayError when the minimum of environments never gets ready.
    """
    assert len(load) <= MAX_INVOCATIONS
    replayer = _ExactReplayer(load, shape, instance_type, settings or ReplaySettings(), machine or Machine())
    return replayer.run(progress, settled=settled)


@dataclass(slots=True)
class _Tick:
    """What is counted until the next sample."""

    arrivals: int = 0
    most_in_flight: int = 0
    throttles: list[int] = field(default_factory=lambda: [0] * len(Cause))
    area: float = 0.0
    core_seconds: float = 0.0


class _ExactReplayer:
    """One replay: seconds count from the trace's beginning, the fleet's clock from `_begin`."""

    def __init__(
        self,
        load: Invocations,
        shape: EnvironmentShape,
        instance_type: InstanceType,
        settings: ReplaySettings,
        machine: Machine,
    ) -> None:
        self._load = load
        self._shape = shape
        self._tick_seconds = settings.tick_seconds or DEFAULT_TICK_SECONDS
        self._machine = machine
        self._fleet = Fleet(
            shape=shape,
            instance_type=instance_type,
            bounds=settings.bounds,
            scaling=settings.scaling,
            planning=settings.planning,
            delays=settings.delays,
            zones=settings.zones,
            now=START,
        )
        self._steering = Steering(self._fleet, settings.scaling, settings.planning)
        self._pool = EnvironmentPool()
        self._routed: dict[EnvironmentId, RoutedEnvironment] = {}
        shared: SharedCpu[int] | None = None if machine.cores is None else SharedCpu(machine.cores)
        self._shared_cpu = shared
        self._cpus: dict[EnvironmentId, SharedCpu[int]] = {}
        self._computing: list[tuple[float, int, int, SharedCpu[int]]] = []
        self._waiting: list[tuple[float, int]] = []
        self._undisturbed: list[float] = []
        """When each accepted one would have been done had nobody shared the CPU."""
        self._homes: list[RoutedEnvironment | None] = [None] * len(load)
        self._seconds = np.full(len(load), np.nan)
        self._causes = np.zeros(len(load), dtype=np.int8)
        self._in_flight = 0
        self._most_in_flight = 0
        self._now = 0.0
        self._order = 0
        self._tick = _Tick()
        self._rows: list[tuple[float, ...]] = []

    # --- the loop ---------------------------------------------------------------------------------------------------

    def run(self, progress: Progress | None, *, settled: bool) -> ExactReplay:
        begin = self._steering.publish()
        if settled:
            begin = self._steering.settle(begin, self._tick_seconds, self._first_minute)
        self._follow_fleet()
        arrivals = self._load.arrivals.tolist()
        tick_at, index, count = float(self._tick_seconds), 0, len(arrivals)
        while index < count or self._in_flight:
            arrival = arrivals[index] if index < count else NEVER
            departure = min(self._computed_at(), self._waiting[0][0] if self._waiting else NEVER)
            if tick_at <= min(arrival, departure):
                self._advance(tick_at)
                self._end_tick(begin + timedelta(seconds=tick_at), begin)
                tick_at += self._tick_seconds
            elif arrival < departure:
                self._advance(arrival)
                self._arrive(index)
                index += 1
                if progress is not None and index % 5000 == 0:
                    progress(index, count)
            else:
                self._advance(departure)
                self._depart()
        self._advance(tick_at)
        self._end_tick(begin + timedelta(seconds=tick_at), begin)
        return self._result()

    def _advance(self, now: float) -> None:
        self._tick.area += self._in_flight * (now - self._now)
        self._now = now

    def _computed_at(self) -> float:
        """When the next one has computed. What was expected before somebody came or went is passed over."""
        computing = self._computing
        while computing:
            at, changes, cpu = computing[0][0], computing[0][2], computing[0][3]
            if changes == cpu.changes:
                return at
            heappop(computing)
        return NEVER

    def _expect(self, cpu: SharedCpu[int]) -> None:
        at = cpu.next_at()
        if at < NEVER:
            self._order += 1
            heappush(self._computing, (max(at, self._now), self._order, cpu.changes, cpu))

    # --- one invocation ---------------------------------------------------------------------------------------------

    def _arrive(self, index: int) -> None:
        self._tick.arrivals += 1
        environment = self._pool.take()
        if environment is None:
            cause = self._blamed()
            self._causes[index] = cause
            self._tick.throttles[cause] += 1
            return
        self._in_flight += 1
        self._tick.most_in_flight = max(self._tick.most_in_flight, self._in_flight)
        self._most_in_flight = max(self._most_in_flight, self._in_flight)
        self._homes[index] = environment
        load = self._load
        computes = float(load.computes[index])
        heappush(self._undisturbed, self._now + computes + float(load.waits[index]))
        cpu = self._cpu_of(environment)
        cpu.add(self._now, computes, index)
        self._expect(cpu)

    def _blamed(self) -> Cause:
        undisturbed = self._undisturbed
        while undisturbed and undisturbed[0] <= self._now:
            heappop(undisturbed)
        if len(undisturbed) < sum(each.slots for each in self._pool):
            return Cause.CPU
        return Cause.CAP if self._fleet.at_cap else Cause.SLOTS

    def _depart(self) -> None:
        """Somebody has computed, or somebody's wait is over."""
        if self._waiting and self._waiting[0][0] <= self._computed_at():
            self._finish(heappop(self._waiting)[1])
            return
        cpu = heappop(self._computing)[3]
        index = cpu.pop(self._now)
        self._expect(cpu)
        wait = float(self._load.waits[index])
        if wait > 0:
            heappush(self._waiting, (self._now + wait, index))
        else:
            self._finish(index)

    def _finish(self, index: int) -> None:
        environment = self._homes[index]
        assert environment is not None
        self._homes[index] = None
        self._pool.release(environment)
        self._in_flight -= 1
        self._seconds[index] = self._now - self._load.arrivals[index]

    def _cpu_of(self, environment: RoutedEnvironment) -> SharedCpu[int]:
        if self._shared_cpu is not None:
            return self._shared_cpu
        cpu = self._cpus.get(environment.environment_id)
        if cpu is None:
            cores = self._shape.vcpu * self._machine.cores_per_vcpu
            cpu = self._cpus[environment.environment_id] = SharedCpu(cores, self._now)
        return cpu

    # --- the fleet --------------------------------------------------------------------------------------------------

    def _follow_fleet(self) -> None:
        """The pool holds what is ready; what drains gets nothing more; what is gone leaves."""
        gone = dict(self._routed)
        for environment, zone in self._fleet.able():
            key = environment.environment_id
            routed = gone.pop(key, None)
            if routed is None:
                routed = RoutedEnvironment(key, environment.instance_id, zone, self._shape.max_concurrency)
                self._routed[key] = routed
                self._pool.add(routed)
            if routed.draining != environment.draining:
                self._pool.change(routed, draining=environment.draining)
        for key, routed in gone.items():
            del self._routed[key]
            self._pool.remove(routed)

    def _first_minute(self, at: datetime) -> LoadSample:
        """By formula: what settles the fleet is not what is looked at."""
        load = self._load
        first = load.arrivals < 60  # a minute
        count = int(first.sum())
        computes = float(load.computes[first].mean()) if count else 0.0
        waits = float(load.waits[first].mean()) if count else 0.0
        ready = self._fleet.ready
        rate = count / min(60.0, max(float(load.arrivals[-1]), 1.0)) if count else 0.0
        served = serve(rate, ready, self._shape, ReplayedWorkload(computes + waits, computes))
        came = round(rate * self._tick_seconds)
        return LoadSample(at, ready, served.in_flight, round(served.in_flight), served.utilization, 0, came)

    def _end_tick(self, now: datetime, begin: datetime) -> None:
        tick, fleet = self._tick, self._fleet
        ready = fleet.ready
        worked = self._core_seconds()
        entitled = ready * self._shape.vcpu * self._machine.cores_per_vcpu * self._tick_seconds
        utilization = (worked - tick.core_seconds) / entitled if entitled else 0.0
        in_flight = tick.area / self._tick_seconds
        throttled = sum(tick.throttles)
        self._steering.sample(
            LoadSample(now, ready, in_flight, tick.most_in_flight, utilization, throttled, tick.arrivals)
        )
        self._rows.append((tick.arrivals, in_flight, ready, fleet.instances, utilization, *tick.throttles))
        self._tick = _Tick(core_seconds=worked, most_in_flight=self._in_flight)
        fleet.advance(now)
        self._steering.decide(now, begin)
        self._follow_fleet()

    def _core_seconds(self) -> float:
        cpus = [self._shared_cpu] if self._shared_cpu is not None else list(self._cpus.values())
        for cpu in cpus:
            cpu.advance(self._now)
        return sum(cpu.core_seconds for cpu in cpus)

    def _result(self) -> ExactReplay:
        columns = np.array(self._rows, dtype=float).reshape(len(self._rows), 5 + len(Cause)).T
        return ExactReplay(
            tick_seconds=self._tick_seconds,
            seconds=self._seconds,
            causes=self._causes,
            arrivals=columns[0].astype(np.int64),
            in_flight=columns[1],
            ready=columns[2].astype(np.int64),
            instances=columns[3].astype(np.int64),
            cpu_utilization=columns[4],
            throttles=columns[5:].T.astype(np.int64),
            core_seconds=self._core_seconds(),
            most_in_flight=self._most_in_flight,
            decisions=tuple(self._steering.decisions),
        )
