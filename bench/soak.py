"""Hours of steady load: `python -m bench.soak --hours 2 --rate 60 --out soak.jsonl`.

A signed load at a fixed rate, and each minute a line of JSON: what was answered and how fast, what the server, the
agents and the runtimes hold of memory, descriptors and threads, how large the stores have become. At the end, or at
Ctrl-C, one line for each of them says whether it stayed flat. The exit status is 1 if one did not, or if anything was
answered with an error.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench import requests
from bench.cpu import held
from bench.flatness import Allowance, Trend, trend
from bench.processes import load
from bench.product import FUNCTION, Product, deploy, product

MINUTE = 60.0
CONNECTIONS = 64
WARM_UP_SECONDS = 0.5
STORES = ("logs", "metrics", "code", "paddock.db", "paddock.db-wal", "instances")

Sample = dict[str, float]

ALLOWANCES: Mapping[str, Allowance] = {
    "server memory, MB": Allowance(0.05, 3.0),
    "agents memory, MB": Allowance(0.05, 3.0),
    "server descriptors": Allowance(0.0, 2.0),
    "agents descriptors": Allowance(0.0, 2.0),
    "runtimes descriptors": Allowance(0.0, 2.0),
    "server threads": Allowance(0.0, 2.0),
    "agents threads": Allowance(0.0, 2.0),
    "runtimes threads": Allowance(0.0, 2.0),
    "p50, ms": Allowance(0.25, 0.3),
    "p99, ms": Allowance(0.5, 5.0),
    "log bytes of an invocation": Allowance(0.05, 5.0),
}
"""Memory: what allocators and full log buffers move by. Latency: what neighbours on the machine do."""

RUNTIME_BYTES_OF_AN_INVOCATION = 200
"""Python's client sets `_X_AMZN_TRACE_ID` for each invocation, and the C library keeps every value that a variable
ever had: some 150 bytes. Behind the barest Runtime API server a worker grows as much as soon as trace ids differ.
"""


def one_minute(there: Product, rate: float, seconds: float) -> Sample:
    """Signed again each time, because a signature holds for five minutes."""
    logs = directory_bytes(there.data_dir / "logs")
    result = load(
        {
            "port": there.port,
            "request": requests.invoke(there.port, FUNCTION, requests.payload(100), key=there.key).decode("latin-1"),
            "rate": rate,
            "connections": CONNECTIONS,
            "warm_up_seconds": WARM_UP_SECONDS,
            "seconds": seconds,
            "groups": [],
        }
    )
    answers: int = result["answers"]  # type: ignore[assignment]
    good: int = result["statuses"].get("200", 0)  # type: ignore[attr-defined]
    found: Sample = {
        "answers": answers,
        "errors": answers - good + float(str(result["unsent"])),
        "p50, ms": float(str(result["p50"])) * 1000,
        "p99, ms": float(str(result["p99"])) * 1000,
    }
    platform, runtimes = there.groups()
    agents = [group for group in platform if group != there.server.group]
    for name, groups in (("server", [there.server.group]), ("agents", agents), ("runtimes", runtimes)):
        memory_mb, descriptors, threads = held(groups)
        found |= {
            f"{name} memory, MB": memory_mb,
            f"{name} descriptors": descriptors,
            f"{name} threads": threads,
        }
    found |= {f"{name}, MB": directory_bytes(there.data_dir / name) / 1e6 for name in STORES}
    written = directory_bytes(there.data_dir / "logs") - logs
    found["log bytes of an invocation"] = written / max(answers + WARM_UP_SECONDS * rate, 1)
    return found


def directory_bytes(path: Path) -> int:
    """Of a file, or of all files below a directory; what goes away meanwhile is not counted."""
    total = 0
    for each in [path, *path.rglob("*")] if path.is_dir() else [path]:
        try:
            total += each.lstat().st_size if not each.is_dir() else 0
        except OSError:
            continue
    return total


def verdict(samples: Sequence[Sample]) -> list[Trend]:
    hours = [sample["hours"] for sample in samples]
    invocations = sum(sample["answers"] for sample in samples)
    of_runtimes = Allowance(0.05, 5.0 + invocations * RUNTIME_BYTES_OF_AN_INVOCATION / 1e6)
    allowances = {**ALLOWANCES, "runtimes memory, MB": of_runtimes}
    return [
        trend(name, hours, [sample[name] for sample in samples], allowance) for name, allowance in allowances.items()
    ]


def report(samples: Sequence[Sample]) -> bool:
    """Prints what the samples say; whether all is well."""
    trends = verdict(samples)
    invocations, errors = (sum(sample[name] for sample in samples) for name in ("answers", "errors"))
    hours = samples[-1]["hours"] if samples else 0.0
    print(f"{hours:.2f} hours, {invocations:,.0f} invocations, {errors:.0f} not answered with 200")
    for name in STORES:
        sizes = [sample[f"{name}, MB"] for sample in samples]
        print(f"{name}: {sizes[0]:.1f} MB after the first minute, {sizes[-1]:.1f} MB at the end")
    print(*trends, sep="\n", flush=True)
    return not errors and all(each.flat for each in trends)


def soak(there: Product, options: argparse.Namespace, samples: list[Sample]) -> None:
    began = time.monotonic()
    while (elapsed := time.monotonic() - began) < options.hours * 3600:
        sample = one_minute(there, options.rate, options.sample_seconds - WARM_UP_SECONDS)
        sample = {"hours": (elapsed + options.sample_seconds) / 3600, **sample}
        samples.append(sample)
        with options.out.open("a", encoding="utf-8") as file:
            file.write(json.dumps({name: round(value, 4) for name, value in sample.items()}) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--rate", type=float, default=100.0, help="invocations a second")
    parser.add_argument("--sample-seconds", type=float, default=MINUTE)
    parser.add_argument("--out", type=Path, default=Path("soak.jsonl"), help="a line of JSON for each minute")
    parser.add_argument("--report", type=Path, help="only say what the lines of this file mean")
    parser.add_argument("--slots", type=int, default=16)
    parser.add_argument("--environments", type=int, default=2)
    parser.add_argument("--runtime", default="python3.13")
    parser.add_argument("--runtimes-dir", type=Path, default=Path(".cache"))
    options = parser.parse_args()
    samples: list[Sample] = []
    if options.report is not None:
        samples = [json.loads(line) for line in options.report.read_text(encoding="utf-8").splitlines()]
        sys.exit(0 if report(samples) else 1)
    with (
        tempfile.TemporaryDirectory(prefix="paddock-soak-") as directory,
        product(Path(directory), options.runtimes_dir) as there,
    ):
        deploy(there, options.runtime, options.slots, options.environments, {})
        try:
            soak(there, options, samples)
        except KeyboardInterrupt:
            print("ended early", file=sys.stderr)
    sys.exit(0 if samples and report(samples) else 1)


if __name__ == "__main__":
    main()
