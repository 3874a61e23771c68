"""The advisor: a month of minutes advised and replayed, candidates per second, and growth with the trace's length.

`python -m bench.advisor`, or as the last part of `make bench`. Seconds of CPU of this process, so that others who use
the machine matter little.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import numpy as np

from paddock.advisor.advice import Advice, advise
from paddock.advisor.candidates import Requirements
from paddock.advisor.traces.read import read_trace
from paddock.advisor.traces.shapes import Shape, ShapeKind, draw
from paddock.advisor.traces.trace import MINUTES_PER_DAY
from paddock.advisor.workload import Stated, settle
from paddock.catalogue import Catalogue, load
from paddock.model.capacity_provider import CapacityProviderScalingConfig
from paddock.model.fleet import ScalingBounds
from paddock.model.ids import Region
from paddock.simulator.exact_replay import exact_replay
from paddock.simulator.invocations import invocations, poisson_arrivals
from paddock.simulator.trace_replay import ReplayedWorkload, ReplaySettings, replay

DAYS = (1, 7, 30)
ROWS = 100_000
FoundT = TypeVar("FoundT")
EXACT_MINUTES = 20
EXACT_PER_SECOND = 40.0
_ROW = "{:<52} {:>12} {:>10}"


def timed(what: Callable[[], FoundT]) -> tuple[FoundT, float]:
    began = time.process_time()
    found = what()
    return found, time.process_time() - began


def advised(catalogue: Catalogue, days: int) -> Advice:
    trace = draw(Shape(ShapeKind.WEEKLY, 40.0, 300.0, days))
    workload = settle(Stated(duration_ms=180, cpu_ms=25, memory_mb=220), trace)
    return advise(trace, workload, catalogue, Region("us-east-1"), Requirements())


def replayed(advice: Advice) -> None:
    workload = advice.workload
    replay(
        advice.trace.counts,
        ReplayedWorkload(workload.duration_ms.mean / 1000, workload.cpu_ms / 1000),
        advice.best.shape,
        advice.best.instance_type,
        ReplaySettings(
            bounds=ScalingBounds(advice.minimum_environments, None),
            scaling=CapacityProviderScalingConfig(max_vcpu_count=advice.cap.max_vcpu_count),
        ),
    )


def exact(advice: Advice) -> int:
    """Single invocations through the router; how many."""
    arrivals = poisson_arrivals(np.full(EXACT_MINUTES, EXACT_PER_SECOND * 60), np.random.default_rng(1))
    single = invocations(arrivals, np.full(len(arrivals), 0.18), 0.14)
    exact_replay(single, advice.best.shape, advice.best.instance_type)
    return len(single)


def main() -> None:
    catalogue = load()
    advised(catalogue, 1)  # what is loaded or compiled on first use is not timed
    print("\nadvisor (seconds of CPU)")
    print(_ROW.format("", "seconds", "a second"))
    before: tuple[int, float] | None = None
    for days in DAYS:
        advice, advising = timed(lambda days=days: advised(catalogue, days))  # type: ignore[misc]
        _, replaying = timed(lambda advice=advice: replayed(advice))  # type: ignore[misc]
        _show(f"{days} days of minutes advised", advising, advice.considered, "candidates")
        _show(f"{days} days of minutes replayed", replaying, days * MINUTES_PER_DAY, "minutes")
        if before is not None:
            growth = (advising + replaying) / before[1] / (days / before[0])
            print(_ROW.format(f"  growth of both ÷ of the trace ({before[0]} to {days} days)", f"{growth:.2f}", ""))
        before = (days, advising + replaying)
    count, seconds = timed(lambda: exact(advice))
    _show(f"{count:,} single invocations", seconds, count, "invocations")
    with TemporaryDirectory(prefix="paddock-bench-") as directory:
        path = Path(directory) / "trace.csv"
        path.write_text("minute,count\n" + "".join(f"{minute},{1000 + minute % 500}\n" for minute in range(ROWS)))
        _, seconds = timed(lambda: read_trace(path))
    _show(f"{ROWS:,} rows of CSV read", seconds, ROWS, "rows")


def _show(what: str, seconds: float, count: float, unit: str) -> None:
    print(_ROW.format(what, f"{seconds:.2f}", f"{count / seconds:,.0f}"), unit)


if __name__ == "__main__":
    main()
