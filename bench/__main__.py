"""`python -m bench`: measures this machine in one sitting and prints tables of ratios, a section at a time.

`--short` is a look of a minute, for continuous integration: it compares with the history and fails only where a ratio
has collapsed. `--setup` measures one setup of one's own.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from bench import history, sections, table
from bench.report import Report
from bench.sections import SECTIONS, TITLES, Result
from bench.sitting import RUNTIMES_DIR, Manner, Setup, sit
from bench.subjects import SUBJECTS

HISTORY = Path(__file__).parent / "history.jsonl"
SHORT_MANNER = {"rounds": 2, "seconds": 1.0, "patience": 1.0}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    how = parser.add_argument_group("how")
    how.add_argument("--rounds", type=int, help="how often everything is measured (3)")
    how.add_argument("--seconds", type=float, help="how long each measurement takes (1.5)")
    how.add_argument("--patience", type=float, help="seconds to wait for a quiet machine before each one (2)")
    how.add_argument("--runtimes-dir", type=Path, default=RUNTIMES_DIR, help="where runtimes are installed")
    what = parser.add_argument_group("what")
    what.add_argument("--sections", default=",".join(SECTIONS), help="separated by commas; all of them by default")
    what.add_argument("--out", type=Path, help="keep what was found in this JSON file, and as a page beside it")
    what.add_argument("--resume", action="store_true", help="leave out the sections that the file has already")
    what.add_argument("--short", action="store_true", help="a minute, compared with the history")
    what.add_argument("--record", action="store_true", help="with --short: add the ratios to the history")
    what.add_argument("--history", type=Path, default=HISTORY)
    own = parser.add_argument_group("a setup of one's own")
    own.add_argument("--setup", action="store_true", help="measure what the following options say")
    own.add_argument("--in-flight", default="1,16", help="separated by commas")
    own.add_argument("--payloads", default="100", help="bytes of the event, separated by commas")
    own.add_argument("--slots", type=int, default=16, help="of each execution environment")
    own.add_argument("--environments", type=int, default=1, help="each on an instance of its own")
    own.add_argument(
        "--function",
        default="noop",
        choices=("noop", "echo", "wait", "at_once"),
        help="noop; echo, whose answers are as long as the event; wait, for events that say how long; or at_once, a"
        " runtime of its own for provided.al2023",
    )
    own.add_argument("--runtime", default="python3.13")
    own.add_argument("--without-execution-env", action="store_true", help="leave AWS_EXECUTION_ENV out")
    own.add_argument("--only", default=",".join(SUBJECTS), help="separated by commas")
    options = parser.parse_args()
    unknown = set(options.sections.split(",")) - SECTIONS.keys()
    if unknown:
        parser.error(f"there is no section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    return options


def manner_of(options: argparse.Namespace) -> Manner:
    said = {name: getattr(options, name) for name in ("rounds", "seconds", "patience")}
    given = {name: value for name, value in said.items() if value is not None}
    return Manner(**{**(SHORT_MANNER if options.short else {}), **given}, runtimes_dir=options.runtimes_dir)


def own_setup(options: argparse.Namespace) -> Setup:
    return Setup(
        options.runtime + (" without AWS_EXECUTION_ENV" if options.without_execution_env else ""),
        tuple(map(int, options.in_flight.split(","))),
        tuple(options.only.split(",")),
        tuple(map(int, options.payloads.split(","))),
        options.runtime,
        options.slots,
        options.environments,
        options.function,
        not options.without_execution_env,
    )


def about(manner: Manner) -> str:
    cores = os.cpu_count()
    python = sys.version.split()[0]
    day = datetime.now(UTC).date().isoformat()
    return f"{day}, {cores} cores, Python {python}; {manner.rounds} rounds of {manner.seconds:g} s, medians"


def show(title: str, result: Result, seconds: float) -> None:
    print(f"\n{title} ({seconds:.0f} s)")
    if result.described:
        print(result.described)
    lines = sections.lines_of(result)
    if lines:
        print(table.text(lines))
    for what, figure in result.figures.items():
        print(f"  {what.ljust(80)} {figure:8.2f}")
    if result.text:
        print(result.text)
    for failure in result.failed:
        print(f"NOT MEASURED: {failure}")
    sys.stdout.flush()


def long(options: argparse.Namespace, manner: Manner) -> bool:
    """Every section, whatever becomes of the others; whether all was measured."""
    report = Report(options.out, about(manner))
    if options.resume:
        report.resume()
    print(about(manner))
    complete = True
    for name in options.sections.split(","):
        if options.resume and report.has(name):
            continue
        began = time.monotonic()
        try:
            result = SECTIONS[name](manner)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is reported and the other sections go on
            result = Result(failed=[f"{type(error).__name__}: {error}"])
        seconds = time.monotonic() - began
        complete = complete and not result.failed
        show(TITLES[name], result, seconds)
        report.add(name, result, seconds)
    print("\nGoals", table.text(report.goals()), sep="\n")
    return complete


def short(options: argparse.Namespace, manner: Manner) -> bool:
    began = time.monotonic()
    sat = sit(sections.SHORT, manner)
    show(about(manner), Result(sat.rows, figures=sat.figures), time.monotonic() - began)
    line = history.entry(sat.rows, about(manner))
    comparisons = history.compared(options.history, line)
    print("", *comparisons, sep="\n")
    if options.record:
        history.append(options.history, line)
    return not any(comparison.collapsed for comparison in comparisons)


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started is ended then too
    options = arguments()
    manner = manner_of(options)
    if options.setup:
        sat = sit(own_setup(options), manner)
        show(about(manner), Result(sat.rows, figures=sat.figures), 0.0)
        return
    sys.exit(0 if (short if options.short else long)(options, manner) else 1)


if __name__ == "__main__":
    main()
