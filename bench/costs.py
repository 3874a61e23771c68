"""Where the microseconds go: `python -m bench.costs` prints the table of docs/explanation/data-plane.md.

The parts are measured by themselves, without sockets; then the whole product, sockets and kernel and all, with the
platform's log records of each invocation and without them. Figures are CPU of this machine in this sitting: set them
against one another, not against another machine's.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
from pathlib import Path
from typing import cast

from bench import awsapi_front, requests, router_path, table
from bench.processes import load
from bench.product import FUNCTION, Product, deploy, product
from bench.sitting import wait_for_quiet

SLOTS = 16
PATIENCE = 3.0
PAYLOAD = requests.payload(100)


def parts() -> list[tuple[str, float]]:
    """Microseconds of CPU per invocation, by part."""
    front = {name: statistics.median(times) for name, times in awsapi_front.measure(PAYLOAD).items()}
    router = asyncio.run(_router())
    return [
        ("the parser alone, answering", front["bare httptools echo"]),
        ("HTTP: parse, limits, answer", front["HTTP: parse, limits, answer"]),
        ("signature (SigV4) verified", front["SigV4 alone"]),
        ("front, complete: HTTP, signature, request id, name", front["front, complete"]),
        *[(f"router: {name}", cost) for name, cost in router.items()],
    ]


async def _router() -> dict[str, float]:
    return {name: statistics.median(times) for name, times in router_path.measure(PAYLOAD).items()}


def whole(there: Product, in_flight: int, rounds: int) -> dict[str, float]:
    """CPU per invocation of the server, the agents and the runtime, medians of rounds."""
    platform, runtimes = there.groups()
    agents = [group for group in platform if group != there.server.group]
    found: dict[str, list[float]] = {"server": [], "agent": [], "runtime client and function": []}
    for _ in range(rounds):
        wait_for_quiet(PATIENCE)
        result = load(
            {
                "port": there.port,
                "request": requests.invoke(there.port, FUNCTION, PAYLOAD, key=there.key).decode("latin-1"),
                "in_flight": in_flight,
                "warm_up_seconds": 0.7,
                "seconds": 2.0,
                "groups": [*platform, *runtimes],
            }
        )
        each = 1e6 / cast("int", result["answers"])
        cpu = cast("dict[str, float]", result["cpu"])
        found["server"].append(cpu[str(there.server.group)] * each)
        found["agent"].append(sum(cpu[str(group)] for group in agents) * each)
        found["runtime client and function"].append(sum(cpu[str(group)] for group in runtimes) * each)
    return {name: statistics.median(costs) for name, costs in found.items()}


def costs(runtime: str, runtimes_dir: Path, rounds: int) -> list[tuple[str, ...]]:
    """Headings first."""
    found: list[tuple[str, ...]] = [("part, without sockets", "µs"), *((name, f"{cost:.1f}") for name, cost in parts())]
    for level, described in (("INFO", "platform records on"), ("WARN", "platform records off")):
        with (
            tempfile.TemporaryDirectory(prefix="paddock-bench-") as directory,
            product(Path(directory), runtimes_dir) as there,
        ):
            deploy(there, runtime, SLOTS, 1, {}, system_log_level=level)
            for in_flight in (1, SLOTS):
                for name, cost in whole(there, in_flight, rounds).items():
                    found.append((f"{name}, {in_flight} in flight, {described}", f"{cost:.0f}"))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.costs", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--runtime", default="python3.13")
    parser.add_argument("--runtimes-dir", type=Path, default=Path(".cache"))
    options = parser.parse_args()
    print(table.markdown(costs(options.runtime, options.runtimes_dir, options.rounds)))


if __name__ == "__main__":
    main()
