"""What default Lambda tells of an invocation to who listens, with all that any schema of the Telemetry or Logs API has.

Sources: Lambda developer guide, "Telemetry API event schema reference"; older editions, "Logs API".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from paddock.agent.platform_events import is_sampled
from paddock.agent.telemetry import TelemetryHub
from paddock.core.environment import errors

_CRASHES = {errors.EXIT_ERROR, errors.OUT_OF_MEMORY}


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one invocation. `init_ms` only of the first in its environment."""

    duration_ms: float
    billed_ms: int
    init_ms: float | None
    memory_mb: int
    used_mb: int

    def metrics(self) -> dict[str, object]:
        metrics: dict[str, object] = {
            "durationMs": round(self.duration_ms, 3),
            "billedDurationMs": self.billed_ms,
            "memorySizeMB": self.memory_mb,
            "maxMemoryUsedMB": self.used_mb,
        }
        if self.init_ms is not None:
            metrics["initDurationMs"] = round(self.init_ms, 3)
        return metrics


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an invocation went. `trace_header` as its caller sent it, `span_id` of the platform's segment; `spans` and
    `extension_overhead` (one span) are JSON, or empty.
    """

    status: str
    error_type: str = ""
    trace_header: str = ""
    span_id: str = ""
    spans: str = ""
    extension_overhead: str = ""
    produced_bytes: int = 0


@dataclass(frozen=True, slots=True)
class InvocationRecords:
    """Tells of one invocation, at one moment. `tenant` is the field that names its tenant, or empty."""

    telemetry: TelemetryHub
    at_ms: int
    request_id: str
    trace_header: str
    tenant: Mapping[str, object] = field(default_factory=dict)
    span_id: str = ""

    def start(self, version: str, arn: str) -> None:
        self._tell("platform.start", {"version": version, "functionArn": arn, **self._tracing()})

    def runtime_done(self, duration_ms: float, outcome: Outcome) -> None:
        """The runtime's part of it has ended."""
        if outcome.error_type in _CRASHES:
            text = f"RequestId: {self.request_id} Process exited before completing request"
            self.telemetry.platform(self.at_ms, "platform.fault", text)
        metrics = {"durationMs": round(duration_ms, 3), "producedBytes": outcome.produced_bytes}
        spans = json.loads(outcome.spans or "[]")
        self._tell("platform.runtimeDone", {"metrics": metrics, **self._outcome(outcome, spans)})

    def over(self, figures: Figures, outcome: Outcome) -> None:
        """So has that of the extensions."""
        self._tell("platform.end", {})
        spans = json.loads(outcome.spans or "[]")
        if outcome.extension_overhead:
            spans.append(json.loads(outcome.extension_overhead))
        self._tell("platform.report", {"metrics": figures.metrics(), **self._outcome(outcome, spans)})

    def _outcome(self, outcome: Outcome, spans: list[object]) -> dict[str, object]:
        told: dict[str, object] = {"status": outcome.status}
        if outcome.error_type:
            told["errorType"] = outcome.error_type
        if spans:
            told["spans"] = spans
        return told | self._tracing()

    def _tracing(self) -> dict[str, object]:
        if not is_sampled(self.trace_header):
            return {}
        span = {"spanId": self.span_id} if self.span_id else {}
        return {"tracing": {**span, "type": "X-Amzn-Trace-Id", "value": self.trace_header}}

    def _tell(self, name: str, record: dict[str, object]) -> None:
        self.telemetry.platform(self.at_ms, name, {"requestId": self.request_id, **record, **self.tenant})


def init_record(initialization_type: str, status: str, error_type: str) -> dict[str, object]:
    record: dict[str, object] = {"initializationType": initialization_type, "phase": "init", "status": status}
    if error_type:
        record["errorType"] = error_type
    return record
