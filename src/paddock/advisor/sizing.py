"""How many environments and instances the traffic needs: the scaler's own targets, applied to every minute at once.

With λ arrivals a second, d the duration and c the CPU time in seconds, K slots and v vCPU an environment:

    duration    d(u) = (d − c) + c ÷ (1 − u)        processor sharing (M/G/1-PS): only the CPU part is stretched
    in flight   L = λ·d(u)                          Little's law
    slots       (L + z·√L) ÷ (K · slot target)      square-root staffing: what is full refuses, nothing queues
    CPU         λ·c ÷ (v · CPU target)
    environments = the larger, never below Min; held as the scaler holds them (five minutes, dead band, chance)

Targets, dead band, deviations and window are read from `core.scaling`, the packing from `core.placement`: this is a
shortcut through them over a whole trace, and the simulator is the long way with the very same cores.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor

import numpy as np
from numpy.typing import NDArray

from paddock.advisor.workload import Workload
from paddock.core.queueing import peak_z, shared_duration
from paddock.core.scaling import DEFAULT_SETTINGS, ScalingSettings
from paddock.model.fleet import EnvironmentShape

FULL_SLOTS_CPU = 0.9
"""K is chosen so that all slots busy keep the CPU this busy: more slots would only make everything slower."""

MEMORY_RATIOS = (2, 4, 8)
VCPU_SIZES = (1, 2, 4, 8, 16)
MAX_MEMORY_GIB = 32
MAX_CONCURRENCY = 1600
NOTICEABLE = 1e-9
"""Less than this in flight is nothing."""


@dataclass(frozen=True, slots=True)
class Minutes:
    """What of the traffic sizing needs, in arrays over minutes; made once, used for every shape."""

    rate: NDArray[np.float64]
    in_flight: NDArray[np.float64]
    cpu: NDArray[np.float64]
    """vCPU kept busy."""
    z: float
    """Standard deviations from the mean in flight to the highest of a minute."""

    @classmethod
    def of(cls, counts: NDArray[np.float64], workload: Workload) -> Minutes:
        rate = counts / 60
        seconds = workload.duration_ms.mean / 1000
        return cls(rate, rate * seconds, rate * workload.cpu_ms / 1000, peak_z(seconds))

    def highest(self, stretch: float = 1.0) -> NDArray[np.float64]:
        """The most in flight within each minute, durations stretched by a factor."""
        mean = self.in_flight * stretch
        return mean + self.z * np.sqrt(mean)


def slots_for(workload: Workload, memory_mb: int, vcpu: int, *, per_vcpu: int | None = None) -> int:
    """Useful concurrency of an environment: what runtime, CPU and memory allow. Zero when memory holds not even one."""
    cap = (per_vcpu or workload.runtime_facts.concurrency_per_vcpu) * vcpu
    by_cpu = floor(FULL_SLOTS_CPU * vcpu / workload.cpu_share) if workload.cpu_share > 0 else cap
    spare_mb = memory_mb - workload.memory_mb
    if spare_mb < 0:
        return 0
    by_memory = cap if workload.extra_memory_mb <= 0 else 1 + floor(spare_mb / workload.extra_memory_mb)
    return max(1, min(cap, by_cpu, by_memory, MAX_CONCURRENCY))


def shapes_for(workload: Workload) -> list[EnvironmentShape]:
    """Every memory and ratio that AWS allows and that holds an invocation."""
    shapes = []
    for ratio in MEMORY_RATIOS:
        for vcpu in VCPU_SIZES:
            memory_gib = ratio * vcpu
            slots = slots_for(workload, memory_gib * 1024, vcpu) if memory_gib <= MAX_MEMORY_GIB else 0
            if slots:
                shapes.append(EnvironmentShape(memory_mb=memory_gib * 1024, vcpu=float(vcpu), max_concurrency=slots))
    return shapes


@dataclass(frozen=True, slots=True)
class Sizing:
    """Environments over time for one shape. `headroom` is the least factor by which traffic could grow at once."""

    environments: NDArray[np.int64]
    utilisation_at_peak: float
    headroom: float
    p99_ms: float

    @property
    def peak(self) -> int:
        return int(self.environments.max())


def size(
    minutes: Minutes,
    workload: Workload,
    shape: EnvironmentShape,
    *,
    minimum: int = 3,
    settings: ScalingSettings = DEFAULT_SETTINGS,
) -> Sizing:
    slots = shape.max_concurrency
    stretch = _stretch(workload, settings.cpu_target)
    by_slots = minutes.highest(stretch) / (slots * settings.slot_target)
    by_cpu = minutes.cpu / (shape.vcpu * settings.cpu_target)
    demand = np.maximum(by_slots, by_cpu)
    environments = np.maximum(held(demand, _by_chance(minutes, shape, stretch, settings), settings), minimum)
    busiest = int(np.argmax(minutes.cpu / environments))
    utilisation = float(minutes.cpu[busiest] / (environments[busiest] * shape.vcpu))
    return Sizing(
        environments=environments,
        utilisation_at_peak=utilisation,
        headroom=_headroom(minutes, environments, shape, stretch),
        p99_ms=_p99(workload, utilisation),
    )


def held(demand: NDArray[np.float64], by_chance: NDArray[np.float64], settings: ScalingSettings) -> NDArray[np.int64]:
    """Out at once; in no further than the highest demand of the long window, with the dead band above it, and than
    what chance may ask for.
    """
    highest = _windows(demand, settings).max(axis=1)
    keeps = np.maximum(np.ceil(highest / (1 - settings.dead_band)), np.ceil(by_chance))
    # What is kept is only ever what was there before: it cannot exceed the demand that once was.
    kept = np.minimum(keeps, np.maximum.accumulate(np.ceil(demand)))
    return np.asarray(np.maximum(np.ceil(demand), kept), dtype=np.int64)


def _windows(values: NDArray[np.float64], settings: ScalingSettings) -> NDArray[np.float64]:
    """A row for each minute: the values of the long window that ends with it. Before the first there was nothing."""
    window = max(1, ceil(settings.long_window.total_seconds() / 60))
    return np.lib.stride_tricks.sliding_window_view(np.concatenate([np.zeros(window - 1), values]), window)


def _by_chance(
    minutes: Minutes, shape: EnvironmentShape, stretch: float, settings: ScalingSettings
) -> NDArray[np.float64]:
    """As `core.scaling.demand_by_chance`, in environments."""
    in_flight, cpu, rate = (
        _windows(each, settings).mean(axis=1) for each in (minutes.in_flight * stretch, minutes.cpu, minutes.rate)
    )
    taking_part = in_flight + rate * settings.cpu_window.total_seconds() / 2
    by_slots = in_flight + settings.chance_deviations * np.sqrt(in_flight)
    by_cpu = cpu * (1 + settings.chance_deviations / np.sqrt(np.maximum(taking_part, 1.0)))
    return np.asarray(
        np.maximum(
            by_slots / (shape.max_concurrency * settings.slot_target), by_cpu / (shape.vcpu * settings.cpu_target)
        )
    )


def _stretch(workload: Workload, utilisation: float) -> float:
    return shared_duration(workload.duration_ms.mean, workload.cpu_ms, utilisation) / workload.duration_ms.mean


def _p99(workload: Workload, utilisation: float) -> float:
    slow = workload.duration_ms.quantile(0.99)
    return shared_duration(slow, workload.cpu_share * slow, utilisation)


def _headroom(minutes: Minutes, environments: NDArray[np.int64], shape: EnvironmentShape, stretch: float) -> float:
    """How often the traffic of a minute fits into what stands ready in it, at the worst minute."""
    busy = minutes.in_flight > NOTICEABLE
    if not busy.any():
        return float("inf")
    slots = environments[busy] * shape.max_concurrency / (minutes.in_flight[busy] * stretch)
    cpu = environments[busy] * shape.vcpu * FULL_SLOTS_CPU / np.maximum(minutes.cpu[busy], 1e-12)
    return float(np.minimum(slots, cpu).min())
