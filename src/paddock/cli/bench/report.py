"""What the bench found, as a document and as text."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from paddock.cli.bench.figures import Comparison

if TYPE_CHECKING:
    from rich.console import Console

TITLES = {"managed_instances": "Managed instances", "default": "Default Lambda"}
COLD_STARTS = "cold starts"
"""On default Lambda whoever finds no idle environment waits for one to start."""

ROWS = (
    ("requests", "requests", ",.0f"),
    ("throughput_per_second", "answers a second", ",.2f"),
    ("mean_ms", "latency, mean ms", ",.1f"),
    ("p50_ms", "latency, p50 ms", ",.1f"),
    ("p99_ms", "latency, p99 ms", ",.1f"),
    ("throttles", "throttles", ",.0f"),
    ("errors", "errors", ",.0f"),
    ("environments_started", "environments started", ",.0f"),
    ("cpu_cores", "CPU, cores busy", ".3f"),
    ("most_in_flight", "in flight at most", ",.0f"),
    ("environments", "environments at most", ",.0f"),
    ("instances", "instances at most", ",.0f"),
)


@dataclass(frozen=True, slots=True)
class BenchReport:
    """`alone_*` is one invocation without company, which is what the forecast rests on."""

    function: str
    trace: str
    first_minute: int
    seconds: float
    hurry: float
    scale: float
    scale_reason: str
    peak_per_second: float
    alone_ms: float
    alone_cpu_ms: float
    cores: float
    seed: int
    comparisons: tuple[Comparison, ...]
    notes: tuple[str, ...]

    def document(self) -> dict[str, Any]:
        plain = asdict(self) | {"comparisons": [each.document() for each in self.comparisons]}
        return plain | {"notes": list(self.notes)}


def print_report(console: Console, report: BenchReport) -> None:
    faster = f", {report.hurry:,.0f} times as fast as it happened" if report.hurry != 1.0 else ""
    console.print(
        f"{report.trace} from minute {report.first_minute:,}, {report.seconds:.0f} s of it{faster}; "
        f"scale {report.scale:.3g}, at most {report.peak_per_second:.3g} requests a second ({report.scale_reason})",
        highlight=False,
    )
    console.print(
        f"one alone takes {report.alone_ms:.1f} ms and {report.alone_cpu_ms:.1f} ms of CPU; "
        f"this machine has {report.cores:g} cores, seed {report.seed}",
        highlight=False,
    )
    for comparison in report.comparisons:
        _print_comparison(console, comparison)
    for note in report.notes:
        console.print(f"· {note}", highlight=False, markup=False)


def _print_comparison(console: Console, comparison: Comparison) -> None:
    from rich import box
    from rich.table import Table

    console.print()
    console.print(f"[bold]{TITLES[comparison.kind]}[/bold]")
    if comparison.unavailable is not None:
        console.print(f"not measured: {comparison.unavailable}", highlight=False, markup=False)
    table = Table("", box=box.SIMPLE_HEAD)
    for heading in ("forecast", "measured", "error of the forecast"):
        table.add_column(heading, justify="right")
    forecast = asdict(comparison.forecast)
    measured = {} if comparison.measured is None else asdict(comparison.measured)
    errors = comparison.errors()
    for name, usual, form in ROWS:
        title = COLD_STARTS if (comparison.kind, name) == ("default", "environments_started") else usual
        if forecast[name] is None and measured.get(name) is None:
            continue
        error = errors.get(name)
        cells = (_cell(forecast[name], form), _cell(measured.get(name), form), "" if error is None else f"{error:+.0%}")
        table.add_row(title, *cells)
    console.print(table)
    for note in comparison.notes:
        console.print(f"· {note}", highlight=False, markup=False)


def _cell(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)
