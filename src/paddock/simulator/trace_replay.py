"""A trace through the real planner: how many environments and instances there were, what was refused, what it cost.

Traffic is a fluid within a tick: in flight by Little's law, the share refused by Erlang's loss formula over the
slots that are ready, durations stretched by processor sharing. What the fleet does about it is decided by
`core.planning`, on a virtual clock, with the two delays of environments and instances. Nothing is random save by a
seed, so a replay is the same every time. Its time grows with ticks and instances, not with invocations. Single
invocations, other faults than dead instances, and several versions are for the event simulator.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from math import ceil

import numpy as np
from numpy.typing import NDArray

from paddock.core.planning import PlanningSettings
from paddock.core.queueing import erlang_b, peak_in_flight, peak_z, shared_duration
from paddock.model.capacity_provider import CapacityProviderScalingConfig
from paddock.model.fleet import EnvironmentShape, LoadSample, ScalingBounds
from paddock.model.instance_types import InstanceType
from paddock.simulator.trace_fleet import Delays, Fleet
from paddock.simulator.trace_steering import START, ReplayedDecision, Steering


@dataclass(frozen=True, slots=True)
class ReplayedWorkload:
    """Means over invocations."""

    duration_seconds: float
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class ReplaySettings:
    """`tick_seconds` None: ten seconds, or a minute where that would be more than a day's worth of ticks.

    By `seed` the arrivals of each tick are drawn (Poisson) around the trace's, and the moments at which instances die.
    """

    bounds: ScalingBounds = field(default_factory=ScalingBounds)
    scaling: CapacityProviderScalingConfig = field(default_factory=CapacityProviderScalingConfig)
    planning: PlanningSettings = field(default_factory=PlanningSettings)
    delays: Delays = field(default_factory=Delays)
    zones: int = 3
    tick_seconds: int | None = None
    seed: int | None = None
    lost_instances_per_day: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Replay:
    """Arrays have one value for each tick. Throttles are invocations, split by what was short.

    `failed` is what was in flight on instances that died.
    """

    tick_seconds: int
    arrivals: NDArray[np.float64]
    in_flight: NDArray[np.float64]
    ready: NDArray[np.int64]
    starting: NDArray[np.int64]
    instances: NDArray[np.int64]
    launching: NDArray[np.int64]
    cpu_utilization: NDArray[np.float64]
    slot_throttles: NDArray[np.float64]
    cpu_throttles: NDArray[np.float64]
    cap_throttles: NDArray[np.float64]
    duration_seconds: NDArray[np.float64]
    instance_hours: float
    decisions: tuple[ReplayedDecision, ...]
    plans: int
    lost_instances: int
    failed: float

    @property
    def throttles(self) -> float:
        return float((self.slot_throttles + self.cpu_throttles + self.cap_throttles).sum())

    @property
    def throttled_share(self) -> float:
        total = float(self.arrivals.sum())
        return self.throttles / total if total else 0.0

    @property
    def mean_instances(self) -> float:
        return float(self.instances.mean())


Progress = Callable[[int, int], None]
SHOWN_TIMES = 200
"""How often a replay tells how far it is."""
_DAY_SECONDS = 86_400


def replay(
    per_minute: NDArray[np.float64],
    workload: ReplayedWorkload,
    shape: EnvironmentShape,
    instance_type: InstanceType,
    settings: ReplaySettings | None = None,
    *,
    progress: Progress | None = None,
) -> Replay:
    """Raises ReplayError when the minimum of environments never gets ready."""
    return _Replayer(per_minute, workload, shape, instance_type, settings or ReplaySettings()).run(progress)


@dataclass(frozen=True, slots=True)
class _Served:
    """What became of a tick's traffic."""

    in_flight: float
    utilization: float
    duration_seconds: float
    refused_share: float
    refused_for_cpu: float
    """The part of it that would have found a slot had nobody shared the CPU."""


