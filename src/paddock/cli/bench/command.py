"""`paddock bench`: a trace replayed against a function on this machine, and the forecast beside what was measured."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from paddock.cli.decisions import terminal
from paddock.cli.options import DataDir, Output, OutputOption, client, found_server
from paddock.cli.status import fetch_status

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from rich.console import Console

    from paddock.advisor.traces.trace import Trace
    from paddock.cli.bench.figures import Comparison
    from paddock.cli.bench.forecast import FleetNow
    from paddock.cli.bench.measuring import Alone, Watched
    from paddock.cli.bench.report import BenchReport
    from paddock.cli.bench.schedule import Stretch
    from paddock.cli.bench.subject import Package, Subject
    from paddock.cli.load import Load
    from paddock.server.data_dir import KeyPair, RunningServer

MOST_SECONDS = 3600
MOST_EVENT_BYTES = 6 * 1024 * 1024
CONNECTIONS = 128
PLAIN_SECONDS = 10


def bench(
    function: Annotated[str, typer.Argument(help="A function on managed instances, or a ZIP, directory or file.")],
    *,
    trace: Annotated[Path, typer.Option(help="The trace to replay; formats as of `paddock advise`.")],
    trace_format: Annotated[str | None, typer.Option("--format", help="When it is not recognised.")] = None,
    trace_function: Annotated[str | None, typer.Option(help="Which function of the trace, or `all`.")] = None,
    seconds: Annotated[float, typer.Option(min=5, max=MOST_SECONDS, help="How long to drive traffic.")] = 60,
    squeeze: Annotated[
        bool, typer.Option("--squeeze", help="The whole trace in that time, not its busiest stretch.")
    ] = False,
    scale: Annotated[
        float | None, typer.Option(min=0, help="Factor of the trace's rate. [default: what this machine takes]")
    ] = None,
    event: Annotated[Path | None, typer.Option(help="JSON file handed to each invocation.")] = None,
    handler: Annotated[str, typer.Option(help="Of a package.")] = "app.handler",
    runtime: Annotated[str, typer.Option(help="Of a package.")] = "python3.13",
    memory_mb: Annotated[int, typer.Option(min=2048, max=32768, help="Of a package on managed instances.")] = 2048,
    default_memory_mb: Annotated[int, typer.Option(min=128, max=10240, help="On default Lambda.")] = 1024,
    concurrency: Annotated[int | None, typer.Option(min=1, max=1600, help="Slots per environment.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the arrivals: the same seed, the same traffic.")] = 1,
    data_dir: DataDir = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Replay a trace, scaled to this machine, open loop, and set the forecast beside what was measured.

    The function runs on managed instances, and a copy of it on default Lambda where the server has it.
    """
    from botocore.exceptions import ClientError, WaiterError

    from paddock.advisor.documents import InputError
    from paddock.cli.advising import traffic_from_file
    from paddock.cli.bench.report import print_report

    running, keys = found_server(data_dir)
    console = terminal(stderr=output is Output.JSON)
    try:
        traffic = traffic_from_file(trace, trace_format, trace_function, quiet=output is Output.JSON)
        payload = _payload(event)
        package = _package(Path(function), handler, runtime, (memory_mb, default_memory_mb), concurrency)
        asked = _Asked(traffic, seconds, scale, seed, payload, squeeze)
        report = _Bench(console, running, keys, asked).run(function, package, default_memory_mb)
    except InputError as error:
        typer.echo(f"paddock: {error}", err=True)
        raise typer.Exit(2) from None
    except (ClientError, WaiterError) as error:
        typer.echo(f"paddock: the server would not: {error}", err=True)
        raise typer.Exit(1) from None
    if output is Output.JSON:
        typer.echo(json.dumps(report.document(), indent=1))
    else:
        print_report(console, report)


def _payload(event: Path | None) -> bytes:
    from paddock.advisor.documents import InputError

    if event is None:
        return b"{}"
    try:
        with event.open("rb") as file:
            text = file.read(MOST_EVENT_BYTES + 1)
        json.loads(text)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=str(event)) from error
    except ValueError as error:
        raise InputError(f"is no JSON: {error}", file=str(event)) from error
    if len(text) > MOST_EVENT_BYTES:
        raise InputError("an event has at most 6 MB", file=str(event))
    return text


