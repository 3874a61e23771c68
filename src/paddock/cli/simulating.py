"""Advice put to the test: its set-up under its traffic, by formula or invocation by invocation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from rich.console import Console
from rich.progress import Progress

from paddock.advisor.advice import Advice
from paddock.advisor.documents import InputError
from paddock.advisor.report.timeline import Timeline
from paddock.advisor.traces.trace import Trace
from paddock.advisor.workload import Workload
from paddock.model.capacity_provider import CapacityProviderScalingConfig
from paddock.model.fleet import ScalingBounds
from paddock.simulator.exact_replay import MAX_INVOCATIONS, Cause, exact_replay
from paddock.simulator.invocations import Invocations, invocations, poisson_arrivals
from paddock.simulator.trace_fleet import Delays
from paddock.simulator.trace_replay import ReplayedWorkload, ReplaySettings, reasons_of, replay

_Show = Callable[[int, int], None]

SEED = 1
CAUSES = {"slots": Cause.SLOTS, "CPU": Cause.CPU, "MaxVCpuCount": Cause.CAP}


def simulated(advice: Advice, launch_seconds: float, start_seconds: float, *, exact: bool, quiet: bool) -> Timeline:
    """The advised set-up under its traffic, by the planner that runs live fleets."""
    settings = ReplaySettings(
        bounds=ScalingBounds(advice.minimum_environments, None),
        scaling=CapacityProviderScalingConfig(max_vcpu_count=advice.cap.max_vcpu_count),
        delays=Delays(launch_seconds=launch_seconds, start_seconds=start_seconds, init_seconds=0.0),
    )
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=quiet or not console.is_terminal) as progress:
        bar = progress.add_task("simulating", total=None)

        def show(done: int, whole: int) -> None:
            progress.update(bar, completed=done, total=whole)

        return (_exactly if exact else _by_formula)(advice, settings, show)


def _by_formula(advice: Advice, settings: ReplaySettings, show: _Show) -> Timeline:
    workload = advice.workload
    work = ReplayedWorkload(workload.duration_ms.mean / 1000, workload.cpu_ms / 1000)
    best = advice.best
    found = replay(advice.trace.counts, work, best.shape, best.instance_type, settings, progress=show)
    return Timeline(
        tick_seconds=found.tick_seconds,
        arrivals=found.arrivals,
        in_flight=found.in_flight,
        ready=found.ready,
        instances=found.instances,
        cpu_utilization=found.cpu_utilization,
        throttles={
            "slots": found.slot_throttles,
            "CPU": found.cpu_throttles,
            "MaxVCpuCount": found.cap_throttles,
        },
        changes=tuple(reasons_of(found.decisions)),
    )


def _exactly(advice: Advice, settings: ReplaySettings, show: _Show) -> Timeline:
    """Each invocation by itself, through the router."""
    load = single_invocations(advice.trace, advice.workload)
    found = exact_replay(load, advice.best.shape, advice.best.instance_type, settings, progress=show)
    return Timeline(
        tick_seconds=found.tick_seconds,
        arrivals=found.arrivals.astype(np.float64),
        in_flight=found.in_flight,
        ready=found.ready,
        instances=found.instances,
        cpu_utilization=found.cpu_utilization,
        throttles={name: found.throttles[:, cause].astype(np.float64) for name, cause in CAUSES.items()},
        changes=tuple(reasons_of(found.decisions)),
    )


def must_be_short(trace: Trace) -> None:
    """Raises InputError when a trace has more invocations than can be simulated one by one."""
    if trace.invocations > MAX_INVOCATIONS * 0.99:
        raise InputError(
            f"--exact simulates each invocation, at most {MAX_INVOCATIONS:,}; this traffic has "
            f"{trace.invocations:,.0f}: leave --exact out, or shorten the trace"
        )


def single_invocations(trace: Trace, workload: Workload) -> Invocations:
    """Poisson arrivals of each minute; durations as the workload's quantiles have them, with its mean."""
    dice = np.random.default_rng(SEED)
    arrivals = poisson_arrivals(trace.counts, dice)
    spread = workload.duration_ms
    fractions, values = (np.array(column) for column in zip(*spread.points, strict=True))
    drawn = np.interp(dice.random(len(arrivals)), fractions, values)
    durations = drawn * (spread.mean / drawn.mean()) if len(drawn) and drawn.mean() > 0 else drawn
    return invocations(arrivals, durations / 1000, workload.cpu_share)
