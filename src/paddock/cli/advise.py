"""`paddock advise`: LMI, default Lambda or too close to call, from a trace or a drawn shape."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from paddock.cli import advise_options as options
from paddock.cli.options import DataDir, Output, OutputOption, resolved

if TYPE_CHECKING:
    from paddock.advisor.advice import Advice
    from paddock.advisor.aws_calculator import CalculatorAnswer
    from paddock.advisor.report.timeline import Timeline
    from paddock.advisor.traces.trace import Trace

REFRESHED_PRICES = "prices.json"


def advise(
    trace: options.Trace = None,
    *,
    trace_format: options.TraceFormat = None,
    function: options.Function = None,
    shape: options.Shape = None,
    rps: options.Rps = None,
    peak_rps: options.PeakRps = None,
    days: options.Days = 7,
    duration_ms: options.DurationMs = None,
    p99_ms: options.P99Ms = None,
    cpu_ms: options.CpuMs = None,
    memory_mb: options.MemoryMb = None,
    default_memory_mb: options.DefaultMemoryMb = None,
    concurrency: options.Concurrency = None,
    runtime: options.Runtime = None,
    architecture: options.Architecture = "any",
    region: options.Region = "us-east-1",
    allowed_types: options.AllowedTypes = None,
    excluded_types: options.ExcludedTypes = None,
    min_environments: options.MinEnvironments = 3,
    payload_kb: options.PayloadKb = None,
    asynchronous: options.Asynchronous = False,
    free_tier: options.FreeTier = False,
    measure: options.Measure = None,
    event: options.Event = None,
    method: options.MethodOption = options.Method.PADDOCK,
    html: options.Html = None,
    simulate: options.Simulate = True,
    exact: options.Exact = False,
    launch_seconds: options.LaunchSeconds = 90,
    start_seconds: options.StartSeconds = 7,
    data_dir: DataDir = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Advise whether managed instances are right for this traffic, on which machines and at what price."""
    from paddock.advisor.documents import InputError
    from paddock.advisor.workload import Stated
    from paddock.cli.advising import advice_for, calculator_answer, listed, measured, requirements_of

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
        traffic = _traffic(trace, trace_format, function, shape, rps, peak_rps, days, exact=exact, output=output)
        stated = stated if measure is None else measured(stated, measure, event)
        types = (listed(allowed_types), listed(excluded_types))
        if method is options.Method.AWS_CALCULATOR:
            _show_calculator(calculator_answer(traffic, stated, architecture, types[0]), output)
            return
        advice = advice_for(
            traffic,
            stated,
            region=region,
            requirements=requirements_of(architecture, types, min_environments),
            free_tier=free_tier,
            prices=resolved(data_dir) / REFRESHED_PRICES,
        )
    except InputError as error:
        typer.echo(f"paddock: {error}", err=True)
        raise typer.Exit(2) from None
    _answer(advice, (launch_seconds, start_seconds) if simulate or exact else None, html, output, exact=exact)


def _answer(
    advice: Advice, delays: tuple[float, float] | None, html: Path | None, output: Output, *, exact: bool
) -> None:
    """Replay, unless that is not wanted, and show."""
    from paddock.advisor.advice import with_simulated_throttles
    from paddock.cli.simulating import simulated

    timeline = None
    if delays is not None:
        timeline = simulated(advice, *delays, exact=exact, quiet=output is Output.JSON)
        advice = with_simulated_throttles(advice, timeline.throttled_share, int(timeline.instances.min()))
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
    exact: bool,
    output: Output,
) -> Trace:
    from paddock.cli.simulating import must_be_short

    found = _drawn_or_read(trace, trace_format, function, shape, rps, peak_rps, days, quiet=output is Output.JSON)
    if exact:
        must_be_short(found)
    return found


def _drawn_or_read(
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
