"""`paddock simulate`: traffic through the real planner on a virtual clock, or whole fleets with faults, by seed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from paddock.cli import advise_options as options
from paddock.cli.options import Output, OutputOption

if TYPE_CHECKING:
    from rich.console import Console

    from paddock.advisor.traces.trace import Trace
    from paddock.simulator.trace_replay import Progress as Show
    from paddock.simulator.trace_replay import Replay

SHOWN_DECISIONS = 20
DURATION_MS = 100.0
CPU_SHARE = 0.1
ROUNDED = 1.01
"""By so much CPU time may seem longer than the duration: both were rounded."""

TypeName = Annotated[str, typer.Option("--type", help="Instance type the fleet is made of.")]
Slots = Annotated[int, typer.Option(min=1, max=1600, help="Slots of one execution environment.")]
Memory = Annotated[int, typer.Option(min=2048, max=32768, help="Memory of one execution environment in MB.")]
GibPerVcpu = Annotated[float, typer.Option(min=2, max=8, help="GiB of memory per vCPU.")]
Most = Annotated[int | None, typer.Option(min=1, max=15000, help="MaxExecutionEnvironments.")]
MaxVcpu = Annotated[int, typer.Option(min=2, max=15000, help="MaxVCpuCount of the provider.")]
TraceOption = Annotated[Path | None, typer.Option("--trace", help="The trace file, said as an option.")]
Seed = Annotated[
    int | None,
    typer.Option(
        min=0, help="Draw arrivals and faults by it; without traffic: whole fleets under all kinds of faults."
    ),
]
Seeds = Annotated[int, typer.Option(min=1, max=100_000, help="Without traffic: how many seeds, from --seed on.")]
Whole = Annotated[
    bool, typer.Option("--whole", help="Without traffic: the product itself, on a network in memory, by --seed.")
]
OnDemand = Annotated[
    bool, typer.Option("--on-demand", help="Without traffic: default Lambda's limits and slots, by --seed.")
]
LostInstances = Annotated[
    float, typer.Option(min=0, max=1000, help="With traffic and --seed: instances that die in a day.")
]


def simulate(
    trace: options.Trace = None,
    *,
    trace_format: options.TraceFormat = None,
    function: options.Function = None,
    shape: options.Shape = None,
    rps: options.Rps = None,
    peak_rps: options.PeakRps = None,
    days: options.Days = 1,
    duration_ms: options.DurationMs = None,
    cpu_ms: options.CpuMs = None,
    instance_type: TypeName = "m7g.xlarge",
    slots: Slots = 16,
    memory_mb: Memory = 2048,
    memory_gib_per_vcpu: GibPerVcpu = 2.0,
    min_environments: options.MinEnvironments = 3,
    max_environments: Most = None,
    max_vcpu: MaxVcpu = 400,
    launch_seconds: options.LaunchSeconds = 90,
    start_seconds: options.StartSeconds = 7,
    seed: Seed = None,
    seeds: Seeds = 1,
    whole: Whole = False,
    on_demand: OnDemand = False,
    lost_instances: LostInstances = 0,
    trace_option: TraceOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Show what the fleet would do: environments, instances, throttles by cause, and each decision with its reason.

    An invocation of which neither the trace nor an option tells takes 100 ms, a tenth of it CPU.
    With --seed, arrivals are drawn around the traffic's rates, the same for the same seed. With --seed and no traffic,
    whole fleets under random traffic and faults are simulated instead, and every promise is checked at every event;
    a broken one is shown with its story, and the exit status is 1.
    """
    path = trace_option or trace
    from paddock.advisor.documents import InputError
    from paddock.simulator.trace_steering import ReplayError

    by_seed = ByChance(seed, seeds, whole, on_demand, lost_instances)
    try:
        if by_seed.wanted and path is None and shape is None:
            raise typer.Exit(by_seed.run(output))
        by_seed.must_agree(trace, trace_option)
        traffic = _traffic(path, trace_format, function, (shape, rps, peak_rps, days))
        fleet = SimulatedFleet(
            instance_type, slots, memory_mb, memory_gib_per_vcpu, min_environments, max_environments, max_vcpu
        )
        chance = Chance(seed, lost_instances)
        with _progress() as show:
            replayed = fleet.replay(
                traffic, _work_ms(traffic, duration_ms, cpu_ms), (launch_seconds, start_seconds), chance, show
            )
    except (InputError, ReplayError) as error:
        typer.echo(f"paddock simulate: {error}", err=True)
        raise typer.Exit(2) from None
    if output is Output.JSON:
        typer.echo(json.dumps(document(replayed), indent=1))
        return
    from paddock.cli.decisions import terminal

    _print(terminal(), traffic, replayed)