class _Replayer:
    """One replay. The fleet is its own; the clock is a number."""

    def __init__(
        self,
        per_minute: NDArray[np.float64],
        workload: ReplayedWorkload,
        shape: EnvironmentShape,
        instance_type: InstanceType,
        settings: ReplaySettings,
    ) -> None:
        self._settings = settings
        self._workload = workload
        self._shape = shape
        self._tick = settings.tick_seconds or (10 if len(per_minute) <= 1440 else 60)
        assert 60 % self._tick == 0
        per_tick = 60 // self._tick
        self._dice = np.random.default_rng(settings.seed or 0)
        self._rates = np.repeat(per_minute / 60, per_tick)
        if settings.seed is not None:
            self._rates = self._dice.poisson(self._rates * self._tick) / self._tick
        self._lost_instances = 0
        self._failed = 0.0
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
        self._z = peak_z(workload.duration_seconds, float(self._tick))

    def run(self, progress: Progress | None) -> Replay:
        begin = self._steering.settle(self._steering.publish(), self._tick, self._first_minute)
        count = len(self._rates)
        columns = np.zeros((count, 11))
        step = timedelta(seconds=self._tick)
        shown_every = max(1, count // SHOWN_TIMES)
        for index, rate in enumerate(self._rates):
            now = begin + index * step
            self._fleet.advance(now)
            columns[index] = self._serve(float(rate), now + step)
            self._perhaps_lose(columns[index][1])
            self._steering.decide(now + step, begin)
            if progress is not None and index % shown_every == 0:
                progress(index, count)
        return self._result(columns)

    def _perhaps_lose(self, in_flight: float) -> None:
        """An instance dies with what it runs; the planner hears of it at the end of the tick."""
        expected = self._settings.lost_instances_per_day * self._tick / _DAY_SECONDS
        for _ in range(int(self._dice.poisson(expected)) if expected else 0):
            if not self._fleet.running:
                return
            ready = self._fleet.ready
            told = self._fleet.lose(float(self._dice.random()))
            self._lost_instances += 1
            self._failed += in_flight * (1 - self._fleet.ready / ready) if ready else 0.0
            self._steering.plan_soon(told)

    def _first_minute(self, at: datetime) -> LoadSample:
        rate = float(self._rates[0])
        ready = self._fleet.ready
        served = serve(rate, ready, self._shape, self._workload)
        return self._sample(served, ready, rate, at)

    def _serve(self, rate: float, at: datetime) -> tuple[float, ...]:
        fleet = self._fleet
        ready = fleet.ready
        served = serve(rate, ready, self._shape, self._workload)
        refused = served.refused_share * rate * self._tick
        self._steering.sample(self._sample(served, ready, rate, at))
        slots, cpu, cap = self._blamed(refused, served)
        return (
            rate * self._tick,
            served.in_flight,
            ready,
            fleet.starting,
            fleet.running,
            fleet.launching,
            served.utilization,
            slots,
            cpu,
            cap,
            served.duration_seconds,
        )

    def _blamed(self, refused: float, served: _Served) -> tuple[float, float, float]:
        """What was short: slots, the CPU (slots are full because everything is slow), or the guardrail's vCPU."""
        share = served.refused_for_cpu / served.refused_share if served.refused_share else 0.0
        cpu = refused * share
        if self._fleet.at_cap:
            return 0.0, cpu, refused - cpu
        return refused - cpu, cpu, 0.0

    def _sample(self, served: _Served, ready: int, rate: float, at: datetime) -> LoadSample:
        slots = ready * self._shape.max_concurrency
        peak = min(slots, ceil(peak_in_flight(served.in_flight, self._z)))
        came = rate * self._tick
        refused = round(served.refused_share * came)
        return LoadSample(at, ready, served.in_flight, peak, served.utilization, refused, round(came))

    def _result(self, columns: NDArray[np.float64]) -> Replay:
        whole = columns.T
        existing = whole[4] + whole[5]
        return Replay(
            tick_seconds=self._tick,
            arrivals=whole[0],
            in_flight=whole[1],
            ready=whole[2].astype(np.int64),
            starting=whole[3].astype(np.int64),
            instances=existing.astype(np.int64),
            launching=whole[5].astype(np.int64),
            cpu_utilization=whole[6],
            slot_throttles=whole[7],
            cpu_throttles=whole[8],
            cap_throttles=whole[9],
            duration_seconds=whole[10],
            instance_hours=float(existing.sum()) * self._tick / 3600,
            decisions=tuple(self._steering.decisions),
            plans=self._fleet.plans,
            lost_instances=self._lost_instances,
            failed=self._failed,
        )


def serve(rate: float, ready: int, shape: EnvironmentShape, workload: ReplayedWorkload) -> _Served:
    """One tick: what is accepted keeps the CPU busy, which stretches durations, which fills slots, which refuses more.

    The more is refused, the fewer are refused: there is one fixed point, and halving finds it.
    """
    if ready == 0:
        return _Served(0.0, 0.0, workload.duration_seconds, 1.0 if rate else 0.0, 0.0)
    slots = ready * shape.max_concurrency
    vcpu = ready * shape.vcpu

    def answered(refused: float) -> tuple[float, float, float]:
        utilization = min(1.0, rate * (1 - refused) * workload.cpu_seconds / vcpu)
        duration = shared_duration(workload.duration_seconds, workload.cpu_seconds, utilization)
        return utilization, duration, _refused(slots, _three_digits(rate * duration))

    utilization, duration, refused = answered(0.0)
    if refused > _NOTICEABLE:
        low, high = 0.0, 1.0
        for _ in range(_HALVINGS):
            refused = (low + high) / 2
            utilization, duration, found = answered(refused)
            low, high = (refused, high) if found > refused else (low, refused)
    else:
        refused = 0.0
    for_slots = min(refused, _refused(slots, _three_digits(rate * workload.duration_seconds)))
    return _Served(rate * (1 - refused) * duration, utilization, duration, refused, refused - for_slots)


_HALVINGS = 20
_NOTICEABLE = 1e-9


def _three_digits(offered: float) -> float:
    """So that the formula is asked the same thing often; a part in a thousand of the load changes nothing."""
    return float(f"{offered:.3g}")


@lru_cache(maxsize=65_536)
def _refused(slots: int, offered: float) -> float:
    return erlang_b(slots, offered)


def reasons_of(decisions: Sequence[ReplayedDecision], most: int = 20) -> list[str]:
    """The last changes as lines."""
    return [
        f"{decision.second / 60:,.0f} min: {decision.environments} environments on {decision.instances} instances: "
        + "; ".join(decision.reasons[:3])
        for decision in decisions[-most:]
    ]
