"""`paddock advise`: LMI, default Lambda or too close to call, from a trace or a drawn shape."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from paddock.cli.options import DataDir, Output, OutputOption, resolved

if TYPE_CHECKING:
    from paddock.advisor.advice import Advice
    from paddock.advisor.aws_calculator import CalculatorAnswer
    from paddock.advisor.report.timeline import Timeline
    from paddock.advisor.traces.trace import Trace

REFRESHED_PRICES = "prices.json"


class Method(StrEnum):
    PADDOCK = "paddock"
    AWS_CALCULATOR = "aws-calculator"


def advise(
    trace: Annotated[Path | None, typer.Argument(help="A trace file; leave out to draw a --shape.")] = None,
    *,
    trace_format: Annotated[
        str | None, typer.Option("--format", help="Trace format, when it is not recognised.")
    ] = None,
    function: Annotated[str | None, typer.Option(help="Which function of the trace, or `all`.")] = None,
    shape: Annotated[str | None, typer.Option(help="steady, diurnal, step, spike or weekly.")] = None,
    rps: Annotated[float | None, typer.Option(help="Requests a second of a shape's base.")] = None,
    peak_rps: Annotated[float | None, typer.Option(help="Requests a second a shape rises to.")] = None,
    days: Annotated[int, typer.Option(help="How long a shape lasts.")] = 7,
    duration_ms: Annotated[float | None, typer.Option(min=0.001, help="Mean duration of an invocation.")] = None,
    p99_ms: Annotated[float | None, typer.Option(min=0.001, help="Its 99th percentile.")] = None,
    cpu_ms: Annotated[float | None, typer.Option(min=0.001, help="CPU time of an invocation.")] = None,
    memory_mb: Annotated[float | None, typer.Option(min=1, help="Memory one invocation at a time uses.")] = None,
    default_memory_mb: Annotated[
        int | None, typer.Option(min=128, max=10240, help="Memory default Lambda would be given.")
    ] = None,
    concurrency: Annotated[float | None, typer.Option(min=0, help="In flight, as you know it: checked.")] = None,
    runtime: Annotated[str | None, typer.Option(help="python3.13, nodejs22.x, java21, dotnet8, provided ...")] = None,
    architecture: Annotated[str, typer.Option(help="arm64, x86_64 or any.")] = "any",
    region: Annotated[str, typer.Option(help="AWS region of the prices.")] = "us-east-1",
    allowed_types: Annotated[
        str | None, typer.Option(help="Comma-separated instance types, * allowed: consider only these.")
    ] = None,
    excluded_types: Annotated[str | None, typer.Option(help="Comma-separated instance types to leave out.")] = None,
    min_environments: Annotated[int, typer.Option(min=1, max=15000, help="MinExecutionEnvironments.")] = 3,
    payload_kb: Annotated[float | None, typer.Option(min=0, help="Payload of an invocation.")] = None,
    asynchronous: Annotated[bool, typer.Option("--asynchronous", help="Invoked as events: quota checked.")] = False,
    free_tier: Annotated[bool, typer.Option("--free-tier", help="Default Lambda's free tier is yours.")] = False,
    measure: Annotated[
        str | None, typer.Option(help="path/file.py:function: run it here for duration, CPU and memory.")
    ] = None,
    event: Annotated[Path | None, typer.Option(help="JSON file handed to the measured function.")] = None,
    method: Annotated[Method, typer.Option(help="Paddock's method, or AWS's public calculator's.")] = Method.PADDOCK,
    html: Annotated[Path | None, typer.Option(help="Also write a self-contained HTML report with plots.")] = None,
    simulate: Annotated[bool, typer.Option(help="Replay the traffic through the real planner.")] = True,
    launch_seconds: Annotated[float, typer.Option(min=0, max=3600, help="Until an instance is there.")] = 90,
    start_seconds: Annotated[
        float, typer.Option(min=0, max=900, help="Until an environment serves, with its init.")
    ] = 7,
    data_dir: DataDir = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Advise whether managed instances are right for this traffic, on which machines and at what price."""
    from paddock.advisor.advice import with_simulated_throttles
    from paddock.advisor.documents import InputError
    from paddock.advisor.workload import Stated
    from paddock.cli.advising import advice_for, calculator_answer, listed, measured, simulated

    stated = Stated(
        duration_ms=duration_ms,
        p99_ms=p99_ms,
        cpu_ms=cpu_ms,
        memory_mb=memory_mb,
        default_memory_mb=default_memory_mb,
        runtime=runtime,
        payload_bytes=None if payload_kb is None else payload_kb * 1024,
        asynchronous=asynchronous,
        concurrency=concurrency,
    )
    try:
        traffic = _traffic(trace, trace_format, function, shape, rps, peak_rps, days, quiet=output is Output.JSON)
        if measure is not None:
            stated = measured(stated, measure, event)
        if method is Method.AWS_CALCULATOR:
            _show_calculator(calculator_answer(traffic, stated, architecture, listed(allowed_types)), output)
            return
        advice = advice_for(
            traffic,
            stated,
            region=region,
            architecture=architecture,
            allowed=listed(allowed_types),
            excluded=listed(excluded_types),
            min_environments=min_environments,
            free_tier=free_tier,
            prices=resolved(data_dir) / REFRESHED_PRICES,
        )
    except InputError as error:
        typer.echo(f"paddock: {error}", err=True)
        raise typer.Exit(2) from None
    quiet = output is Output.JSON
    timeline = None
    if simulate:
        timeline = simulated(advice, launch_seconds, start_seconds, quiet=quiet)
        least = int(timeline.instances.min())
        advice = with_simulated_throttles(advice, timeline.throttled_share, least)
    _show(advice, timeline, output)
    if html is not None:
        _write_page(advice, timeline, html)


