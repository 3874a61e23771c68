"""The platform's own log lines of one environment, as JSON text ready to be shipped.

Written by hand because two of them are made for every invocation: names and ARNs are escaped once, request ids are
checked by whoever accepts them, figures need no escaping. Shapes: Lambda telemetry schema 2025-01-29, as Managed
Instances emit it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from paddock.agent.telemetry import TelemetryHub
from paddock.agent.timebase import Timebase
from paddock.wire.agent import EnvironmentSpec

INITIALIZATION_TYPE = "lambda-managed-instances"
_LEVELS = {"DEBUG": 10, "INFO": 20, "WARN": 30}
_BYTES_PER_MB = 1024 * 1024
_MAX_KEPT_NAMES = 64
"""An environment is invoked under a handful of names: version, aliases, none."""

_MAX_UNWRITTEN_HEADER = 256
"""Of a trace header whose line is made later: how long that will be is guessed."""

AddLine = Callable[[int, bytes, str], None]
"""Epoch milliseconds, message, request id."""
Unwritten = tuple[Callable[[Any], bytes], int, str, *tuple[object, ...]]
"""What makes a line of this very tuple, epoch milliseconds, request id, and what else the line says."""
Started = tuple[Callable[[Any], bytes], int, str, str, str, str]
Reported = tuple[Callable[[Any], bytes], int, str, float, str, str, str, "ReportExtras | None"]


def level_number(level: str) -> int:
    return _LEVELS.get(level.upper(), 20)


class ReportExtras(NamedTuple):
    """What few reports have. `spans` and `cause` are JSON; the cause is part of what a sampled trace is told."""

    span_id: str = ""
    spans: str = ""
    cause: str = ""

    def json(self, trace_header: str) -> str:
        """As members of a record that go on after others."""
        return _tracing(trace_header, self.span_id, self.cause) + (f',"spans":{self.spans}' if self.spans else "")


class PlatformEvents:
    """Levels as in the developer guide, "System log level event mapping": success is INFO (init done: DEBUG), all else
    WARN. What the function's SystemLogLevel leaves out is made only while somebody listens to telemetry.
    """

    def __init__(
        self, spec: EnvironmentSpec, timebase: Timebase, add: AddLine, later: Callable[[Unwritten], None] | None = None
    ) -> None:
        """`later` takes what lines of invocations are made of when nobody waits for them."""
        self.telemetry: TelemetryHub | None = None
        least = level_number(spec.system_log_level)
        self._debug = least <= _LEVELS["DEBUG"]
        self._info = least <= _LEVELS["INFO"]
        self._spec = spec
        self._timebase = timebase
        self._add = add
        self._later = later
        self._version = json.dumps(spec.version)
        self._names: dict[str, str] = {}

    def init_start(self, now: float, runtime_version: str, runtime_version_arn: str) -> None:
        record = {
            "initializationType": INITIALIZATION_TYPE,
            "phase": "init",
            **runtime_fields(runtime_version, runtime_version_arn),
            "functionName": self._spec.function_name,
            "functionVersion": self._spec.version,
            "instanceId": self._spec.log_stream,
            "instanceMaxMemory": self._spec.memory_mb * _BYTES_PER_MB,
        }
        self._write(now, "platform.initStart", record, logged=self._info)

    def init_runtime_done(self, now: float, status: str, error_type: str = "") -> None:
        record = _init_record(status, error_type)
        self._write(now, "platform.initRuntimeDone", record, logged=self._debug or status != "success")

    def init_report(self, now: float, status: str, duration_seconds: float, error_type: str = "") -> None:
        record = {**_init_record(status, error_type), "metrics": {"durationMs": round(duration_seconds * 1000, 3)}}
        self._write(now, "platform.initReport", record, logged=self._info or status != "success")

    def extension(self, now: float, name: str, state: str, events: Sequence[str], error_type: str = "") -> None:
        record = {"name": name, "state": state, "events": list(events), **_error_field(error_type)}
        self._write(now, "platform.extension", record, logged=self._info or bool(error_type))

    def subscription(self, now: float, event: str, name: str, types: Sequence[str]) -> None:
        """`event` is the event's own name."""
        self._write(now, event, {"name": name, "state": "Subscribed", "types": list(types)}, logged=self._info)

    def start(self, at_ms: int, request_id: str, arn: str, trace_header: str, span_id: str = "") -> None:
        """`trace_header` as the caller sent it, `span_id` of the platform's segment, if it makes one."""
        if not self._info and self.telemetry is None:
            return
        record: Started = (self._start, at_ms, request_id, arn, trace_header, span_id)
        if self._later is not None and self.telemetry is None and len(trace_header) < _MAX_UNWRITTEN_HEADER:
            self._later(record)
        else:
            self._now(record, logged=self._info)

    def _start(self, record: Started) -> bytes:
        _, at_ms, request_id, arn, trace_header, span_id = record
        tracing = _tracing(trace_header, span_id) if "Sampled=1" in trace_header else ""
        return (
            f'{{"time":"{self._timebase.iso(at_ms)}","type":"platform.start","record":{{"requestId":"{request_id}"'
            f"{self._names.get(arn) or self._name(arn)}{tracing}}}}}"
        ).encode()

    def report(
        self,
        at_ms: int,
        request_id: str,
        duration_seconds: float,
        status: str,
        error_type: str,
        trace_header: str,
        more_told: ReportExtras | None = None,
    ) -> None:
        logged = self._info or status != "success"
        if not logged and self.telemetry is None:
            return
        record: Reported = (
            self._report, at_ms, request_id, duration_seconds, status, error_type, trace_header, more_told,
        )  # fmt: skip
        short = more_told is None and not error_type and len(trace_header) < _MAX_UNWRITTEN_HEADER
        if self._later is not None and short and self.telemetry is None:
            self._later(record)
        else:
            self._now(record, logged=logged)

    def _report(self, record: Reported) -> bytes:
        _, at_ms, request_id, duration_seconds, status, error_type, trace_header, more_told = record
        more = f',"errorType":{json.dumps(error_type)}' if error_type else ""
        if more_told is not None:
            more += more_told.json(trace_header)
        elif "Sampled=1" in trace_header:
            more += _tracing(trace_header, "")
        return (
            f'{{"time":"{self._timebase.iso(at_ms)}","type":"platform.report","record":{{"requestId":"{request_id}"'
            f',"metrics":{{"durationMs":{duration_seconds * 1000:.3f}}},"status":"{status}"{more}}}}}'
        ).encode()

    def _now(self, record: Started | Reported, *, logged: bool) -> None:
        line = record[0](record)
        if logged:
            self._add(record[1], line, record[2])
        if self.telemetry is not None:
            self.telemetry.ready(line)

    def _write(self, now: float, kind: str, record: dict[str, object], *, logged: bool) -> None:
        at_ms = self._timebase.epoch_ms(now)
        document = {"time": self._timebase.iso(at_ms), "type": kind, "record": record}
        line = json.dumps(document, separators=(",", ":")).encode()
        if logged:
            self._add(at_ms, line, "")
        if self.telemetry is not None:
            self.telemetry.ready(line)

    def _name(self, arn: str) -> str:
        """The part of a record that says which function and version."""
        if len(self._names) >= _MAX_KEPT_NAMES:
            self._names.clear()
        name = self._names[arn] = f',"version":{self._version},"functionArn":{json.dumps(arn)}'
        return name


