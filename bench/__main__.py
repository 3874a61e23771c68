"""`python -m bench`: measures this machine in one sitting and prints one table of ratios."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import cast

from bench import advisor, history, planning, requests, table
from bench.cpu import busy_seconds
from bench.processes import load
from bench.subjects import SUBJECTS, Reached, Surroundings
from bench.table import Key, Measured
from paddock.runtimes.installed import InstalledRuntime
from paddock.runtimes.progress import Progress
from paddock.runtimes.store import RuntimeStore

REFERENCE = "limit"
QUIET_SECONDS = 10.0
QUIET_PROBE_SECONDS = 0.3
QUIET_SHARE = 0.2
"""Of one core."""
RUNTIMES_DIR = Path(".cache")
"""Where tests and demos of this repository install runtimes too."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is measured")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long each measurement takes")
    parser.add_argument("--warm-up", type=float, default=0.7, help="seconds of load before each measurement")
    parser.add_argument("--patience", type=float, default=QUIET_SECONDS, help="seconds to wait for a quiet machine")
    parser.add_argument("--in-flight", default="1,16,64", help="invocations in flight, separated by commas")
    parser.add_argument("--payload", type=int, default=100, help="bytes of the event")
    parser.add_argument(
        "--slots",
        type=int,
        default=16,
        help="least concurrency of the execution environment; more in flight, more slots",
    )
    parser.add_argument("--environments", type=int, default=1, help="of the product; each on an instance of its own")
    parser.add_argument("--function", default="noop", help="noop, or echo for answers as long as the event")
    parser.add_argument("--runtime", default="python3.13")
    parser.add_argument("--without-execution-env", action="store_true", help="leave AWS_EXECUTION_ENV out")
    parser.add_argument("--only", default="", help=f"of {', '.join(SUBJECTS)}; separated by commas")
    parser.add_argument("--runtimes-dir", type=Path, default=RUNTIMES_DIR, help="where runtimes are installed")
    parser.add_argument("--short", action="store_true", help="one short round: a look, or for continuous integration")
    parser.add_argument("--history", type=Path, help="a file of ratios to compare with and to add to")
    options = parser.parse_args()
    options.only = [name.strip() for name in options.only.split(",")] if options.only else list(SUBJECTS)
    options.in_flight = [int(number) for number in options.in_flight.split(",")]
    if options.short:
        options.rounds, options.seconds, options.in_flight = 2, 1.0, [1, 16]
    return options


def wait_for_quiet(patience_seconds: float = QUIET_SECONDS) -> None:
    """Others use the machine too: wait for a moment in which they do not, but not for ever."""
    deadline = time.monotonic() + patience_seconds
    while time.monotonic() < deadline:
        before = busy_seconds()
        time.sleep(QUIET_PROBE_SECONDS)
        if busy_seconds() - before < QUIET_SHARE * QUIET_PROBE_SECONDS:
            return


def measure(reached: Reached, in_flight: int, options: argparse.Namespace) -> Measured:
    wait_for_quiet(options.patience)
    payload = requests.payload(options.payload)
    result = load(
        {
            "port": reached.port,
            "request": reached.request(payload).decode("latin-1"),
            "in_flight": in_flight,
            "warm_up_seconds": options.warm_up,
            "seconds": options.seconds,
            "groups": [*reached.platform, *reached.runtime],
        }
    )
    answers = cast("int", result["answers"])
    cpu = cast("dict[str, float]", result["cpu"])
    elapsed = cast("float", result["elapsed"])
    statuses = cast("dict[str, int]", result["statuses"])
    ours = sum(cpu.values()) + cast("float", result["own"])
    each = 1e6 / max(answers, 1)
    return Measured(
        per_second=statuses.get("200", 0) / elapsed,
        p50_us=cast("float", result["p50"]) * 1e6,
        p99_us=cast("float", result["p99"]) * 1e6,
        platform_us=sum(cpu[str(group)] for group in reached.platform) * each,
        runtime_us=sum(cpu[str(group)] for group in reached.runtime) * each,
        errors=answers - statuses.get("200", 0),
        foreign=max(cast("float", result["busy"]) - ours, 0.0) / elapsed / (os.cpu_count() or 1),
    )


def started(stack: ExitStack, runtime: InstalledRuntime, options: argparse.Namespace) -> dict[Key, Reached]:
    """Every subject, once for each number of slots that is needed."""
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="paddock-bench-")))
    found = {}
    for name in options.only:
        for slots in {max(count, options.slots) for count in options.in_flight}:
            surroundings = Surroundings(
                runtime,
                slots,
                options.environments,
                options.function,
                not options.without_execution_env,
                directory,
                options.runtimes_dir,
            )
            found[name, slots] = stack.enter_context(SUBJECTS[name](surroundings))
    return found


def measured_rounds(reached: Mapping[Key, Reached], options: argparse.Namespace) -> list[dict[Key, Measured]]:
    rounds: list[dict[Key, Measured]] = []
    for number in range(options.rounds):
        one: dict[Key, Measured] = {}
        for count in options.in_flight:
            for name in options.only:
                one[name, count] = measure(reached[name, max(count, options.slots)], count, options)
                print(f"\rround {number + 1}: {name}, {count} in flight   ", end="", file=sys.stderr)
        rounds.append(one)
    print(file=sys.stderr)
    return rounds


def sitting(runtime: InstalledRuntime, rounds: Sequence[Mapping[Key, Measured]], options: argparse.Namespace) -> str:
    noise = [measured.foreign for one in rounds for measured in one.values()]
    env = "without" if options.without_execution_env else "with"
    return (
        f"{options.runtime} {runtime.resolution.version}, {options.slots} slots or more, {env} AWS_EXECUTION_ENV, "
        f"{options.payload} B; {options.rounds} rounds of {options.seconds} s; {os.cpu_count()} cores, "
        f"others used {100 * sum(noise) / len(noise):.0f} % (at most {100 * max(noise):.0f} %)"
    )


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started is ended then too
    options = arguments()
    everything = options.only == list(SUBJECTS)
    runtime = RuntimeStore(options.runtimes_dir).ensure(options.runtime, say)
    with ExitStack() as stack:
        reached = started(stack, runtime, options)
        rounds = measured_rounds(reached, options)
    described = sitting(runtime, rounds, options)
    print(described)
    print(table.text(table.rows(rounds, REFERENCE)))
    for (name, slots), subject in reached.items():
        if subject.figures:
            print(f"\n{name}, {slots} slots:")
            for what, figure in subject.figures.items():
                print(f"  {what.ljust(48)} {figure:8.2f}")
    if options.history is not None:
        line = history.entry(rounds, REFERENCE, described)
        print("", *history.compared(options.history, line), sep="\n")
        history.append(options.history, line)
    if everything and not options.short:
        advisor.main()
        planning.main()


def say(progress: Progress) -> None:
    print(f"\r{progress.step} ".ljust(60), end="", file=sys.stderr)


if __name__ == "__main__":
    main()
