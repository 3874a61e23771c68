"""Many seeds, in several processes, and what came of them."""

from __future__ import annotations

import logging
import os
import signal
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from paddock.simulator.on_demand import simulate_on_demand
from paddock.simulator.report import CRASH, InvariantBroken, Report
from paddock.simulator.scenario import simulate
from paddock.simulator.whole.scenario import simulate_whole


@dataclass(frozen=True, slots=True)
class Kind:
    """What is simulated. `option` asks for it; `chunk_seeds` are handed to a process at once: about a second's work."""

    name: str
    option: str
    simulate: Callable[[int], Report]
    chunk_seeds: int


FLEETS = Kind("fleets", "", simulate, 10)
ON_DEMAND = Kind("default Lambda", "--on-demand", simulate_on_demand, 50)
WHOLE = Kind("the whole", "--whole", simulate_whole, 1)
KINDS = (FLEETS, ON_DEMAND, WHOLE)


def simulate_seeds(kind: Kind, seeds: Iterable[int], *, processes: int | None = None) -> Iterator[Report]:
    """Reports in the order of the seeds. By default a process for each core."""
    count = processes or os.cpu_count() or 1
    if count == 1:
        yield from map(partial(simulated, kind), seeds)
        return
    with _pool(count) as pool:
        with _ctrl_c_waiting():
            reports = pool.map(partial(simulated, kind), seeds, chunksize=kind.chunk_seeds)
        yield from reports


def simulated(kind: Kind, seed: int) -> Report:
    """What nobody expected is a breach too: it must name its seed."""
    logged = logging.root.manager.disable
    logging.disable(logging.ERROR)  # what goes wrong there was made to go wrong
    try:
        return kind.simulate(seed)
    except Exception:  # noqa: BLE001  # whatever it is, the seed is what one needs to know
        return Report(seed, broken=InvariantBroken(CRASH, 0.0, traceback.format_exc()))
    finally:
        logging.disable(logged)


@contextmanager
def _pool(count: int) -> Iterator[ProcessPoolExecutor]:
    """At its end, also by Ctrl-C, what has not begun is dropped."""
    pool = ProcessPoolExecutor(count)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


@contextmanager
def _ctrl_c_waiting() -> Iterator[None]:
    """Ctrl-C reaches every process of a terminal, and is this one's to hear. Processes that start in here never do,
    from their first moment on; this one hears at the end of what came meanwhile.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def told(kind: Kind, report: Report) -> str:
    """One simulation in a few lines; a broken one with its story and how to see it again."""
    head = (
        f"seed {report.seed}: {report.seconds:.0f} s, {report.events} events, {listed(report.outcomes) or 'no calls'}"
    )
    if report.broken is None:
        return f"{head}; every promise kept"
    story = "\n".join(f"    {line}" for line in report.story)
    return f"{head}\n{story}\n  BROKEN {report.broken}\n  again: {again(kind, report.seed)}"


def again(kind: Kind, seed: int) -> str:
    return " ".join(filter(None, ("python -m paddock.simulator", kind.option, f"--seed {seed}")))


def listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counts.items()))
