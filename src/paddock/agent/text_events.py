"""The platform's log lines of one environment of default Lambda: START, END and REPORT, as text or as JSON.

One invocation at a time, so a line belongs to the invocation that runs. Billed duration is what AWS bills since August
2025: the init that somebody waited for, and the invocation, in whole milliseconds together. Sources: Lambda developer
guide, "Viewing CloudWatch logs for Lambda functions"; AWS's announcement of billing for the INIT phase.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence

from paddock.agent.platform_events import AddLine, ReportExtras, level_number, runtime_fields, span
from paddock.agent.telemetry import TelemetryHub
from paddock.agent.telemetry_records import Figures, InvocationRecords, Outcome, init_record
from paddock.agent.timebase import Timebase
from paddock.wire.agent import EnvironmentSpec

_BYTES_PER_MB = 1024 * 1024
_ON_DEMAND = "on-demand"
_STATUS_WORDS = {"timeout": "timeout", "error": "error", "failure": "error"}


class TextEvents:
    """As `PlatformEvents`, in default Lambda's words. `memory_bytes` is the most the environment has held."""

    def __init__(
        self, spec: EnvironmentSpec, timebase: Timebase, add: AddLine, memory_bytes: Callable[[], int]
    ) -> None:
        self.telemetry: TelemetryHub | None = None
        self._spec = spec
        self._timebase = timebase
        self._add = add
        self._memory_bytes = memory_bytes
        self._json = spec.log_format == "JSON"
        self._info = not self._json or level_number(spec.system_log_level) <= level_number("INFO")
        self._init_ms: float | None = None
        self._tenant: dict[str, object] = {"tenantId": spec.tenant_id} if spec.tenant_id else {}

    def init_start(self, now: float, runtime_version: str, runtime_version_arn: str) -> None:
        record = {
            "initializationType": self._spec.initialization_type,
            "phase": "init",
            **runtime_fields(runtime_version, runtime_version_arn),
            "functionName": self._spec.function_name,
            "functionVersion": self._spec.version,
        }
        more = {"instanceId": self._spec.log_stream, "instanceMaxMemory": self._spec.memory_mb}
        self._tell(now, "platform.initStart", {**record, **more})
        if self._json:
            self._record(now, "platform.initStart", record)
        elif runtime_version:
            self._line(
                now, f"INIT_START Runtime Version: {runtime_version}\tRuntime Version ARN: {runtime_version_arn}"
            )

    def init_runtime_done(self, now: float, status: str, error_type: str = "") -> None:
        """Only for who listens: text has no such line, and JSON only at DEBUG."""
        self._tell(now, "platform.initRuntimeDone", init_record(self._spec.initialization_type, status, error_type))

    def init_report(self, now: float, status: str, duration_seconds: float, error_type: str = "") -> None:
        metrics = {"durationMs": round(duration_seconds * 1000, 3)}
        record = {**init_record(self._spec.initialization_type, status, error_type), "metrics": metrics}
        self._tell(now, "platform.initReport", record)
        if status == "success":
            self._init_ms = duration_seconds * 1000
        elif self._json:
            self._record(now, "platform.initReport", record)
        else:
            self._line(
                now,
                f"INIT_REPORT Init Duration: {duration_seconds * 1000:.2f} ms\tPhase: init\tStatus: {status}"
                f"\tError Type: {error_type}",
            )

    def extension(self, now: float, name: str, state: str, events: Sequence[str], error_type: str = "") -> None:
        record: dict[str, object] = {"name": name, "state": state, "events": list(events)}
        if error_type:
            record["errorType"] = error_type
        self._tell(now, "platform.extension", record)
        if self._json:
            self._record(now, "platform.extension", record)
        else:
            error = f"\tError Type: {error_type}" if error_type else ""
            self._line(now, f"EXTENSION\tName: {name}\tState: {state}\tEvents: [{', '.join(events)}]{error}")

    def subscription(self, now: float, event: str, name: str, types: Sequence[str]) -> None:
        """`event` is the event's own name."""
        record = {"name": name, "state": "Subscribed", "types": list(types)}
        self._tell(now, event, record)
        if self._json:
            self._record(now, event, record)
        else:
            word = "LOGS" if event == "platform.logsSubscription" else "TELEMETRY"
            named = ", ".join(each.capitalize() for each in types)
            self._line(now, f"{word}\tName: {name}\tState: Subscribed\tTypes: [{named}]")

    def start(self, at_ms: int, request_id: str, arn: str, trace_header: str, span_id: str = "") -> None:
        version = self._spec.version
        if self.telemetry is not None:
            records = InvocationRecords(self.telemetry, at_ms, request_id, trace_header, self._tenant, span_id)
            records.start(version, arn)
        if not self._json:
            self._add(at_ms, f"START RequestId: {request_id} Version: {version}".encode(), request_id)
        elif self._info:
            record = {"requestId": request_id, "version": version, **self._tenant}
            self._record_at(at_ms, "platform.start", record, request_id)

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
        """Of an invocation that ended all at once. Causes are for records of Managed Instances."""
        more = more_told or ReportExtras()
        outcome = Outcome(status, error_type, trace_header, more.span_id, more.spans)
        self.runtime_done(at_ms, request_id, duration_seconds, outcome)
        self.invocation_over(at_ms, request_id, duration_seconds, outcome)

    def runtime_done(self, at_ms: int, request_id: str, duration_seconds: float, outcome: Outcome) -> None:
        """Only for who listens."""
        if self.telemetry is not None:
            self._records(self.telemetry, at_ms, request_id, outcome).runtime_done(duration_seconds * 1000, outcome)

    def extension_overhead(self, began_at: float, now: float) -> str:
        """As a span in JSON."""
        return span(self._timebase, "extensionOverhead", began_at, now)

    def _records(self, telemetry: TelemetryHub, at_ms: int, request_id: str, outcome: Outcome) -> InvocationRecords:
        return InvocationRecords(telemetry, at_ms, request_id, outcome.trace_header, self._tenant, outcome.span_id)

    def invocation_over(self, at_ms: int, request_id: str, duration_seconds: float, outcome: Outcome) -> None:
        """The end and the report of an invocation, with the time of its extensions. Traces and spans are for who
        listens.
        """
        duration_ms, status, error_type = duration_seconds * 1000, outcome.status, outcome.error_type
        init_ms, self._init_ms = self._init_ms, None
        waited_ms = init_ms if init_ms is not None and self._spec.initialization_type == _ON_DEMAND else 0.0
        billed_ms = math.ceil(waited_ms + duration_ms)
        figures = Figures(duration_ms, billed_ms, init_ms, self._spec.memory_mb, self._used_mb)
        if self.telemetry is not None:
            self._records(self.telemetry, at_ms, request_id, outcome).over(figures, outcome)
        if self._json:
            self._report_record(at_ms, request_id, figures, status, error_type)
        else:
            self._report_lines(at_ms, request_id, figures, status, error_type)

    @property
    def _used_mb(self) -> int:
        return min(self._spec.memory_mb, max(1, math.ceil(self._memory_bytes() / _BYTES_PER_MB)))

    def _report_lines(self, at_ms: int, request_id: str, figures: Figures, status: str, error_type: str) -> None:
        if status == "timeout":
            at = self._timebase.iso(at_ms)
            seconds = self._spec.timeout_seconds
            self._add(at_ms, f"{at} {request_id} Task timed out after {seconds:.2f} seconds".encode(), request_id)
        self._add(at_ms, f"END RequestId: {request_id}".encode(), request_id)
        parts = [
            f"REPORT RequestId: {request_id}",
            f"Duration: {figures.duration_ms:.2f} ms",
            f"Billed Duration: {figures.billed_ms} ms",
            f"Memory Size: {figures.memory_mb} MB",
            f"Max Memory Used: {figures.used_mb} MB",
        ]
        if figures.init_ms is not None:
            parts.append(f"Init Duration: {figures.init_ms:.2f} ms")
        if status != "success" and not error_type.startswith("Function."):
            parts.append(f"Status: {_STATUS_WORDS.get(status, status)}")
            if status != "timeout" and error_type:
                parts.append(f"Error Type: {error_type}")
        self._add(at_ms, ("\t".join(parts) + "\t").encode(), request_id)

    def _report_record(self, at_ms: int, request_id: str, figures: Figures, status: str, error_type: str) -> None:
        if not self._info and status == "success":
            return
        record: dict[str, object] = {"requestId": request_id, "metrics": figures.metrics(), "status": status}
        if error_type:
            record["errorType"] = error_type
        self._record_at(at_ms, "platform.report", record | self._tenant, request_id)

    def _tell(self, now: float, name: str, record: Mapping[str, object]) -> None:
        if self.telemetry is not None:
            self.telemetry.platform(self._timebase.epoch_ms(now), name, record)

    def _line(self, now: float, text: str) -> None:
        self._add(self._timebase.epoch_ms(now), text.encode(), "")

    def _record(self, now: float, kind: str, record: Mapping[str, object]) -> None:
        if self._info:
            self._record_at(self._timebase.epoch_ms(now), kind, record, "")

    def _record_at(self, at_ms: int, kind: str, record: Mapping[str, object], request_id: str) -> None:
        document = {"time": self._timebase.iso(at_ms), "type": kind, "record": record}
        self._add(at_ms, json.dumps(document, separators=(",", ":")).encode(), request_id)