def _traffic(
    trace: Path | None,
    trace_format: str | None,
    function: str | None,
    shape: str | None,
    rps: float | None,
    peak_rps: float | None,
    days: int,
    *,
    quiet: bool,
) -> Trace:
    from paddock.advisor.documents import InputError
    from paddock.cli.advising import traffic_from_file, traffic_from_shape

    if trace is not None and shape is not None:
        raise InputError("give a trace or a --shape, not both")
    if trace is not None:
        return traffic_from_file(trace, trace_format, function, quiet=quiet)
    if shape is None:
        raise InputError("give a trace file, or draw traffic with --shape and --rps")
    return traffic_from_shape(shape, rps, peak_rps, days)


def _show(advice: Advice, timeline: Timeline | None, output: Output) -> None:
    from paddock.advisor.as_json import advice_as_json
    from paddock.cli.advice_text import print_advice
    from paddock.ports.clock import SystemClock

    if output is Output.JSON:
        typer.echo(json.dumps(advice_as_json(advice, timeline), indent=1))
    else:
        print_advice(advice, timeline, SystemClock().now().date())


def _write_page(advice: Advice, timeline: Timeline | None, target: Path) -> None:
    from paddock.advisor.report.page import render
    from paddock.ports.clock import SystemClock

    try:
        target.write_text(render(advice, timeline, SystemClock().now().date()), encoding="utf-8")
    except OSError as error:
        typer.echo(f"paddock: {target} cannot be written: {error.strerror}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"report: {target}", err=True)


def _show_calculator(answer: CalculatorAnswer, output: Output) -> None:
    from paddock.cli.advice_text import differences, print_calculator
    from paddock.cli.bill import as_json

    if output is Output.TEXT:
        print_calculator(answer)
        return
    shown = {
        "method": "aws-calculator",
        "concurrency_per_vcpu": answer.concurrency_per_vcpu,
        "function_memory_mb": answer.function_memory_mb,
        "vcpu_per_environment": answer.vcpu_per_environment,
        "concurrency_per_environment": answer.concurrency_per_environment,
        "environments": answer.environments,
        "environments_per_instance": answer.environments_per_instance,
        "base_instances": answer.base_instances,
        "instances": answer.instances,
        "managed_instances": as_json(answer.managed_instances),
        "default": as_json(answer.default_lambda),
        "mean_concurrency": float(answer.mean_concurrency),
        "differences": list(differences(answer)),
    }
    typer.echo(json.dumps(shown, indent=1))
