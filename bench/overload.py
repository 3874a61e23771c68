"""More than fits: `python -m bench.overload` offers a small fleet a multiple of its capacity and says what came of it.

The function waits a known time in each of a known number of slots, so its capacity is known. Wanted: goodput that stays
near its peak, refusals that come at once, accepted work that is as fast as ever, memory that does not grow; and a burst
of simultaneous invokes that hangs nothing.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from bench import requests
from bench.cpu import group_memory_mb
from bench.processes import load
from bench.product import FUNCTION, Product, deploy, product

SLOTS = 16
WAIT_MS = 50
CAPACITY = SLOTS * 1000 / WAIT_MS
MULTIPLES = (0.5, 0.9, 1.0, 2.0, 5.0, 20.0)
BURST = 1000
_LINE = "{:>10} {:>10} {:>9} {:>9} {:>9} {:>11} {:>11} {:>9} {:>8}"


def order(there: Product, seconds: float) -> dict[str, Any]:
    event = b'{"wait_ms":%d}' % WAIT_MS
    return {
        "port": there.port,
        "request": requests.invoke(there.port, FUNCTION, event, key=there.key).decode("latin-1"),
        "warm_up_seconds": 0.5,
        "seconds": seconds,
        "groups": [],
    }


def offered(there: Product, multiple: float, seconds: float) -> None:
    result = load({**order(there, seconds), "rate": multiple * CAPACITY, "connections": 1000})
    line(there, f"{multiple:g} x", result)


def burst(there: Product) -> None:
    """So many connections, one request on each, all at once and again."""
    line(there, f"{BURST} at once", load({**order(there, 2.0), "in_flight": BURST}))


def line(there: Product, name: str, result: dict[str, Any]) -> None:
    by_status, elapsed = result["by_status"], result["elapsed"]
    none = {"count": 0, "p50": 0.0, "p99": 0.0}
    good, refused = by_status.get("200", none), by_status.get("429", none)
    others = result["answers"] - good["count"] - refused["count"]
    print(
        _LINE.format(
            name,
            f"{result['answers'] / elapsed:,.0f}",
            f"{good['count'] / elapsed:,.0f}",
            f"{good['p50'] * 1000:.1f}",
            f"{good['p99'] * 1000:.1f}",
            f"{refused['p50'] * 1000:.1f}",
            f"{refused['p99'] * 1000:.1f}",
            f"{others + result['unsent']}",
            f"{group_memory_mb(there.server.group):.0f}",
        ),
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.overload", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--runtime", default="python3.13")
    parser.add_argument("--runtimes-dir", type=Path, default=Path(".cache"))
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="paddock-bench-") as directory,
        product(Path(directory), options.runtimes_dir) as there,
    ):
        deploy(there, options.runtime, SLOTS, 1, {}, code="wait")
        print(
            f"capacity {CAPACITY:,.0f}/s: {SLOTS} slots, {WAIT_MS} ms each; latencies in ms, memory of the server in MB"
        )
        print(
            _LINE.format(
                "offered", "answers/s", "good/s", "p50", "p99", "refused p50", "refused p99", "other", "memory"
            )
        )
        for multiple in MULTIPLES:
            offered(there, multiple, options.seconds)
        burst(there)


if __name__ == "__main__":
    main()