@dataclass(frozen=True, slots=True)
class ByChance:
    """What the options leave to chance, with traffic and without."""

    seed: int | None
    seeds: int
    whole: bool
    on_demand: bool
    lost_instances: float

    @property
    def wanted(self) -> bool:
        return self.seed is not None or self.whole or self.on_demand

    def run(self, output: Output) -> int:
        """Without traffic: fleets, or what `--whole` or `--on-demand` says."""
        from paddock.advisor.documents import InputError
        from paddock.simulator.__main__ import main

        if self.lost_instances:
            raise InputError("--lost-instances needs traffic: fleets by seed lose theirs by chance")
        if self.whole and self.on_demand:
            raise InputError("give --whole or --on-demand")
        kind = ["--whole"] * self.whole + ["--on-demand"] * self.on_demand
        return main([*kind, "--seed", str(self.seed or 0), "--seeds", str(self.seeds), "--output", output.value])

    def must_agree(self, trace: Path | None, trace_option: Path | None) -> None:
        """With traffic."""
        from paddock.advisor.documents import InputError

        if trace is not None and trace_option is not None:
            raise InputError("give the trace file once, with --trace or without")
        if self.whole or self.on_demand:
            raise InputError("--whole and --on-demand make their own traffic: leave it out")
        if self.seeds != 1:
            raise InputError("--seeds is for whole fleets: leave the traffic out, and give --seed")
        if self.lost_instances and self.seed is None:
            raise InputError("--lost-instances needs --seed, which says when they die")


def _work_ms(traffic: Trace, duration_ms: float | None, cpu_ms: float | None) -> tuple[float, float]:
    """Duration and CPU: as said, else as the trace knows them, else `DURATION_MS` and a tenth of the duration."""
    known = traffic.duration_ms.mean if traffic.duration_ms else DURATION_MS
    duration = duration_ms or known or DURATION_MS
    known_cpu = traffic.cpu_ms.mean if traffic.cpu_ms else 0.0
    return duration, cpu_ms or known_cpu or duration * CPU_SHARE


