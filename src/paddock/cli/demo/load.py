"""Open-loop traffic: requests leave when they are due, whatever became of the ones before, so that a stall shows as
latency.

Latency counts from the moment a request was due (no coordinated omission). Bounded in rate, time and threads. Knows
boto3's
client and nothing of Paddock.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from paddock.ports.clock import Clock

MAX_IN_FLIGHT = 128
"""Threads of one load; the open loop turns closed beyond it, which the report says."""


@dataclass(frozen=True, slots=True)
class Stream:
    """One function's traffic: `events` gives the payload of the n-th request."""

    function_name: str
    requests_per_second: float
    event: Callable[[int], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one request; times count from the start. `environment` is what the function said of itself.

    `sent_seconds` is later than `due_seconds` only where the client could not keep up.
    """

    function_name: str
    due_seconds: float
    latency_ms: float
    outcome: str
    environment: str | None = None
    detail: str | None = None
    sent_seconds: float = 0.0


class Load:
    """Drives several streams for a time; `answers` may be read while it runs."""

    def __init__(self, client: Any, streams: tuple[Stream, ...], seconds: float, clock: Clock) -> None:
        self.seconds = seconds
        self.answers: list[Answer] = []
        self.started_at = clock.now()
        self.peak_in_flight = 0
        self._client = client
        self._streams = streams
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
            for due_seconds, stream, number in self._schedule():
                if self._stopped.wait(max(0.0, due_seconds - self.elapsed_seconds())):
                    return
                pool.submit(self._send, stream, number, due_seconds)

    def _schedule(self) -> Iterator[tuple[float, Stream, int]]:
        """Every request of all streams in the order they are due."""
        numbers = [0] * len(self._streams)
        while True:
            due = [numbers[index] / stream.requests_per_second for index, stream in enumerate(self._streams)]
            index = min(range(len(due)), key=due.__getitem__)
            if due[index] >= self.seconds:
                return
            yield due[index], self._streams[index], numbers[index]
            numbers[index] += 1

    def _send(self, stream: Stream, number: int, due_seconds: float) -> None:
        sent_seconds = self.elapsed_seconds()
        with self._counting:
            self._in_flight += 1
            self.peak_in_flight = max(self.peak_in_flight, self._in_flight)
        try:
            outcome, environment, detail = self._invoke(stream, number)
        except Exception as error:  # noqa: BLE001  # whatever the client raises is an outcome of the load
            outcome, environment, detail = _failure(error)
        with self._counting:
            self._in_flight -= 1
        latency_ms = (self.elapsed_seconds() - due_seconds) * 1000
        name = stream.function_name
        self.answers.append(Answer(name, due_seconds, latency_ms, outcome, environment, detail, sent_seconds))

    def _invoke(self, stream: Stream, number: int) -> tuple[str, str | None, str | None]:
        response = self._client.invoke(
            FunctionName=stream.function_name, Payload=json.dumps(stream.event(number)).encode()
        )
        answer = json.loads(response["Payload"].read())
        if response.get("FunctionError"):
            return "function error", None, str(answer.get("errorMessage", ""))[:200]
        if "error" in answer:
            return "refused by the function", answer.get("environment"), str(answer["error"])[:200]
        return "ok", answer.get("environment"), None


def _failure(error: Exception) -> tuple[str, None, str]:
    code = getattr(error, "response", {}).get("Error", {}).get("Code", type(error).__name__)
    outcome = "throttled" if code == "TooManyRequestsException" else "failed"
    return outcome, None, f"{code}: {error}"[:200]
