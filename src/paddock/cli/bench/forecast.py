"""What the simulator says of the load before it is driven: the same arrivals, durations as measured alone.

The cores of this machine are shared by all environments, because idle ones may be borrowed (`paddock up` without
`--strict-cpu`). What client and server need of them is not counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from paddock.cli.answers import latency_of_times
from paddock.cli.bench.figures import Figures
from paddock.cli.bench.measuring import Alone
from paddock.core.planning import PlanningSettings
from paddock.model.capacity_provider import Architecture, CapacityProviderScalingConfig
from paddock.model.fleet import EnvironmentShape, ScalingBounds
from paddock.model.instance_types import InstanceType
from paddock.simulator.default_replay import DefaultSettings, default_replay
from paddock.simulator.exact_replay import Machine, exact_replay
from paddock.simulator.invocations import Invocations, invocations
from paddock.simulator.trace_fleet import Delays
from paddock.simulator.trace_replay import ReplaySettings

LOCAL_DELAYS = Delays(launch_seconds=1.0, start_seconds=0.5, init_seconds=0.5, drain_seconds=30.0)
"""An instance on this machine is a process, and an environment one more."""


@dataclass(frozen=True, slots=True)
class FleetNow:
    """The fleet as it stands before the load, from the server's status and the function's scaling configuration."""

    environments: int
    shape: EnvironmentShape
    instance_type: InstanceType
    bounds: ScalingBounds
    max_vcpu_count: int
    cores_per_vcpu: float

    @property
    def slots(self) -> int:
        return self.environments * self.shape.max_concurrency


def fleet_now(
    rows: list[tuple[dict[str, Any], dict[str, Any]]], scaling: dict[str, Any], max_vcpu_count: int
) -> FleetNow:
    """`rows` are ready environments with their instances, at least one."""
    environment, instance = rows[0]
    instance_type = InstanceType(
        name=instance["instance_type"],
        vcpu=instance["vcpu"],
        memory_gib=instance["memory_gib"],
        architecture=Architecture(instance["architecture"]),
    )
    least = scaling.get("MinExecutionEnvironments", 3)
    return FleetNow(
        environments=len(rows),
        shape=EnvironmentShape(environment["memory_mb"], environment["vcpu"], environment["max_concurrency"]),
        instance_type=instance_type,
        bounds=ScalingBounds(max(least, len(rows)), scaling.get("MaxExecutionEnvironments")),
        max_vcpu_count=max_vcpu_count,
        cores_per_vcpu=instance["entitled_cores"] / instance["vcpu"],
    )


def load_of(due: NDArray[np.float64], alone: Alone, cores: float, seed: int) -> Invocations:
    """Each request takes as long as one of those that were alone, drawn at random."""
    dice = np.random.default_rng(seed + 1)
    durations = dice.choice(np.array(alone.seconds), len(due))
    return invocations(due, durations, min(alone.cpu_seconds / alone.mean_seconds, cores))


def forecast_managed(load: Invocations, fleet: FleetNow, cores: float, seconds: float) -> Figures:
    settings = ReplaySettings(
        bounds=fleet.bounds,
        scaling=CapacityProviderScalingConfig(max_vcpu_count=fleet.max_vcpu_count),
        planning=PlanningSettings(),
        delays=LOCAL_DELAYS,
        tick_seconds=1,
    )
    machine = Machine(cores=cores, cores_per_vcpu=fleet.cores_per_vcpu)
    found = exact_replay(load, fleet.shape, fleet.instance_type, settings, machine=machine, settled=False)
    most = int(found.ready.max())
    return _figures(
        found.seconds,
        seconds,
        started=max(0, most - fleet.environments),
        core_seconds=found.core_seconds,
        in_flight=found.most_in_flight,
        environments=most,
        instances=int(found.instances.max()),
    )


def forecast_default(
    load: Invocations, start_seconds: float, cores: float, seconds: float, *, warm: int = 0
) -> Figures:
    found = default_replay(load, DefaultSettings(start_seconds=start_seconds, cores=cores, warm=warm))
    return _figures(
        found.seconds,
        seconds,
        started=found.cold_starts,
        core_seconds=found.core_seconds,
        in_flight=found.most_in_flight,
        environments=found.cold_starts + warm,
        instances=None,
    )


def _figures(
    times: NDArray[np.float64],
    seconds: float,
    *,
    started: int,
    core_seconds: float,
    in_flight: int,
    environments: int,
    instances: int | None,
) -> Figures:
    answered = times[~np.isnan(times)] * 1000
    latency = latency_of_times(answered.tolist())
    return Figures(
        requests=len(times),
        answered=len(answered),
        throttles=len(times) - len(answered),
        errors=0,
        throughput_per_second=len(answered) / seconds,
        mean_ms=float(answered.mean()) if len(answered) else None,
        p50_ms=latency.p50 if latency else None,
        p99_ms=latency.p99 if latency else None,
        environments_started=started,
        cpu_cores=core_seconds / seconds,
        most_in_flight=in_flight,
        environments=environments,
        instances=instances,
    )