def logs_dropped(time_text: str, records: int, dropped_bytes: int) -> bytes:
    reason = "Log lines came faster than they could be kept."
    return (
        f'{{"time":"{time_text}","type":"platform.logsDropped","record":{{"reason":"{reason}",'
        f'"droppedRecords":{records},"droppedBytes":{dropped_bytes}}}}}'
    ).encode()


def _init_record(status: str, error_type: str) -> dict[str, object]:
    return {
        "initializationType": INITIALIZATION_TYPE,
        "phase": "init",
        "status": status,
        **_error_field(error_type),
    }


def _error_field(error_type: str) -> dict[str, object]:
    return {"errorType": error_type} if error_type else {}


def _tracing(trace_header: str, span_id: str, cause: str = "") -> str:
    """Only sampled traces appear. AWS sends the cause of an error to X-Ray; here it is kept beside the trace."""
    if not is_sampled(trace_header):
        return ""
    span_field = f'"spanId":"{span_id}",' if span_id else ""
    more = f',"errorCause":{cause}' if cause else ""
    return f',"tracing":{{{span_field}"type":"X-Amzn-Trace-Id","value":{json.dumps(trace_header)}{more}}}'


def is_sampled(trace_header: str) -> bool:
    return "Sampled=1" in trace_header and "Root=" in trace_header


def stream_spans(timebase: Timebase, now: float, duration_seconds: float, began_at: float) -> str:
    """How long a streamed answer took to begin, and from then on, as the JSON of `spans`; all times monotonic."""
    latency = span(timebase, "responseLatency", now - duration_seconds, began_at)
    return f"[{latency},{span(timebase, 'responseDuration', began_at, now)}]"


def span(timebase: Timebase, name: str, start: float, end: float) -> str:
    """A member of `spans`, as JSON."""
    at = timebase.iso(timebase.epoch_ms(start))
    return f'{{"name":"{name}","start":"{at}","durationMs":{(end - start) * 1000:.3f}}}'


def runtime_fields(version: str, version_arn: str) -> dict[str, str]:
    """Of `platform.initStart`; an image has none."""
    return {"runtimeVersion": version, "runtimeVersionArn": version_arn} if version else {}
