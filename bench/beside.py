"""Do large payloads hold up small ones? `python -m bench.beside`: small ones alone, then beside 6 MB ones.

Both loads are closed and signed. The function echoes, so that large answers go back as well. The same is asked of the
limit, whose one loop has neither chunks nor turns: what the processor alone costs the small ones shows there.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Any, NamedTuple

from bench import requests, table
from bench.processes import load
from bench.sitting import Manner, Setup, started, wait_for_quiet
from bench.subjects import Reached

SMALL_IN_FLIGHT, SMALL_BYTES = 4, 100
LARGE_IN_FLIGHT, LARGE_BYTES = 2, 6_000_000
SETUP = Setup("beside", (SMALL_IN_FLIGHT,), code="echo")
HEAD_START = 0.5
"""Seconds of large ones before the small ones are looked at."""
HEADINGS = ("subject", "small ones", "/s", "p50 ms", "p99 ms", "large ones/s", "errors")


class Beside(NamedTuple):
    per_second: float
    p50_ms: float
    p99_ms: float
    large_per_second: float
    errors: int


def order(reached: Reached, in_flight: int, size: int, warm_up: float, seconds: float) -> dict[str, Any]:
    return {
        "port": reached.port,
        "request": reached.request(requests.payload(size)).decode("latin-1"),
        "in_flight": in_flight,
        "warm_up_seconds": warm_up,
        "seconds": seconds,
        "groups": [],
    }


def measure(reached: Reached, manner: Manner, *, large: bool) -> Beside:
    wait_for_quiet(manner.patience)
    small = order(reached, SMALL_IN_FLIGHT, SMALL_BYTES, HEAD_START + manner.warm_up, manner.seconds)
    orders = [small]
    if large:
        orders.append(order(reached, LARGE_IN_FLIGHT, LARGE_BYTES, manner.warm_up, manner.seconds + 2 * HEAD_START))
    with ThreadPoolExecutor(len(orders)) as pool:
        results: list[dict[str, Any]] = list(pool.map(load, orders))
    errors = sum(result["answers"] - result["statuses"].get("200", 0) for result in results)
    of_small = results[0]
    return Beside(
        of_small["answers"] / of_small["elapsed"],
        of_small["p50"] * 1000,
        of_small["p99"] * 1000,
        results[1]["answers"] / results[1]["elapsed"] if large else 0.0,
        errors,
    )


def beside(manner: Manner) -> list[tuple[str, ...]]:
    """Headings first."""
    lines: list[tuple[str, ...]] = [HEADINGS]
    with started(SETUP, manner) as reached:
        rounds = [
            {
                (name, large): measure(one, manner, large=large)
                for name, one in reached.items()
                for large in (False, True)
            }
            for _ in range(manner.rounds)
        ]
    for key in rounds[0]:
        of = [one[key] for one in rounds]
        per_second, p50, p99, large_per_second = (median(one[place] for one in of) for place in range(4))
        where = f"beside {LARGE_IN_FLIGHT} of {table.size_text(LARGE_BYTES)}" if key[1] else "alone"
        lines.append(
            (
                key[0],
                f"{SMALL_IN_FLIGHT} of {table.size_text(SMALL_BYTES)}, {where}",
                f"{per_second:,.0f}",
                f"{p50:.2f}",
                f"{p99:.2f}",
                f"{large_per_second:.1f}",
                str(sum(one.errors for one in of)),
            )
        )
    return lines


if __name__ == "__main__":
    print(table.text(beside(Manner())))
