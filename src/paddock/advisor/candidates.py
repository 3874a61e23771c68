"""Every instance type with every shape of environment that fits it, priced for the traffic; cheapest first.

A candidate pins its instance type; Lambda chooses itself when it is left free, and does not promise the cheapest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from paddock.advisor.documents import InputError
from paddock.advisor.sizing import Minutes, Sizing, shapes_for, size
from paddock.advisor.traces.trace import Distribution, Trace
from paddock.advisor.workload import Workload
from paddock.core.placement import holds, select_types
from paddock.core.pricing.rates import HOURS_PER_MONTH, MANAGEMENT_FEE_RATE
from paddock.core.scaling import DEFAULT_SETTINGS, ScalingSettings
from paddock.model.capacity_provider import Architecture, InstanceRequirements
from paddock.model.fleet import EnvironmentShape
from paddock.model.instance_types import InstanceType

FEE = float(MANAGEMENT_FEE_RATE)
UNCERTAIN_IF_ASSUMED = 0.25
UNCERTAIN_IF_KNOWN = 0.10
"""How far CPU time and duration are varied for the low and the high cost."""


@dataclass(frozen=True, slots=True)
class Requirements:
    """What the person demands of the fleet."""

    architectures: tuple[Architecture, ...] = tuple(Architecture)
    allowed_instance_types: tuple[str, ...] = ()
    excluded_instance_types: tuple[str, ...] = ()
    zones: int = 3
    minimum_environments: int = 3


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to run it. Costs are USD a month, On-Demand: EC2 and fee, without the requests that every way pays."""

    instance_type: InstanceType
    shape: EnvironmentShape
    environments_per_instance: int
    sizing: Sizing
    mean_instances: float
    peak_instances: int
    low_usd: float
    usd: float
    high_usd: float

    @property
    def memory_gib_per_vcpu(self) -> int:
        return round(self.shape.memory_mb / 1024 / self.shape.vcpu)


@dataclass(frozen=True, slots=True)
class Levels:
    """How much of the time how many environments are wanted: all that a cost needs of a sizing."""

    environments: NDArray[np.int64]
    share: NDArray[np.float64]

    @classmethod
    def of(cls, sizing: Sizing) -> Levels:
        values, minutes = np.unique(sizing.environments, return_counts=True)
        return cls(values, minutes / minutes.sum())

    def mean_instances(self, per_instance: int, least: int) -> float:
        return float((instances_for(self.environments, per_instance, least) * self.share).sum())


class CapDerivation(NamedTuple):
    """MaxVCpuCount and its parts, in instances."""

    max_vcpu_count: int
    vcpu_of_instance: int
    peak: int
    spare: int
    republish: int

    def __str__(self) -> str:
        return (
            f"{self.vcpu_of_instance} vCPU × ({self.peak} at the peak + {self.spare} spare + {self.republish} for a "
            f"republish) = {self.max_vcpu_count}"
        )


def cap_for(candidate: Candidate, minimum_environments: int, zones: int) -> CapDerivation:
    """A replacement needs one instance more, a republish its minimum of environments beside the old ones."""
    vcpu = candidate.instance_type.vcpu
    peak = max(zones, candidate.peak_instances)
    republish = ceil(minimum_environments / candidate.environments_per_instance)
    return CapDerivation(vcpu * (peak + 1 + republish), vcpu, peak, 1, republish)


def candidates(
    trace: Trace,
    workload: Workload,
    offered: Sequence[InstanceType],
    requirements: Requirements,
    *,
    settings: ScalingSettings = DEFAULT_SETTINGS,
) -> list[Candidate]:
    """Cheapest first. Raises InputError, naming what was tried, when nothing fits or nothing that fits has a price."""
    shapes = shapes_for(workload)
    if not shapes:
        raise InputError(f"{workload.memory_mb:g} MB fit no execution environment (at most 32 GB)")
    minutes = {share: Minutes.of(trace.counts, scaled(workload, share)) for share in _band(workload)}
    least = max(1, min(requirements.zones, requirements.minimum_environments))
    found: list[Candidate] = []
    unpriced: set[str] = set()
    refusals: list[str] = []
    for shape in shapes:
        sizings = [
            size(
                minutes[share],
                scaled(workload, share),
                shape,
                minimum=requirements.minimum_environments,
                settings=settings,
            )
            for share in _band(workload)
        ]
        levels = [Levels.of(sizing) for sizing in sizings]
        for architecture in requirements.architectures:
            selection = select_types(offered, _instance_requirements(requirements, architecture), shape)
            refusals.append(selection.explain(limit=4))
            for instance_type in selection.types:
                if instance_type.on_demand_usd_per_hour is None:
                    unpriced.add(instance_type.name)
                else:
                    found.append(_candidate(instance_type, shape, sizings[1], levels, least))
    if not found:
        raise InputError(_nothing(unpriced, refusals))
    return sorted(found, key=lambda candidate: (candidate.usd, candidate.shape.memory_mb, candidate.instance_type.name))


def _nothing(unpriced: set[str], refusals: list[str]) -> str:
    if unpriced:
        names = ", ".join(sorted(unpriced)[:6])
        return f"no type that fits has a known price here ({names}): run `paddock prices refresh`"
    return f"no instance type fits: {refusals[-1] if refusals else 'none is offered'}"


def _instance_requirements(requirements: Requirements, architecture: Architecture) -> InstanceRequirements:
    return InstanceRequirements(
        architecture=architecture,
        allowed_instance_types=requirements.allowed_instance_types,
        excluded_instance_types=requirements.excluded_instance_types,
    )


def _band(workload: Workload) -> tuple[float, float, float]:
    uncertain = UNCERTAIN_IF_ASSUMED if workload.assumptions() else UNCERTAIN_IF_KNOWN
    return (1 - uncertain, 1.0, 1 + uncertain)


def scaled(workload: Workload, factor: float) -> Workload:
    """Duration and CPU time by a factor, which is traffic by that factor as far as capacity goes."""
    points = tuple((fraction, value * factor) for fraction, value in workload.duration_ms.points)
    return replace(
        workload,
        duration_ms=Distribution(workload.duration_ms.mean * factor, points),
        cpu_ms=workload.cpu_ms * factor,
    )


def _candidate(
    instance_type: InstanceType, shape: EnvironmentShape, sizing: Sizing, levels: list[Levels], least: int
) -> Candidate:
    per_instance = holds(instance_type, shape)
    means = [level.mean_instances(per_instance, least) for level in levels]
    monthly = float(instance_type.on_demand_usd_per_hour or 0) * (1 + FEE) * float(HOURS_PER_MONTH)
    return Candidate(
        instance_type=instance_type,
        shape=shape,
        environments_per_instance=per_instance,
        sizing=sizing,
        mean_instances=means[1],
        peak_instances=int(instances_for(levels[1].environments[-1:], per_instance, least)[0]),
        low_usd=means[0] * monthly,
        usd=means[1] * monthly,
        high_usd=means[2] * monthly,
    )


def instances_for(environments: NDArray[np.int64], per_instance: int, least: int) -> NDArray[np.int64]:
    """Packed, but the first environments stand in different zones: at least `least` instances."""
    return np.maximum(-(-environments // per_instance), least)
