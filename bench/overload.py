"""More than fits: `python -m bench.overload` offers a small fleet a multiple of its capacity and says what came of it.

The function waits a known time in each of a known number of slots, so its capacity is known. Wanted: goodput that stays
near its peak, refusals that come at once, accepted work that is as fast as ever, memory that does not grow; and a burst
of simultaneous invokes that hangs nothing.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bench import requests, table
from bench.code import FUNCTIONS
from bench.cpu import group_memory_mb
from bench.processes import load
from bench.product import FUNCTION, Product, deploy, product

SLOTS = 16
WAIT_MS = 50
CAPACITY = SLOTS * 1000 / WAIT_MS
MULTIPLES = (0.5, 0.9, 1.0, 2.0, 5.0, 20.0)
CONNECTIONS = 1000
BURST = 1000
HEADINGS = (
    "offered", "answers/s", "good/s", "of peak", "p50 ms", "p99 ms", "refused p50 ms", "refused p99 ms", "other",
    "server MB",
)  # fmt: skip


class Offered(NamedTuple):
    """`other`: neither answered nor refused with 429, or not sent because every connection was still waiting."""

    name: str
    answers: float
    good: float
    p50_ms: float
    p99_ms: float
    refused_p50_ms: float
    refused_p99_ms: float
    other: int
    memory_mb: float


def measured(there: Product, seconds: float) -> Iterator[Offered]:
    for multiple in MULTIPLES:
        order = {"rate": multiple * CAPACITY, "connections": CONNECTIONS}
        yield offered(there, f"{multiple:g} x capacity", order, seconds)
    yield offered(there, f"{BURST} callers at once", {"in_flight": BURST}, seconds)


def offered(there: Product, name: str, how: dict[str, Any], seconds: float) -> Offered:
    event = b'{"wait_ms":%d}' % WAIT_MS
    result: dict[str, Any] = load(
        {
            "port": there.port,
            "request": requests.invoke(there.port, FUNCTION, event, key=there.key).decode("latin-1"),
            "warm_up_seconds": 0.5,
            "seconds": seconds,
            "groups": [],
            **how,
        }
    )
    by_status, elapsed = result["by_status"], result["elapsed"]
    none = {"count": 0, "p50": 0.0, "p99": 0.0}
    good, refused = by_status.get("200", none), by_status.get("429", none)
    return Offered(
        name,
        result["answers"] / elapsed,
        good["count"] / elapsed,
        good["p50"] * 1000,
        good["p99"] * 1000,
        refused["p50"] * 1000,
        refused["p99"] * 1000,
        result["answers"] - good["count"] - refused["count"] + result["unsent"],
        group_memory_mb(there.server.group),
    )


def cells(found: Sequence[Offered]) -> list[tuple[str, ...]]:
    """Headings first."""
    peak = max(one.good for one in found)
    lines = [
        (
            one.name,
            f"{one.answers:,.0f}",
            f"{one.good:,.0f}",
            f"{one.good / max(peak, 1e-9):.2f}",
            *(f"{ms:.1f}" for ms in (one.p50_ms, one.p99_ms, one.refused_p50_ms, one.refused_p99_ms)),
            str(one.other),
            f"{one.memory_mb:.0f}",
        )
        for one in found
    ]
    return [HEADINGS, *lines]


def overload(runtime: str, runtimes_dir: Path, seconds: float) -> tuple[str, list[tuple[str, ...]]]:
    """What was offered to what, and the table."""
    with (
        tempfile.TemporaryDirectory(prefix="paddock-bench-") as directory,
        product(Path(directory), runtimes_dir) as there,
    ):
        deploy(there, runtime, SLOTS, 1, {}, task_root=FUNCTIONS / "wait")
        found = list(measured(there, seconds))
    return f"capacity {CAPACITY:,.0f}/s: {SLOTS} slots, {WAIT_MS} ms each; offered on {CONNECTIONS} connections", cells(
        found
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.overload", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--runtime", default="python3.13")
    parser.add_argument("--runtimes-dir", type=Path, default=Path(".cache"))
    options = parser.parse_args()
    described, found = overload(options.runtime, options.runtimes_dir, options.seconds)
    print(described, table.text(found), sep="\n")


if __name__ == "__main__":
    main()
