"""From options to advice: what `advise` does between reading its options and showing the answer."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from paddock.advisor.advice import Advice, advise
from paddock.advisor.aws_calculator import (
    INSTANCE_TYPES,
    RUNTIME_CONCURRENCY_PER_VCPU,
    CalculatorAnswer,
    CalculatorInput,
    calculate,
)
from paddock.advisor.candidates import Requirements
from paddock.advisor.default_lambda import monthly_requests
from paddock.advisor.documents import InputError
from paddock.advisor.measure import measure
from paddock.advisor.traces.read import TraceFormat, read_trace
from paddock.advisor.traces.shapes import Shape, ShapeKind, draw
from paddock.advisor.traces.trace import Trace
from paddock.advisor.workload import Stated, Workload, architectures, settle
from paddock.catalogue import CatalogueError, load
from paddock.model.capacity_provider import Architecture
from paddock.model.ids import Region

Kind = TypeVar("Kind", TraceFormat, ShapeKind)

PROGRESS_FROM_BYTES = 8 * 1024 * 1024
"""Smaller files are read before a bar could be seen."""


def traffic_from_file(path: Path, trace_format: str | None, function: str | None, *, quiet: bool) -> Trace:
    chosen = None if trace_format is None else _choice("--format", TraceFormat, trace_format)
    if quiet or not path.exists() or path.stat().st_size < PROGRESS_FROM_BYTES:
        return read_trace(path, trace_format=chosen, function=function)
    columns = (TextColumn("reading {task.fields[name]}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("reading", name=path.name, total=None)
        return read_trace(
            path,
            trace_format=chosen,
            function=function,
            progress=lambda done, size: progress.update(bar, completed=done, total=size),
        )


def traffic_from_shape(kind: str, rps: float | None, peak_rps: float | None, days: int) -> Trace:
    if rps is None:
        raise InputError("a shape needs --rps, its requests a second")
    return draw(Shape(_choice("--shape", ShapeKind, kind), rps, peak_rps, days))


def _choice(option: str, kinds: type[Kind], text: str) -> Kind:
    try:
        return kinds(text)
    except ValueError as error:
        raise InputError(f"{option} is {text!r}; it must be one of {', '.join(kinds)}") from error


def measured(stated: Stated, handler: str, event: Path | None) -> Stated:
    """What was measured fills in what was not said."""
    found = measure(handler, event)
    return replace(
        stated,
        duration_ms=stated.duration_ms or found.duration_ms,
        p99_ms=stated.p99_ms or (None if stated.duration_ms else max(found.p99_ms, found.duration_ms)),
        cpu_ms=stated.cpu_ms or max(found.cpu_ms, 0.001),
        memory_mb=stated.memory_mb or found.memory_mb,
        measured=True,
    )


def requirements_of(
    architecture: str, types: tuple[tuple[str, ...], tuple[str, ...]], min_environments: int
) -> Requirements:
    """`types` are the allowed and the excluded ones, of which one is empty."""
    allowed, excluded = types
    if allowed and excluded:
        raise InputError(
            "give allowed types or excluded types, not both: a capacity provider takes one of the two lists"
        )
    return Requirements(
        architectures=architectures(architecture),
        allowed_instance_types=allowed,
        excluded_instance_types=excluded,
        minimum_environments=min_environments,
    )


def advice_for(
    trace: Trace, stated: Stated, *, region: str, requirements: Requirements, free_tier: bool, prices: Path
) -> Advice:
    try:
        catalogue = load(prices)
    except CatalogueError as error:
        raise InputError(str(error)) from error
    workload = settle(stated, trace)
    return advise(trace, workload, catalogue, Region(region), requirements, free_tier=free_tier)


def listed(text: str | None) -> tuple[str, ...]:
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())


def calculator_answer(trace: Trace, stated: Stated, architecture: str, allowed: tuple[str, ...]) -> CalculatorAnswer:
    """AWS's calculator asked about this traffic: its coarse choices are the nearest to what we know."""
    workload = settle(stated, trace)
    if workload.runtime not in RUNTIME_CONCURRENCY_PER_VCPU:
        raise InputError(f"AWS's calculator has no runtime {workload.runtime!r}")
    peak = trace.peak_per_second(0.99) * workload.duration_ms.mean / 1000
    given = CalculatorInput(
        target_concurrency=Decimal(str(round(stated.concurrency or max(peak, 0.01), 4))),
        memory_mb_per_execution=Decimal(workload.default_memory_mb),
        requests_per_month=monthly_requests(trace),
        duration_seconds=Decimal(str(round(workload.duration_ms.mean / 1000, 9))),
        runtime=workload.runtime,
        instance_type=allowed[0] if len(allowed) == 1 else next(iter(INSTANCE_TYPES)),
        architecture=Architecture.X86_64 if architecture == "x86_64" else Architecture.ARM64,
        workload_type=_workload_type(workload),
    )
    return calculate(given)


def _workload_type(workload: Workload) -> str:
    """The nearest of its three CPU shares: 12.5, 25 and 50 %."""
    if workload.cpu_share < 0.1875:
        return "io-heavy"
    return "balanced" if workload.cpu_share < 0.375 else "cpu-heavy"
