"""The options of `paddock advise`, one line each, so that the command itself can be read."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Method(StrEnum):
    PADDOCK = "paddock"
    AWS_CALCULATOR = "aws-calculator"


Trace = Annotated[Path | None, typer.Argument(help="A trace file; leave out to draw a --shape.")]
TraceFormat = Annotated[str | None, typer.Option("--format", help="Trace format, when it is not recognised.")]
Function = Annotated[str | None, typer.Option(help="Which function of the trace, or `all`.")]
Shape = Annotated[str | None, typer.Option(help="steady, diurnal, step, spike or weekly.")]
Rps = Annotated[float | None, typer.Option(help="Requests a second of a shape's base.")]
PeakRps = Annotated[float | None, typer.Option(help="Requests a second a shape rises to.")]
Days = Annotated[int, typer.Option(help="How long a shape lasts.")]
DurationMs = Annotated[float | None, typer.Option(min=0.001, help="Mean duration of an invocation.")]
P99Ms = Annotated[float | None, typer.Option(min=0.001, help="Its 99th percentile.")]
CpuMs = Annotated[float | None, typer.Option(min=0.001, help="CPU time of an invocation.")]
MemoryMb = Annotated[float | None, typer.Option(min=1, help="Memory one invocation at a time uses.")]
DefaultMemoryMb = Annotated[int | None, typer.Option(min=128, max=10240, help="Memory default Lambda would be given.")]
Concurrency = Annotated[float | None, typer.Option(min=0, help="In flight, as you know it: checked.")]
Runtime = Annotated[str | None, typer.Option(help="python3.13, nodejs22.x, java21, dotnet8, provided ...")]
Architecture = Annotated[str, typer.Option(help="arm64, x86_64 or any.")]
Region = Annotated[str, typer.Option(help="AWS region of the prices.")]
AllowedTypes = Annotated[
    str | None, typer.Option(help="Comma-separated instance types, * allowed: consider only these.")
]
ExcludedTypes = Annotated[str | None, typer.Option(help="Comma-separated instance types to leave out.")]
MinEnvironments = Annotated[int, typer.Option(min=1, max=15000, help="MinExecutionEnvironments.")]
PayloadKb = Annotated[float | None, typer.Option(min=0, help="Payload of an invocation.")]
Asynchronous = Annotated[bool, typer.Option("--asynchronous", help="Invoked as events: quota checked.")]
FreeTier = Annotated[bool, typer.Option("--free-tier", help="Default Lambda's free tier is yours.")]
Measure = Annotated[str | None, typer.Option(help="path/file.py:function: run it here for duration, CPU and memory.")]
Event = Annotated[Path | None, typer.Option(help="JSON file handed to the measured function.")]
MethodOption = Annotated[Method, typer.Option(help="Paddock's method, or AWS's public calculator's.")]
Html = Annotated[Path | None, typer.Option(help="Also write a self-contained HTML report with plots.")]
Simulate = Annotated[bool, typer.Option(help="Replay the traffic through the real planner.")]
Exact = Annotated[bool, typer.Option("--exact", help="Simulate each invocation through the router: short traces.")]
LaunchSeconds = Annotated[float, typer.Option(min=0, max=3600, help="Until an instance is there.")]
StartSeconds = Annotated[float, typer.Option(min=0, max=900, help="Until an environment serves, with its init.")]
