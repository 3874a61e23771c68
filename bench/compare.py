"""Does a change pay? `python -m bench.compare now=src before=/elsewhere/src`: variants of the product in turn, round by
round, so that neighbours disturb all alike; CPU per invocation of server, agents and runtime, medians.

A variant is a directory of sources, and environment variables for what starts from it: `NAME=DIRECTORY;VARIABLE=VALUE`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from bench import requests, table
from bench.processes import load
from bench.product import FUNCTION, deploy, product

REPOSITORY = Path(__file__).parent.parent
WITHOUT_EXECUTION_ENV = {"AWS_LAMBDA_EXEC_WRAPPER": "./without_execution_env"}
VARIANT_SECONDS = 300
FIGURES = ("per second", "server µs", "agents µs", "platform µs", "runtime µs", "p50 ms", "p99 ms", "errors")

Found = dict[str, dict[str, float]]


def measured(options: argparse.Namespace) -> Found:
    """What this very process's sources do, by invocations in flight."""
    found: Found = {}
    with (
        TemporaryDirectory(prefix="paddock-bench-") as directory,
        product(Path(directory), options.runtimes_dir) as there,
    ):
        variables = WITHOUT_EXECUTION_ENV if options.without_execution_env else {}
        deploy(there, options.runtime, options.slots, 1, variables, system_log_level=options.log_level)
        platform, runtimes = there.groups()
        request = requests.invoke(there.port, FUNCTION, requests.payload(options.payload), key=there.key)
        for in_flight in options.in_flight.split(","):
            order = {
                "port": there.port,
                "request": request.decode("latin-1"),
                "in_flight": int(in_flight),
                "warm_up_seconds": 0.5,
                "seconds": options.seconds,
                "groups": [*platform, *runtimes],
            }
            found[in_flight] = figures(load(order), there.server.group, platform, runtimes)
    return found


def figures(result: dict[str, Any], server: int, platform: Sequence[int], runtimes: Sequence[int]) -> dict[str, float]:
    each = 1e6 / max(result["answers"], 1)
    cpu: Mapping[str, float] = result["cpu"]
    of_platform = sum(cpu[str(group)] for group in platform) * each
    of_server = cpu[str(server)] * each
    return {
        "per second": result["answers"] / result["elapsed"],
        "server µs": of_server,
        "agents µs": of_platform - of_server,
        "platform µs": of_platform,
        "runtime µs": sum(cpu[str(group)] for group in runtimes) * each,
        "p50 ms": result["p50"] * 1000,
        "p99 ms": result["p99"] * 1000,
        "errors": result["answers"] - result["statuses"].get("200", 0),
    }


def of_variant(variant: str) -> Found:
    """In a process of its own, with this variant's sources before all others."""
    directory, *settings = variant.split(";")
    environment = dict(setting.split("=", 1) for setting in settings)
    path = os.pathsep.join([str(Path(directory).absolute()), str(REPOSITORY)])
    done = subprocess.run(
        [sys.executable, "-m", "bench.compare", "--one", *sys.argv[1:]],
        env={**os.environ, **environment, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=VARIANT_SECONDS,
    )
    found: Found = json.loads(done.stdout.splitlines()[-1])
    return found


def cells(rounds: Mapping[str, Sequence[Found]]) -> list[tuple[str, ...]]:
    """Headings first."""
    lines: list[tuple[str, ...]] = [("in flight", "variant", *FIGURES)]
    for in_flight in next(iter(rounds.values()))[0]:
        for name, of in rounds.items():
            medians = (median(one[in_flight][figure] for one in of) for figure in FIGURES)
            lines.append((in_flight, name, *(f"{value:,.2f}" if value < 10 else f"{value:,.0f}" for value in medians)))
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.compare", description=__doc__)
    parser.add_argument("variants", nargs="+", metavar="NAME=DIRECTORY[;VARIABLE=VALUE]")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--in-flight", default="1,16")
    parser.add_argument("--payload", type=int, default=100)
    parser.add_argument("--slots", type=int, default=16)
    parser.add_argument("--runtime", default="python3.13")
    parser.add_argument("--log-level", default="INFO", help="INFO writes two platform records for each invocation")
    parser.add_argument("--without-execution-env", action="store_true", help="leave AWS_EXECUTION_ENV out")
    parser.add_argument("--runtimes-dir", type=Path, default=REPOSITORY / ".cache")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measured(options)))
        return
    variants = dict(variant.split("=", 1) for variant in options.variants)
    rounds: dict[str, list[Found]] = {name: [] for name in variants}
    for _ in range(options.rounds):
        for name, variant in variants.items():
            rounds[name].append(of_variant(variant))
    print(table.text(cells(rounds)))


if __name__ == "__main__":
    main()
