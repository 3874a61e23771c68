"""One setup in one sitting: its subjects started side by side, measured in turn, several rounds."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from bench import requests, saying
from bench.cpu import busy_seconds
from bench.processes import load
from bench.subjects import SUBJECTS, Reached, Surroundings
from bench.table import Key, Measured, Row, rows
from paddock.runtimes.progress import Progress
from paddock.runtimes.store import RuntimeStore

QUIET_PROBE_SECONDS = 0.3
QUIET_SHARE = 0.2
"""Of one core."""
RUNTIMES_DIR = Path(".cache")
"""Where tests and demos of this repository install runtimes too."""


@dataclass(frozen=True)
class Manner:
    """How long and how often is measured. `patience` seconds are waited for a quiet machine before each measurement."""

    rounds: int = 3
    seconds: float = 1.5
    warm_up: float = 0.4
    patience: float = 2.0
    runtimes_dir: Path = RUNTIMES_DIR


@dataclass(frozen=True)
class Setup:
    """`slots` of each of `environments`. Every subject is measured at each number in flight with each payload."""

    name: str
    in_flight: tuple[int, ...]
    subjects: tuple[str, ...] = ("limit", "paddock")
    payloads: tuple[int, ...] = (100,)
    runtime: str = "python3.13"
    slots: int = 16
    environments: int = 1
    code: str = "noop"
    execution_env: bool = True
    started_warm_up: float = 1.0
    """Seconds of load once after the start: a just-in-time compiler needs more."""


@dataclass(frozen=True)
class Sat:
    """What came of it. `figures` were measured on the way: start times, memory."""

    rows: list[Row]
    figures: dict[str, float]


def wait_for_quiet(patience_seconds: float) -> None:
    """Others use the machine too: wait for a moment in which they do not, but not for ever."""
    deadline = time.monotonic() + patience_seconds
    while time.monotonic() < deadline:
        before = busy_seconds()
        time.sleep(QUIET_PROBE_SECONDS)
        if busy_seconds() - before < QUIET_SHARE * QUIET_PROBE_SECONDS:
            return


def measure(reached: Reached, in_flight: int, payload: int, manner: Manner) -> Measured:
    wait_for_quiet(manner.patience)
    result = load(
        {
            "port": reached.port,
            "request": reached.request(requests.payload(payload)).decode("latin-1"),
            "in_flight": in_flight,
            "warm_up_seconds": manner.warm_up,
            "seconds": manner.seconds,
            "groups": [*reached.platform, *reached.runtime],
        }
    )
    answers = cast("int", result["answers"])
    cpu = cast("dict[str, float]", result["cpu"])
    elapsed = cast("float", result["elapsed"])
    good = cast("dict[str, int]", result["statuses"]).get("200", 0)
    own = cast("float", result["own"])
    each = 1e6 / max(answers, 1)
    return Measured(
        per_second=good / elapsed,
        p50_us=cast("float", result["p50"]) * 1e6,
        p99_us=cast("float", result["p99"]) * 1e6,
        platform_us=sum(cpu[str(group)] for group in reached.platform) * each,
        runtime_us=sum(cpu[str(group)] for group in reached.runtime) * each,
        load_us=own * each,
        errors=answers - good,
        foreign=max(cast("float", result["busy"]) - sum(cpu.values()) - own, 0.0) / elapsed / (os.cpu_count() or 1),
    )


@contextmanager
def started(setup: Setup, manner: Manner) -> Iterator[dict[str, Reached]]:
    """Every subject of the setup, once."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="paddock-bench-")))
        runtime = RuntimeStore(manner.runtimes_dir).ensure(setup.runtime, say)
        surroundings = Surroundings(
            runtime,
            setup.slots,
            setup.environments,
            setup.code,
            setup.execution_env,
            directory,
            manner.runtimes_dir,
        )
        yield {name: stack.enter_context(SUBJECTS[name](surroundings)) for name in setup.subjects}


def sit(setup: Setup, manner: Manner) -> Sat:
    with started(setup, manner) as reached:
        for subject in reached.values():
            measure(subject, min(setup.in_flight), min(setup.payloads), _warming(manner, setup))
        rounds = [_round(number, setup, reached, manner) for number in range(manner.rounds)]
        figures = {what: figure for one in reached.values() for what, figure in one.figures.items()}
    saying.done()
    return Sat(rows(setup.name, rounds), figures)


def _warming(manner: Manner, setup: Setup) -> Manner:
    return Manner(1, setup.started_warm_up, 0.0, 0.0, manner.runtimes_dir)


def _round(number: int, setup: Setup, reached: Mapping[str, Reached], manner: Manner) -> dict[Key, Measured]:
    one = {}
    said = f"{setup.name}: round {number + 1}"
    saying.now(said, begins=True)
    for payload in setup.payloads:
        for in_flight in setup.in_flight:
            for name, subject in reached.items():
                saying.now(f"{said}, {payload} B, {in_flight} in flight, {name}")
                one[Key(name, in_flight, payload)] = measure(subject, in_flight, payload, manner)
    return one


def say(progress: Progress) -> None:
    saying.now(progress.step, begins=not progress.detail)
