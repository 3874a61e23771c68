"""Runs a load against the server and takes its figures: from the answers, and from the server's status beside it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import mean
from typing import Any

import numpy as np

from paddock.advisor.documents import InputError
from paddock.cli.answers import latency_of
from paddock.cli.bench.figures import Figures
from paddock.cli.load import Due, Load
from paddock.ports.clock import Clock

LOOK_SECONDS = 1.0
REPORT_SECONDS = 1.5
"""Agents report each second: so long after the last answer its CPU time is in the status."""

WARM_UP = 6
LEAST_ANSWERS = 10
MOST_ANSWERS = 200
ALONE_SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class Alone:
    """What an invocation takes when it is alone, as its caller sees it."""

    seconds: tuple[float, ...]
    cpu_seconds: float

    @property
    def mean_seconds(self) -> float:
        return mean(self.seconds)


@dataclass(slots=True)
class Watched:
    """What the status says of one function, over time. CPU time is kept for environments that are gone, too."""

    look: Callable[[], dict[str, Any]]
    function_name: str
    cpu: dict[str, float] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    environments: int = 0
    instances: int = 0

    def take(self) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """The function's environments now, each with its instance."""
        rows = rows_of(self.look(), self.function_name)
        for environment, _ in rows:
            key = environment["environment_id"]
            self.seen.add(key)
            self.cpu[key] = max(self.cpu.get(key, 0.0), environment["cpu_seconds"])
        self.environments = max(self.environments, len(rows))
        self.instances = max(self.instances, len({environment["instance_id"] for environment, _ in rows}))
        return rows

    @property
    def cpu_seconds(self) -> float:
        return sum(self.cpu.values())


def rows_of(status: dict[str, Any], function_name: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    found = []
    for provider in status["providers"]:
        instances = {each["instance_id"]: each for each in provider["instances"]}
        found += [
            (each, instances.get(each["instance_id"], {}))
            for each in provider["environments"]
            if each["function"].rpartition(":")[0] == function_name and each["phase"] == "ready"
        ]
    return found


def alone(client: Any, watched: Watched, payload: bytes, clock: Clock) -> Alone:
    """One after the other, until there are enough. Raises InputError with the function's own words when it fails."""
    pause = threading.Event()
    for _ in range(WARM_UP):
        _invoke(client, watched.function_name, payload)
    pause.wait(REPORT_SECONDS)
    watched.take()
    before, began = watched.cpu_seconds, clock.monotonic()
    seconds: list[float] = []
    while len(seconds) < LEAST_ANSWERS or (len(seconds) < MOST_ANSWERS and clock.monotonic() - began < ALONE_SECONDS):
        at = clock.monotonic()
        _invoke(client, watched.function_name, payload)
        seconds.append(clock.monotonic() - at)
    pause.wait(REPORT_SECONDS)
    watched.take()
    return Alone(tuple(seconds), max(0.0, watched.cpu_seconds - before) / len(seconds))


def _invoke(client: Any, name: str, payload: bytes) -> None:
    response = client.invoke(FunctionName=name, Payload=payload)
    body = response["Payload"].read()
    if response.get("FunctionError"):
        raise InputError(f"{name} fails with this event: {body[:300].decode(errors='replace')}")


def drive(
    client: Any,
    watched: Watched,
    due: list[Due],
    seconds: float,
    clock: Clock,
    progress: Callable[[Load], None],
) -> tuple[Figures, Load]:
    """The load to its end; Ctrl-C sends nothing more, waits for what is in flight and goes on up."""
    watched.take()
    before, there = watched.cpu_seconds, set(watched.seen)
    load = Load(client, due, seconds, clock)
    driver = threading.Thread(target=load.run, name="bench load")
    driver.start()
    try:
        while driver.is_alive():
            watched.take()
            progress(load)
            driver.join(LOOK_SECONDS)
    except BaseException:
        load.stop()
        driver.join()
        raise
    elapsed = max(load.elapsed_seconds(), seconds)
    threading.Event().wait(REPORT_SECONDS)
    watched.take()
    return _figures(load, watched, watched.cpu_seconds - before, len(watched.seen - there), elapsed), load


def _figures(load: Load, watched: Watched, cpu_seconds: float, started: int, elapsed: float) -> Figures:
    answers = tuple(load.answers)
    times = [answer.latency_ms for answer in answers if answer.outcome == "ok"]
    latency = latency_of(answers)
    throttles = sum(answer.outcome == "throttled" for answer in answers)
    return Figures(
        requests=len(answers),
        answered=len(times),
        throttles=throttles,
        errors=len(answers) - len(times) - throttles,
        throughput_per_second=len(times) / elapsed,
        mean_ms=float(np.mean(times)) if times else None,
        p50_ms=latency.p50 if latency else None,
        p99_ms=latency.p99 if latency else None,
        environments_started=started if watched.seen else None,
        cpu_cores=cpu_seconds / elapsed if watched.seen else None,
        most_in_flight=load.peak_in_flight,
        environments=watched.environments or None,
        instances=watched.instances or None,
    )
