"""Many seeds, in several processes, and what came of them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager

from paddock.simulator.scenario import Report, simulate
from paddock.simulator.whole.scenario import WholeReport, simulate_whole

CHUNK_SEEDS = 10
"""Handed to a process at once: a seed takes about a tenth of a second, a hand-over a few milliseconds."""


def simulate_seeds(seeds: Iterable[int], *, processes: int | None = None) -> Iterator[Report]:
    """Reports in the order of the seeds. By default a process for each core."""
    count = processes or os.cpu_count() or 1
    if count == 1:
        yield from map(simulate, seeds)
        return
    with _pool(count) as pool:
        yield from pool.map(simulate, seeds, chunksize=CHUNK_SEEDS)


@contextmanager
def _pool(count: int) -> Iterator[ProcessPoolExecutor]:
    """Ctrl-C reaches every process of a terminal: it is this one's to hear, which drops what has not begun."""
    pool = ProcessPoolExecutor(count, initializer=signal.signal, initargs=(signal.SIGINT, signal.SIG_IGN))
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def told(report: Report) -> str:
    """One simulation in a few lines; a broken one with its story and how to see it again."""
    calls = ", ".join(f"{count} {outcome}" for outcome, count in sorted(report.outcomes.items())) or "no calls"
    size = f"{report.seconds:.0f} s, {report.events} events, {report.launches} instances launched"
    head = f"seed {report.seed}: {size}, {calls}"
    if report.broken is None:
        return f"{head}; every promise kept"
    story = "\n".join(f"    {line}" for line in report.story)
    return f"{head}\n{story}\n  BROKEN {report.broken}\n  again: python -m paddock.simulator --seed {report.seed}"


def simulate_whole_seeds(seeds: Iterable[int], *, processes: int | None = None) -> Iterator[WholeReport]:
    """The same of the whole system, which takes a second or two a seed."""
    count = processes or os.cpu_count() or 1
    if count == 1:
        yield from map(simulate_whole, seeds)
        return
    with _pool(count) as pool:
        yield from pool.map(simulate_whole, seeds)


def told_whole(report: WholeReport) -> str:
    """As `told`, of the whole system."""
    calls = ", ".join(f"{count} {outcome}" for outcome, count in sorted(report.outcomes.items())) or "no calls"
    head = f"seed {report.seed}: {report.seconds:.0f} s, {calls}"
    if report.broken is None:
        return f"{head}; every promise kept"
    story = "\n".join(f"    {line}" for line in report.story)
    return (
        f"{head}\n{story}\n  BROKEN {report.broken}\n  again: python -m paddock.simulator --whole --seed {report.seed}"
    )
