"""What a trace costs to simulate, and how that grows with its rate, its hours and the instances.

`python -m bench.simulation`, or as a part of `make bench`. The way is that of `paddock simulate --trace`: a CSV file of
invocations per minute is read and replayed through the planner in ticks of ten seconds. Traffic is a fluid within a
tick, so a million invocations in it cost what one costs; what costs is the planner, which sees every instance and
environment. Single invocations, at most two million, are for `paddock advise --exact` and not measured here.
Seconds of CPU of one core.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from bench import table
from paddock import catalogue
from paddock.advisor.traces.read import read_trace
from paddock.advisor.traces.shapes import PEAK_MINUTE
from paddock.advisor.traces.trace import MINUTES_PER_DAY
from paddock.model.capacity_provider import CapacityProviderScalingConfig
from paddock.model.fleet import EnvironmentShape, ScalingBounds
from paddock.simulator.trace_replay import Replay, ReplayedWorkload, ReplaySettings, replay

TICK_SECONDS = 10
WORKLOAD = ReplayedWorkload(duration_seconds=0.1, cpu_seconds=0.01)
SHAPE = EnvironmentShape(memory_mb=2048, vcpu=1.0, max_concurrency=16)
MOST_VCPU = 15_000
NOISE = 0.05
NOON = datetime(2026, 6, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Case:
    per_second: int = 10_000
    hours: int = 24
    type_name: str = "m7g.xlarge"


BASE = Case()
GROWTHS: dict[str, tuple[Case, ...]] = {
    "requests a second": tuple(Case(rate) for rate in (10_000, 30_000, 100_000)),
    "hours": tuple(replace(BASE, hours=hours) for hours in (6, 24, 72)),
    "instances for the same traffic": tuple(
        replace(BASE, hours=6, type_name=f"m7g.{size}") for size in ("4xlarge", "2xlarge", "xlarge", "large")
    ),
}
"""The first of each is what the others are compared with."""

_COLUMNS = (
    "grows with", "requests/s", "hours", "type", "invocations", "instances", "environments", "plans", "CPU s",
    "of the first", "simulated/real", "throttled",
)  # fmt: skip


def trace_file(case: Case, directory: Path) -> Path:
    """A day's shape around the mean, from half of it to one and a half, with noise from minute to minute."""
    minutes = np.arange(case.hours * 60)
    shape = 1 + 0.5 * np.cos((minutes - PEAK_MINUTE) / MINUTES_PER_DAY * 2 * np.pi)
    noisy = shape / shape.mean() * (1 + NOISE * np.random.default_rng(1).uniform(-1, 1, len(minutes)))
    counts = np.rint(noisy * case.per_second * 60).astype(np.int64)
    path = directory / "trace.csv"
    lines = (f"{(NOON + timedelta(minutes=m)).isoformat()},{count}" for m, count in enumerate(counts.tolist()))
    path.write_text("\n".join(("timestamp,invocations", *lines)) + "\n")
    return path


def simulated(case: Case) -> tuple[Replay, float]:
    """What came of it, and the seconds of CPU of reading the file and replaying it."""
    instance_type = catalogue.load().types[case.type_name]
    settings = ReplaySettings(
        bounds=ScalingBounds(3, None),
        scaling=CapacityProviderScalingConfig(max_vcpu_count=MOST_VCPU),
        tick_seconds=TICK_SECONDS,
        seed=1,
    )
    with tempfile.TemporaryDirectory() as directory:
        path = trace_file(case, Path(directory))
        began = time.process_time()
        trace = read_trace(path)
        found = replay(trace.counts, WORKLOAD, SHAPE, instance_type, settings)
        return found, time.process_time() - began


def measured(growths: dict[str, tuple[Case, ...]]) -> Iterator[tuple[str, ...]]:
    """A line for each case; each case is simulated once."""
    known: dict[Case, tuple[Replay, float]] = {}
    for name, cases in growths.items():
        for case in cases:
            if case not in known:
                known[case] = simulated(case)
            yield _line(name, case, known[case], known[cases[0]][1])


def _line(name: str, case: Case, found: tuple[Replay, float], first: float) -> tuple[str, ...]:
    replayed, seconds = found
    return (
        name,
        f"{case.per_second:,}",
        str(case.hours),
        case.type_name,
        f"{replayed.arrivals.sum() / 1e6:,.0f} million",
        str(replayed.instances.max()),
        str(replayed.ready.max()),
        f"{replayed.plans:,}",
        f"{seconds:.1f}",
        f"{seconds / first:.1f}",
        f"{case.hours * 3600 / seconds:,.0f}",
        f"{replayed.throttled_share:.3%}",
    )


def cells(growths: dict[str, tuple[Case, ...]] | None = None) -> Sequence[Sequence[str]]:
    """Headings first."""
    return [_COLUMNS, *measured(GROWTHS if growths is None else growths)]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.simulation", description=__doc__)
    parser.add_argument("--only-day", action="store_true", help="only the day at ten thousand requests a second")
    chosen: dict[str, tuple[Case, ...]] = {"the day": (BASE,)} if parser.parse_args().only_day else GROWTHS
    print(table.text(cells(chosen)))


if __name__ == "__main__":
    main()
