"""The platform's own log lines of one environment, as JSON text ready to be shipped.

Written by hand because two of them are made for every invocation: names and ARNs are escaped once, request ids are
checked by whoever accepts them, figures need no escaping. Shapes: Lambda telemetry schema 2025-01-29, as Managed
Instances emit it.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from paddock.agent.timebase import Timebase
from paddock.wire.agent import EnvironmentSpec

INITIALIZATION_TYPE = "lambda-managed-instances"
_LEVELS = {"DEBUG": 10, "INFO": 20, "WARN": 30}
_BYTES_PER_MB = 1024 * 1024
_MAX_KEPT_NAMES = 64
"""An environment is invoked under a handful of names: version, aliases, none."""

AddLine = Callable[[int, bytes, str], None]
"""Epoch milliseconds, message, request id."""


def level_number(level: str) -> int:
    return _LEVELS.get(level.upper(), 20)


class PlatformEvents:
    """Levels as in the developer guide, "System log level event mapping": success is INFO (init done: DEBUG), all else
    WARN. What the function's SystemLogLevel leaves out is not made.
    """

    def __init__(self, spec: EnvironmentSpec, timebase: Timebase, add: AddLine) -> None:
        least = level_number(spec.system_log_level)
        self._debug = least <= _LEVELS["DEBUG"]
        self._info = least <= _LEVELS["INFO"]
        self._spec = spec
        self._timebase = timebase
        self._add = add
        self._version = json.dumps(spec.version)
        self._names: dict[str, str] = {}

    def init_start(self, now: float, runtime_version: str, runtime_version_arn: str) -> None:
        if self._info:
            record = {
                "initializationType": INITIALIZATION_TYPE,
                "phase": "init",
                **runtime_fields(runtime_version, runtime_version_arn),
                "functionName": self._spec.function_name,
                "functionVersion": self._spec.version,
                "instanceId": self._spec.log_stream,
                "instanceMaxMemory": self._spec.memory_mb * _BYTES_PER_MB,
            }
            self._write(now, "platform.initStart", json.dumps(record, separators=(",", ":")))

    def init_runtime_done(self, now: float, status: str, error_type: str = "") -> None:
        if self._debug or status != "success":
            self._write(now, "platform.initRuntimeDone", json.dumps(_init_record(status, error_type)))

    def init_report(self, now: float, status: str, duration_seconds: float, error_type: str = "") -> None:
        if self._info or status != "success":
            record = _init_record(status, error_type)
            metrics = {"durationMs": round(duration_seconds * 1000, 3)}
            self._write(now, "platform.initReport", json.dumps({**record, "metrics": metrics}))

    def start(self, at_ms: int, request_id: str, arn: str, trace_header: str) -> None:
        if self._info:
            tracing = _tracing(trace_header) if trace_header else ""
            line = (
                f'{{"time":"{self._timebase.iso(at_ms)}","type":"platform.start","record":{{"requestId":"{request_id}"'
                f"{self._names.get(arn) or self._name(arn)}{tracing}}}}}"
            )
            self._add(at_ms, line.encode(), request_id)

    def report(
        self,
        at_ms: int,
        request_id: str,
        duration_seconds: float,
        status: str,
        error_type: str,
        trace_header: str,
        *,
        spans: str = "",
        cause: str = "",
    ) -> None:
        """`spans` and `cause` are JSON already; the cause is part of what a sampled trace is told."""
        if self._info or status != "success":
            more = f',"errorType":{json.dumps(error_type)}' if error_type else ""
            if trace_header:
                more += _tracing(trace_header, cause)
            if spans:
                more += f',"spans":{spans}'
            line = (
                f'{{"time":"{self._timebase.iso(at_ms)}","type":"platform.report","record":{{"requestId":"{request_id}"'
                f',"metrics":{{"durationMs":{duration_seconds * 1000:.3f}}},"status":"{status}"{more}}}}}'
            )
            self._add(at_ms, line.encode(), request_id)

    def _write(self, now: float, kind: str, record: str) -> None:
        at_ms = self._timebase.epoch_ms(now)
        self._add(at_ms, f'{{"time":"{self._timebase.iso(at_ms)}","type":"{kind}","record":{record}}}'.encode(), "")

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
    record: dict[str, object] = {"initializationType": INITIALIZATION_TYPE, "phase": "init", "status": status}
    if error_type:
        record["errorType"] = error_type
    return record


def _tracing(trace_header: str, cause: str = "") -> str:
    """Only sampled traces appear. AWS sends the cause of an error to X-Ray; here it is kept beside the trace."""
    if not is_sampled(trace_header):
        return ""
    more = f',"errorCause":{cause}' if cause else ""
    return f',"tracing":{{"type":"X-Amzn-Trace-Id","value":{json.dumps(trace_header)}{more}}}'


def is_sampled(trace_header: str) -> bool:
    return "Sampled=1" in trace_header and "Root=" in trace_header


def stream_spans(timebase: Timebase, now: float, duration_seconds: float, began_at: float) -> str:
    """How long a streamed answer took to begin, and from then on, as the JSON of `spans`; all times monotonic."""

    def span(name: str, start: float, end: float) -> str:
        at = timebase.iso(timebase.epoch_ms(start))
        return f'{{"name":"{name}","start":"{at}","durationMs":{(end - start) * 1000:.3f}}}'

    latency = span("responseLatency", now - duration_seconds, began_at)
    return f"[{latency},{span('responseDuration', began_at, now)}]"


def runtime_fields(version: str, version_arn: str) -> dict[str, str]:
    """Of `platform.initStart`; an image has none."""
    return {"runtimeVersion": version, "runtimeVersionArn": version_arn} if version else {}
