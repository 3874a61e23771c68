"""The demo's closing report, as a document and as text. Pure but for the console it is given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from paddock.cli.answers import Latency
from paddock.cli.decisions import print_decision, short
from paddock.cli.demo.summary import LoadSummary

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True, slots=True)
class EnvironmentRow:
    """One execution environment over the whole load. `cold_starts`: invocations sent before it was started."""

    environment: str
    function_name: str
    instance_id: str
    zone: str
    invocations: int
    most_in_flight: int
    cold_starts: int


@dataclass(frozen=True, slots=True)
class CostRow:
    """`usd_per_month` is None where a price is not known; `note` then says which."""

    what: str
    usd_per_month: float | None
    note: str


@dataclass(frozen=True, slots=True)
class DecisionRow:
    at: datetime
    actions: tuple[str, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    load: LoadSummary
    environments: tuple[EnvironmentRow, ...]
    instances: tuple[str, ...]
    decisions: tuple[DecisionRow, ...]
    costs: tuple[CostRow, ...]
    cost_notes: tuple[str, ...]
    runtime_notes: tuple[str, ...]

    @property
    def most_in_flight(self) -> int:
        return max((row.most_in_flight for row in self.environments), default=0)

    @property
    def cold_starts(self) -> int:
        return sum(row.cold_starts for row in self.environments)

    def document(self) -> dict[str, Any]:
        document = asdict(self)
        for decision in document["decisions"]:
            decision["at"] = decision["at"].isoformat()
        return document | {"most_in_flight": self.most_in_flight, "cold_starts": self.cold_starts}


def print_report(console: Console, report: Report) -> None:
    _print_load(console, report)
    _print_environments(console, report.environments)
    _print_decisions(console, report.decisions)
    _print_costs(console, report)


def _print_load(console: Console, report: Report) -> None:
    from rich import box
    from rich.table import Table

    load = report.load
    console.rule("[bold]What happened")
    console.print(
        f"{load.requests} requests in {load.seconds:.0f} s, {load.throughput_per_second:.1f} answered a second; "
        f"throttles {load.outcomes.get('throttled', 0)}, cold starts {report.cold_starts}, function errors "
        f"{load.outcomes.get('function error', 0)}, failures {load.outcomes.get('failed', 0)}; most in flight in one "
        f"environment {report.most_in_flight}",
        highlight=False,
    )
    table = Table("function", "requests", "ok", "p50 ms", "p90 ms", "p99 ms", "max ms", box=box.SIMPLE_HEAD)
    for each in load.functions:
        ok = str(each.outcomes.get("ok", 0))
        table.add_row(each.function_name, str(each.requests), ok, *_latency_cells(each.latency))
    console.print(table)
    for text in (*load.problems, *report.runtime_notes):
        console.print(f"note: {text}", highlight=False)


def _latency_cells(latency: Latency | None) -> Sequence[str]:
    if latency is None:
        return ("-",) * 4
    return tuple(f"{value:.0f}" for value in (latency.p50, latency.p90, latency.p99, latency.maximum))


def _print_environments(console: Console, environments: Sequence[EnvironmentRow]) -> None:
    from rich import box
    from rich.table import Table

    table = Table("environment", "function", "instance", "zone", "invocations", "most in flight", box=box.SIMPLE_HEAD)
    for row in environments:
        cells = (row.environment[-8:], row.function_name, short(row.instance_id), row.zone)
        table.add_row(*cells, str(row.invocations), str(row.most_in_flight))
    console.print(table)


def _print_decisions(console: Console, decisions: Sequence[DecisionRow]) -> None:
    console.rule("[bold]What was decided, and why")
    for decision in decisions:
        print_decision(console, f"{decision.at:%H:%M:%S}", decision.actions, decision.reasons)


def _print_costs(console: Console, report: Report) -> None:
    from rich import box
    from rich.table import Table

    console.rule("[bold]The same on AWS, kept up for a month")
    table = Table("", "USD a month", "", box=box.SIMPLE_HEAD)
    for row in report.costs:
        price = "unknown" if row.usd_per_month is None else f"{row.usd_per_month:,.2f}"
        table.add_row(row.what, price, row.note)
    console.print(table)
    for note in report.cost_notes:
        console.print(f"[dim]{note}[/dim]", highlight=False)
