"""Planning: how long one plan takes and how many there are in a second, by the size of the fleet; and the simulator.

`python -m bench.planning`, or as a part of `make bench`. Seconds of CPU of this process, so that others who use the
machine matter little.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from bench import table
from paddock.core.planning import plan
from paddock.model.capacity_provider import Architecture, CapacityProviderScalingConfig, InstanceRequirements
from paddock.model.fleet import (
    Environment,
    EnvironmentShape,
    FleetSnapshot,
    LoadSample,
    ManagedInstance,
    ScalingBounds,
    VersionTarget,
    Zone,
)
from paddock.model.ids import (
    LATEST_PUBLISHED,
    AvailabilityZone,
    CapacityProviderName,
    EnvironmentId,
    FunctionName,
    FunctionVersionKey,
    InstanceId,
    RevisionId,
    SubnetId,
)
from paddock.model.instance_types import InstanceType
from paddock.model.states import EnvironmentPhase, InstancePhase
from paddock.simulator.scenario import simulate

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
ZONES = tuple(Zone(SubnetId(f"subnet-{letter}"), AvailabilityZone(f"us-east-1{letter}")) for letter in "abc")
TYPE = InstanceType("c7i.4xlarge", 16, 32, Architecture.X86_64)
SHAPE = EnvironmentShape(2048, 1.0, 16)
REVISION = RevisionId("r")
ENVIRONMENTS_PER_INSTANCE = 15
SIZES = ((10, 1), (100, 10), (1000, 100))
"""Instances, versions: at the largest, both quotas of a provider (15,000 vCPU would be 937 of these instances)."""
SAMPLES = 400
PLANS = 5
SIMULATED_SEEDS = range(100, 120)
FoundT = TypeVar("FoundT")
_COLUMNS = (
    "instances", "environments", "versions", "", "CPU ms a plan", "plans a second", "of the first",
)  # fmt: skip
SIMULATED = "whole fleets with faults, simulated against real time"


class Ids:
    def __init__(self) -> None:
        self._count = 0

    def instance_id(self) -> InstanceId:
        self._count += 1
        return InstanceId(f"i-{self._count}")

    def environment_id(self) -> EnvironmentId:
        self._count += 1
        return EnvironmentId(f"new-{self._count}")


def timed(what: Callable[[], FoundT]) -> tuple[FoundT, float]:
    began = time.process_time()
    found = what()
    return found, time.process_time() - began


def fleet(instances: int, versions: int) -> FleetSnapshot:
    """Full and at rest; every version serves."""
    keys = [FunctionVersionKey(FunctionName(f"f{number}"), LATEST_PUBLISHED) for number in range(versions)]
    each = instances * ENVIRONMENTS_PER_INSTANCE // versions
    loads = tuple(
        LoadSample(NOON - timedelta(seconds=SAMPLES - number), each, each * 5.0, each * 6, 0.3, 0)
        for number in range(SAMPLES)
    )
    names = [InstanceId(f"i-{number:04}") for number in range(instances)]
    return FleetSnapshot(
        provider=CapacityProviderName("bench"),
        requirements=InstanceRequirements(),
        scaling=CapacityProviderScalingConfig(max_vcpu_count=instances * TYPE.vcpu * 2),
        zones=ZONES,
        offered_types=(TYPE,),
        versions=tuple(
            VersionTarget(key, REVISION, REVISION, SHAPE, ScalingBounds(3, None), NOON, loads) for key in keys
        ),
        instances=tuple(
            ManagedInstance(
                name, TYPE, ZONES[number % 3].zone, ZONES[number % 3].subnet_id, InstancePhase.RUNNING, NOON
            )
            for number, name in enumerate(names)
        ),
        environments=tuple(
            Environment(
                EnvironmentId(f"e-{number}"),
                names[number % instances],
                keys[number // each],
                REVISION,
                SHAPE,
                EnvironmentPhase.READY,
                NOON,
            )
            for number in range(each * versions)
        ),
    )


def bursting(snapshot: FleetSnapshot) -> FleetSnapshot:
    """Every version wants half as much again."""
    versions = tuple(
        replace(
            version,
            loads=tuple(replace(sample, peak_busy_slots=sample.ready_environments * 11) for sample in version.loads),
        )
        for version in snapshot.versions
    )
    return replace(snapshot, versions=versions)


def planned(snapshot: FleetSnapshot) -> float:
    ids = Ids()
    plan(snapshot, now=NOON, ids=ids)  # what is computed on first use is not timed
    return timed(lambda: [plan(snapshot, now=NOON, ids=ids) for _ in range(PLANS)])[1] / PLANS


def cells() -> list[tuple[str, ...]]:
    """By size and by what happens; headings first."""
    lines: list[tuple[str, ...]] = [_COLUMNS]
    first: dict[str, float] = {}
    for instances, versions in SIZES:
        snapshot = fleet(instances, versions)
        for what, seen in (("at rest", snapshot), ("every version bursts", bursting(snapshot))):
            seconds = planned(seen)
            grown = seconds / first.setdefault(what, seconds)
            lines.append(
                (
                    f"{instances:,}",
                    f"{len(snapshot.environments):,}",
                    str(versions),
                    what,
                    f"{seconds * 1000:.1f}",
                    f"{1 / seconds:.1f}",
                    f"{grown:.1f}",
                )
            )
    return lines


def simulated_speed() -> float:
    """How many seconds of whole fleets with faults one second of CPU simulates."""
    simulated, seconds = timed(lambda: sum(simulate(seed).seconds for seed in SIMULATED_SEEDS))
    return simulated / seconds


def main() -> None:
    print(table.text(cells()))
    print(f"\n{SIMULATED}: {simulated_speed():.0f}x")


if __name__ == "__main__":
    main()
