"""Open-loop traffic: requests leave when they are due, whatever became of the ones before, so that a stall shows as
latency.

Latency counts from the moment a request was due (no coordinated omission). Bounded in rate, time and threads. Knows
boto3's client and nothing of Paddock.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from paddock.cli.answers import Answer
from paddock.ports.clock import Clock

MAX_IN_FLIGHT = 128
"""Threads of one load; the open loop turns closed beyond it, which the report says."""


@dataclass(frozen=True, slots=True)
class Due:
    """One request, and when it is to leave: seconds from the start."""

    seconds: float
    function_name: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Stream:
    """One function's steady traffic: `event` gives the payload of the n-th request."""

    function_name: str
    requests_per_second: float
    event: Callable[[int], dict[str, Any]]


def steady(streams: tuple[Stream, ...], seconds: float) -> Iterator[Due]:
    """Every request of all streams in the order they are due."""
    numbers = [0] * len(streams)
    while True:
        due = [numbers[index] / stream.requests_per_second for index, stream in enumerate(streams)]
        index = min(range(len(due)), key=due.__getitem__)
        if due[index] >= seconds:
            return
        stream = streams[index]
        yield Due(due[index], stream.function_name, json.dumps(stream.event(numbers[index])).encode())
        numbers[index] += 1


class Load:
    """Drives a schedule, ascending in time; `answers` may be read while it runs."""

    def __init__(self, client: Any, schedule: Iterable[Due], seconds: float, clock: Clock) -> None:
        self.seconds = seconds
        self.answers: list[Answer] = []
        self.started_at = clock.now()
        self.peak_in_flight = 0
        self._client = client
        self._schedule = schedule
        self._clock = clock
        self._started = 0.0
        self._in_flight = 0
        self._counting = threading.Lock()  # guards _in_flight, which many threads change
        self._stopped = threading.Event()

    @property
    def in_flight(self) -> int:
        return self._in_flight

    def elapsed_seconds(self) -> float:
        return self._clock.monotonic() - self._started if self._started else 0.0

    def stop(self) -> None:
        """Send nothing more; what is in flight is still waited for."""
        self._stopped.set()

    def run(self) -> None:
        self.started_at = self._clock.now()
        self._started = self._clock.monotonic()
        with ThreadPoolExecutor(MAX_IN_FLIGHT, thread_name_prefix="load") as pool:
            for due in self._schedule:
                if self._stopped.wait(max(0.0, due.seconds - self.elapsed_seconds())):
                    return
                pool.submit(self._send, due)

    def _send(self, due: Due) -> None:
        sent_seconds = self.elapsed_seconds()
        with self._counting:
            self._in_flight += 1
            self.peak_in_flight = max(self.peak_in_flight, self._in_flight)
        try:
            outcome, environment, detail = self._invoke(due)
        except Exception as error:  # noqa: BLE001  # whatever the client raises is an outcome of the load
            outcome, environment, detail = _failure(error)
        with self._counting:
            self._in_flight -= 1
        latency_ms = (self.elapsed_seconds() - due.seconds) * 1000
        name = due.function_name
        self.answers.append(Answer(name, due.seconds, latency_ms, outcome, environment, detail, sent_seconds))

    def _invoke(self, due: Due) -> tuple[str, str | None, str | None]:
        response = self._client.invoke(FunctionName=due.function_name, Payload=due.payload)
        body = response["Payload"].read()
        if response.get("FunctionError"):
            return "function error", None, str(_document(body).get("errorMessage", ""))[:200]
        answer = _document(body)
        if "error" in answer:
            return "refused by the function", answer.get("environment"), str(answer["error"])[:200]
        return "ok", answer.get("environment"), None


def _document(body: bytes) -> dict[str, Any]:
    """The answer, if it is an object; functions may answer anything."""
    try:
        answer = json.loads(body or b"null")
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _failure(error: Exception) -> tuple[str, None, str]:
    code = getattr(error, "response", {}).get("Error", {}).get("Code", type(error).__name__)
    outcome = "throttled" if code == "TooManyRequestsException" else "failed"
    return outcome, None, f"{code}: {error}"[:200]
