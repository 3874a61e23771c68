"""`python -m paddock.simulator --seed 7 --seeds 200`: simulate fleets by seed; the first broken promise fails it."""

from __future__ import annotations

import argparse
import logging
import sys
from collections import Counter

from paddock.simulator.seeds import simulate_seeds, simulate_whole_seeds, told, told_whole
from paddock.simulator.words import Outcome


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m paddock.simulator", description="Simulate fleets by seed.")
    parser.add_argument("--seed", type=int, default=0, help="the first seed (default 0)")
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds from there (default 1)")
    parser.add_argument("--processes", type=int, default=None, help="default: one for each core")
    parser.add_argument(
        "--whole", action="store_true", help="the real control plane, router and agents on a network in memory"
    )
    options = parser.parse_args(arguments)
    if options.seeds < 1 or (options.processes is not None and options.processes < 1):
        parser.error("--seeds and --processes must be at least 1")
    seeds = range(options.seed, options.seed + options.seeds)
    if options.whole:
        return _whole(seeds, 1 if options.seeds == 1 else options.processes)
    outcomes: Counter[Outcome] = Counter()
    checks: Counter[str] = Counter()
    broken = 0
    for report in simulate_seeds(seeds, processes=1 if options.seeds == 1 else options.processes):
        outcomes += report.outcomes
        checks += report.checks
        broken += report.broken is not None
        if report.broken is not None or options.seeds == 1:
            sys.stdout.write(f"{told(report)}\n")
    calls = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
    checked = ", ".join(f"{count} {name}" for name, count in sorted(checks.items()))
    sys.stdout.write(f"{options.seeds} seeds, {broken} broken; calls: {calls}; checks: {checked}\n")
    return 1 if broken else 0


def _whole(seeds: range, processes: int | None) -> int:
    logging.disable(logging.ERROR)  # what goes wrong there was made to go wrong
    outcomes: Counter[str] = Counter()
    checks: Counter[str] = Counter()
    broken = 0
    for report in simulate_whole_seeds(seeds, processes=processes):
        outcomes += report.outcomes
        checks += report.checks
        broken += report.broken is not None
        if report.broken is not None or len(seeds) == 1:
            sys.stdout.write(f"{told_whole(report)}\n")
    calls = ", ".join(f"{count} {outcome}" for outcome, count in sorted(outcomes.items()))
    checked = ", ".join(f"{count} {name}" for name, count in sorted(checks.items()))
    sys.stdout.write(f"{len(seeds)} seeds of the whole, {broken} broken; calls: {calls}; checks: {checked}\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