def _package(
    path: Path, handler: str, runtime: str, memory: tuple[int, int], concurrency: int | None
) -> Package | None:
    """None when FUNCTION is no path: then it is a name."""
    from paddock.cli.bench.subject import Package, package_of

    if not path.exists():
        return None
    return Package(package_of(path), handler, runtime, memory[0], memory[1], concurrency, {})


@dataclass(frozen=True, slots=True)
class _Asked:
    trace: Trace
    seconds: float
    scale: float | None
    seed: int
    payload: bytes
    squeeze: bool


class _Bench:
    """One bench, from the function that is deployed to the report. What it deployed is gone when it returns."""

    def __init__(self, console: Console, running: RunningServer, keys: KeyPair, asked: _Asked) -> None:
        from paddock.ports.clock import RandomIds, SystemClock

        self._console = console
        self._running = running
        self._keys = keys
        self._asked = asked
        self._clock = SystemClock()
        self._name = f"paddock-bench-{RandomIds().hex(8)}"
        self._api = client("lambda", running, keys, connections=CONNECTIONS)
        self._cores = float(os.cpu_count() or 1)
        self._account = ""

    def run(self, function: str, package: Package | None, default_memory_mb: int) -> BenchReport:
        from paddock.cli.bench.subject import deployed, deployed_for_a_while

        self._account = client("sts", self._running, self._keys).get_caller_identity()["Account"]
        with ExitStack() as stack:
            if package is None:
                subject = deployed(self._api, function, default_memory_mb)
            else:
                subject = stack.enter_context(
                    deployed_for_a_while(self._api, self._account, self._name, package, self._say)
                )
            return self._compare(subject)

    def _compare(self, subject: Subject) -> BenchReport:
        from paddock.advisor.documents import InputError
        from paddock.cli.bench.forecast import forecast_managed, load_of
        from paddock.cli.bench.measuring import alone, rows_of
        from paddock.cli.bench.report import BenchReport
        from paddock.cli.bench.schedule import MOST_REQUESTS, due_times

        watched = self._watched(subject.name)
        self._say("one invocation after the other, to know what one takes")
        single = alone(self._api, watched, self._asked.payload, self._clock)
        rows = rows_of(self._status(), subject.name)
        if not rows:
            raise InputError(f"{subject.name} has no ready execution environment: see `paddock status`")
        fleet = self._fleet(subject.name, rows)
        stretch = self._stretch()
        scale, why = self._scale(stretch, fleet, single)
        due = due_times(stretch, scale, self._asked.seed)
        if not 1 <= len(due) <= MOST_REQUESTS:
            raise InputError(f"{len(due):,} requests would be sent; 1 to {MOST_REQUESTS:,} can be: change --scale")
        load = load_of(due, single, self._cores, self._asked.seed)
        expected = forecast_managed(load, fleet, self._cores, stretch.seconds)
        managed = self._measured("managed_instances", expected, watched, due, stretch.seconds)
        other = self._default(subject, single, due, stretch.seconds)
        return BenchReport(
            function=subject.name,
            trace=self._asked.trace.source,
            first_minute=stretch.first_minute,
            seconds=stretch.seconds,
            hurry=stretch.hurry,
            scale=scale,
            scale_reason=why,
            peak_per_second=stretch.peak_per_second * scale,
            alone_ms=single.mean_seconds * 1000,
            alone_cpu_ms=single.cpu_seconds * 1000,
            cores=self._cores,
            seed=self._asked.seed,
            comparisons=(managed, other),
            notes=("client and server use the same cores; the forecast counts the function alone",),
        )

    def _watched(self, name: str) -> Watched:
        from paddock.cli.bench.measuring import Watched

        return Watched(self._status, name)

    def _status(self) -> dict[str, Any]:
        return fetch_status(self._running, self._keys)

    def _say(self, text: str) -> None:
        self._console.print(f"  {text}", highlight=False, markup=False)

    def _fleet(self, name: str, rows: list[tuple[dict[str, Any], dict[str, Any]]]) -> FleetNow:
        from paddock.cli.bench.forecast import fleet_now

        answer = self._api.get_function_scaling_config(FunctionName=name, Qualifier="$LATEST.PUBLISHED")
        scaling = answer.get("AppliedFunctionScalingConfig") or answer.get("RequestedFunctionScalingConfig") or {}
        instance = rows[0][1]["instance_id"]
        cap = next(
            provider["max_vcpu_count"]
            for provider in self._status()["providers"]
            if any(each["instance_id"] == instance for each in provider["instances"])
        )
        return fleet_now(rows, scaling, cap)

    def _stretch(self) -> Stretch:
        from paddock.cli.bench.schedule import busiest, squeezed

        counts, seconds = self._asked.trace.counts, self._asked.seconds
        return squeezed(counts, seconds) if self._asked.squeeze else busiest(counts, seconds)

    def _scale(self, stretch: Stretch, fleet: FleetNow, single: Alone) -> tuple[float, str]:
        from paddock.advisor.documents import InputError
        from paddock.cli.bench.schedule import MOST_PER_SECOND, Limits, chosen_rate

        if self._asked.scale is None:
            limits = Limits(self._cores, fleet.slots, single.mean_seconds, single.cpu_seconds)
            rate, why = chosen_rate(limits)
            return rate / stretch.peak_per_second, why
        if stretch.peak_per_second * self._asked.scale > MOST_PER_SECOND:
            raise InputError(
                f"--scale {self._asked.scale:g} is {stretch.peak_per_second * self._asked.scale:,.0f} requests a "
                f"second at the peak; one client sends {MOST_PER_SECOND:.0f} at most"
            )
        return self._asked.scale, "as asked"

    def _measured(
        self, kind: str, expected: Any, watched: Watched, due: NDArray[np.float64], seconds: float
    ) -> Comparison:
        from paddock.cli.bench.figures import Comparison
        from paddock.cli.bench.measuring import drive
        from paddock.cli.load import MAX_IN_FLIGHT, Due

        requests = [Due(at, watched.function_name, self._asked.payload) for at in due.tolist()]
        self._say(f"{kind.replace('_', ' ')}: {len(due):,} requests in {seconds:.0f} s")
        with self._console.status("driving traffic") as spinner:
            said = [0.0]

            def show(load: Load) -> None:
                text = f"{load.elapsed_seconds():.0f} s: {len(load.answers):,} answered, {load.in_flight} in flight"
                spinner.update(text)
                if not self._console.is_terminal and load.elapsed_seconds() - said[0] >= PLAIN_SECONDS:
                    said[0] = load.elapsed_seconds()
                    self._say(text)

            found, load = drive(self._api, watched, requests, seconds, self._clock, show)
        notes = tuple(dict.fromkeys(each.detail for each in load.answers if each.detail))[:3]
        if load.peak_in_flight >= MAX_IN_FLIGHT:
            notes = (*notes, f"the client had all of its {MAX_IN_FLIGHT} threads in flight: it was no open loop then")
        return Comparison(kind, expected, found, notes=notes)

    def _with_cold_starts(self, comparison: Comparison, name: str) -> Comparison:
        """Each environment writes a log stream of its own; the first one was started before the load."""
        logs = client("logs", self._running, self._keys)
        pages = logs.get_paginator("describe_log_streams").paginate(logGroupName=f"/aws/lambda/{name}")
        count = sum(len(page["logStreams"]) for page in pages)
        if comparison.measured is None or count == 0:
            return comparison
        return replace(
            comparison, measured=replace(comparison.measured, environments_started=count - 1, environments=count)
        )

    def _default(self, subject: Subject, single: Alone, due: NDArray[np.float64], seconds: float) -> Comparison:
        """The copy on default Lambda; without one the forecast stands alone and says why."""
        from paddock.cli.bench.figures import Comparison
        from paddock.cli.bench.forecast import forecast_default, load_of
        from paddock.cli.bench.subject import DefaultUnavailableError, default_for_a_while

        load = load_of(due, single, self._cores, self._asked.seed)
        assumed = 0.5
        name = f"{self._name}-default"
        try:
            with default_for_a_while(
                self._api, self._account, subject, name, self._asked.payload, self._clock
            ) as first_seconds:
                start = max(0.0, first_seconds - single.mean_seconds)
                expected = forecast_default(load, start, self._cores, seconds, warm=1)
                measured = self._measured("default", expected, self._watched(name), due, seconds)
                return self._with_cold_starts(measured, name)
        except DefaultUnavailableError as error:
            expected = forecast_default(load, assumed, self._cores, seconds)
            note = f"a cold start is taken to cost {assumed:g} s: none could be measured"
            return Comparison("default", expected, unavailable=str(error), notes=(note,))