@contextmanager
def _progress() -> Iterator[Show]:
    """On stderr, and only where that is a terminal: what a program reads is on stdout."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("simulating"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("simulating", total=None)
        yield lambda done, whole: progress.update(bar, completed=done, total=whole)


def _traffic(
    path: Path | None,
    trace_format: str | None,
    function: str | None,
    drawn: tuple[str | None, float | None, float | None, int],
) -> Trace:
    from paddock.advisor.documents import InputError
    from paddock.cli.advising import traffic_from_file, traffic_from_shape

    kind, rps, peak_rps, days = drawn
    if (path is None) == (kind is None):
        raise InputError("give a trace file, or draw traffic with --shape and --rps")
    if path is not None:
        return traffic_from_file(path, trace_format, function, quiet=False)
    return traffic_from_shape(str(kind), rps, peak_rps, days)


@dataclass(frozen=True, slots=True)
class Chance:
    """What is left to it. Without a seed, nothing."""

    seed: int | None = None
    lost_instances_per_day: float = 0.0


@dataclass(frozen=True, slots=True)
class SimulatedFleet:
    """What the options say of the fleet."""

    type_name: str
    slots: int
    memory_mb: int
    memory_gib_per_vcpu: float
    minimum: int
    maximum: int | None
    max_vcpu: int

    def replay(
        self,
        traffic: Trace,
        work_ms: tuple[float, float],
        delays: tuple[float, float],
        chance: Chance,
        show: Show | None = None,
    ) -> Replay:
        """`work_ms`: duration and CPU of an invocation; `delays`: seconds of a launch and of a start."""
        from paddock import catalogue
        from paddock.advisor.documents import InputError
        from paddock.model.capacity_provider import CapacityProviderScalingConfig
        from paddock.model.fleet import EnvironmentShape, ScalingBounds
        from paddock.simulator.trace_fleet import Delays
        from paddock.simulator.trace_replay import ReplayedWorkload, ReplaySettings, replay

        instance_type = catalogue.load().types.get(self.type_name)
        if instance_type is None:
            raise InputError(f"{self.type_name} is no C, M or R type of the catalogue: see `paddock prices show`")
        if self.maximum is not None and self.maximum < self.minimum:
            raise InputError("--max-environments must not be below --min-environments")
        settings = ReplaySettings(
            bounds=ScalingBounds(self.minimum, self.maximum),
            scaling=CapacityProviderScalingConfig(max_vcpu_count=self.max_vcpu),
            delays=Delays(*delays),
            seed=chance.seed,
            lost_instances_per_day=chance.lost_instances_per_day,
        )
        shape = EnvironmentShape(self.memory_mb, self.memory_mb / 1024 / self.memory_gib_per_vcpu, self.slots)
        duration_ms, cpu_ms = work_ms
        if cpu_ms > duration_ms * shape.vcpu * ROUNDED:
            raise InputError(
                f"utilisation cannot exceed 1: {cpu_ms:g} ms of CPU in {duration_ms:g} ms would keep "
                f"{cpu_ms / duration_ms:,.1f} vCPU busy, and an execution environment has {shape.vcpu:g}"
            )
        workload = ReplayedWorkload(*(each / 1000 for each in work_ms))
        return replay(traffic.counts, workload, shape, instance_type, settings, progress=show)


def document(replayed: Replay) -> dict[str, Any]:
    """The replay as JSON has it: sums, and a value for each tick."""
    ticks = (
        "arrivals",
        "in_flight",
        "ready",
        "instances",
        "cpu_utilization",
        "slot_throttles",
        "cpu_throttles",
        "cap_throttles",
    )
    return {
        "tick_seconds": replayed.tick_seconds,
        "throttles": replayed.throttles,
        "throttled_share": replayed.throttled_share,
        "instance_hours": replayed.instance_hours,
        "lost_instances": replayed.lost_instances,
        "failed": replayed.failed,
        "ticks": {name: getattr(replayed, name).tolist() for name in ticks},
        "decisions": [
            {
                "second": each.second,
                "environments": each.environments,
                "instances": each.instances,
                "reasons": list(each.reasons),
            }
            for each in replayed.decisions
        ],
    }


def _print(console: Console, traffic: Trace, replayed: Replay) -> None:
    most = int(replayed.ready.max())
    console.print(
        f"{traffic.invocations:,.0f} invocations in {traffic.days:.1f} days, {traffic.mean_per_second:,.1f} a second; "
        f"throttled {replayed.throttles:,.0f} ({replayed.throttled_share:.4%}): slots "
        f"{replayed.slot_throttles.sum():,.0f}, CPU {replayed.cpu_throttles.sum():,.0f}, ceiling "
        f"{replayed.cap_throttles.sum():,.0f}; environments up to {most}, instances up to "
        f"{int(replayed.instances.max())}, {replayed.instance_hours:,.0f} instance hours; CPU at most "
        f"{float(replayed.cpu_utilization.max()):.0%}"
        + (f"; {replayed.lost_instances} instances died with {replayed.failed:,.0f}" if replayed.lost_instances else "")
        + (" invocations" if replayed.lost_instances else ""),
        highlight=False,
    )
    for each in replayed.decisions[:SHOWN_DECISIONS]:
        at = f"{int(each.second // 3600):4d}:{int(each.second // 60 % 60):02d}"
        console.print(f"{at} {each.environments} environments on {each.instances} instances", highlight=False)
        for reason in each.reasons:
            console.print(f"       because {reason}", style="dim", highlight=False, markup=False)
    if len(replayed.decisions) > SHOWN_DECISIONS:
        more = len(replayed.decisions) - SHOWN_DECISIONS
        console.print(f"and {more} more decisions: --output json has them all", highlight=False)
