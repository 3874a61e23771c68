"""`python -m paddock.simulator --seed 7 --seeds 200`: simulate by seed; who breaks a promise is named."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from typing import Any

from paddock.simulator.report import Report
from paddock.simulator.seeds import FLEETS, ON_DEMAND, WHOLE, Kind, again, listed, simulate_seeds, told

DESCRIPTION = """Simulate by seed, with faults, and check every promise at every event.
The same seed is the same run every time. Without --whole or --on-demand: fleets of managed instances, about a tenth of
a second each; the decision cores drive played instances."""
STOPPED = 130
"""What a shell says of a program that Ctrl-C has ended."""


def main(arguments: list[str] | None = None) -> int:
    """0: every promise was kept; 1: one was broken, and its seed is told."""
    options = _options(arguments)
    kind = WHOLE if options.whole else ON_DEMAND if options.on_demand else FLEETS
    seeds = range(options.seed, options.seed + options.seeds)
    total, broken, done = Report(options.seed), [], 0
    is_text = options.output == "text"
    try:
        for report in simulate_seeds(kind, seeds, processes=1 if len(seeds) == 1 else options.processes):
            total.add(report)
            done += 1
            if report.broken is not None:
                broken.append(report)
            if is_text and (report.broken is not None or len(seeds) == 1):
                sys.stdout.write(f"{told(kind, report)}\n")
                sys.stdout.flush()
    except KeyboardInterrupt:
        sys.stderr.write(f"stopped after {done} of {len(seeds)} seeds, {len(broken)} broken\n")
        return STOPPED
    if is_text:
        sys.stdout.write(summed(kind, total, done, len(broken)))
    else:
        sys.stdout.write(f"{json.dumps(document(kind, total, seeds, broken), indent=1)}\n")
    return 1 if broken else 0


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m paddock.simulator",
        description=DESCRIPTION,
        epilog="Ends with 1 when a promise was broken: the seed, its story and the command for it are shown.",
    )
    parser.add_argument("--seed", type=int, default=0, help="the first seed (default 0)")
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds from there (default 1)")
    parser.add_argument("--processes", type=int, default=None, help="at once (default: one for each core)")
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument(
        "--whole",
        action="store_true",
        help="the product itself: real control plane, routers, HTTP and agents on a network in memory; seconds each",
    )
    kinds.add_argument(
        "--on-demand",
        action="store_true",
        help="default Lambda: its limits, slots and plans; hundredths of a second each",
    )
    parser.add_argument("--output", choices=("text", "json"), default="text", help="json: one document at the end")
    options = parser.parse_args(arguments)
    if options.seed < 0:
        parser.error("--seed must not be negative")
    if options.seeds < 1 or (options.processes is not None and options.processes < 1):
        parser.error("--seeds and --processes must be at least 1")
    return options


def summed(kind: Kind, total: Report, seeds: int, broken: int) -> str:
    """What all seeds came to, a line for each sort of thing that was counted."""
    lines = [f"{seeds} seeds of {kind.name}, {broken} broken; {total.seconds:.0f} s simulated, {total.events} events"]
    lines += [f"  {title}: {listed(counts)}" for title, counts in _counted(total) if counts]
    return "\n".join(lines) + "\n"


def _counted(total: Report) -> tuple[tuple[str, Counter[str]], ...]:
    return (
        ("calls", total.outcomes),
        ("faults injected", total.faults),
        ("asked for meanwhile", total.requests),
        ("decisions", total.decisions),
        ("checks", total.checks),
    )


def document(kind: Kind, total: Report, seeds: range, broken: list[Report]) -> dict[str, Any]:
    """The same as JSON has it."""
    return {
        "simulated": kind.name,
        "first_seed": seeds.start,
        "seeds": len(seeds),
        "seconds": round(total.seconds, 3),
        "events": total.events,
        "outcomes": total.outcomes,
        "faults": total.faults,
        "requests": total.requests,
        "decisions": total.decisions,
        "checks": total.checks,
        "broken": [
            {
                "seed": report.seed,
                "invariant": report.broken and report.broken.invariant,
                "told": str(report.broken),
                "story": report.story,
                "again": again(kind, report.seed),
            }
            for report in broken
        ],
    }


if __name__ == "__main__":
    sys.exit(main())
