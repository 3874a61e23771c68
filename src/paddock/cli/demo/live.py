"""The demo's live view: one screen that says how the load is doing and where it runs. Only looks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from paddock.cli.decisions import short
from paddock.cli.demo.summary import summarise
from paddock.cli.load import Load

if TYPE_CHECKING:
    from rich.console import Group

BAR_WIDTH = 16


def view(load: Load, status: dict[str, Any]) -> Group:
    """What to show now. `status` is the server's status document, or empty when it could not be had."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    elapsed = min(load.elapsed_seconds(), load.seconds)
    summary = summarise(load.answers, max(elapsed, 1.0))
    latency = summary.latency
    head = Text.assemble(
        (f"{elapsed:4.0f} of {load.seconds:.0f} s", "bold"),
        f"   {summary.throughput_per_second:5.1f} answers/s   in flight {load.in_flight:3d}   ",
        f"p50 {latency.p50:.0f} ms   p99 {latency.p99:.0f} ms   " if latency else "",
        f"throttles {summary.outcomes.get('throttled', 0)}   errors {_errors(summary.outcomes)}",
    )
    table = Table("instance", "zone", "type", "environment", "function", "slots in use", "most", box=None)
    for row in environment_rows(status):
        table.add_row(*row)
    return Group(head, table)


def _errors(outcomes: dict[str, int]) -> int:
    return sum(count for outcome, count in outcomes.items() if outcome not in {"ok", "throttled"})


def environment_rows(status: dict[str, Any]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for provider in status.get("providers", ()):
        instances = {each["instance_id"]: each for each in provider["instances"]}
        for environment in sorted(provider["environments"], key=lambda each: (each["instance_id"], each["function"])):
            instance = instances.get(environment["instance_id"], {})
            rows.append(
                (
                    short(environment["instance_id"]),
                    str(instance.get("zone", "")),
                    str(instance.get("instance_type", "")),
                    environment["environment_id"][-8:],
                    " ".join(filter(None, (environment["function"], environment.get("tenant_id")))),
                    bar(environment["in_flight"], environment["max_concurrency"]),
                    str(environment["peak_in_flight"]),
                )
            )
    return rows


def bar(used: int, slots: int) -> str:
    filled = round(BAR_WIDTH * min(used, slots) / slots) if slots else 0
    return f"{'█' * filled}{'·' * (BAR_WIDTH - filled)} {used}/{slots}"
