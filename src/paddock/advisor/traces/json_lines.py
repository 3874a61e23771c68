"""Traces in JSON lines: Lambda's logs (REPORT text, `platform.report`, Lambda Insights) and IBM's applications.

Each line is one JSON object or one line of `aws logs tail`; lines that are something else are left out and counted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from paddock.advisor.traces.accumulate import Histogram, MinuteCounts
from paddock.advisor.traces.lines import TraceLines
from paddock.advisor.traces.selection import Selection
from paddock.advisor.traces.trace import SECONDS_PER_MINUTE, Trace

_REPORT = re.compile(r"REPORT RequestId: (?P<id>\S+)\s+Duration: (?P<duration>[\d.]+) ms")
_USED = re.compile(r"Max Memory Used: (?P<used>\d+) MB")
_AT_LINE_START = re.compile(r"\s*(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?)\s")
_IBM_NEEDED = ("AppHash", "InvocationTimes")


@dataclass(slots=True)
class _Gathered:
    counts: MinuteCounts = field(default_factory=MinuteCounts)
    duration: Histogram = field(default_factory=Histogram)
    cpu: Histogram = field(default_factory=Histogram)
    memory: Histogram = field(default_factory=Histogram)
    left_out: int = 0
    untimed: int = 0

    def trace(self, lines: TraceLines, *, function: str | None, has_calendar: bool) -> Trace:
        notes = [f"{self.left_out:,} lines are no reports and were left out"] if self.left_out else []
        if self.counts.out_of_order:
            notes.append(f"{self.counts.out_of_order:,} invocations were out of order and were sorted in")
        return Trace(
            counts=self.counts.to_array(),
            source=str(lines.path),
            start=self.counts.start if has_calendar else None,
            function=function,
            duration_ms=self.duration.distribution(),
            cpu_ms=self.cpu.distribution(),
            memory_mb=self.memory.distribution(),
            notes=tuple(notes),
        )


def read_logs(lines: TraceLines, selection: Selection) -> Trace:
    """Raises InputError when no report has a time: traffic cannot be placed without it."""
    gathered = _Gathered()
    for line in lines:
        if line.lstrip()[:1] == "{":
            _json_line(lines, gathered, lines.json_object(line))
        elif line.strip():
            _text_line(lines, gathered, line, None)
    if gathered.counts.first is None:
        if gathered.untimed:
            lines.refuse(
                "has REPORT lines without a time; export with times, as `aws logs tail` and filter-log-events do", 1
            )
        lines.refuse("has no REPORT line and no platform.report", 1)
    return gathered.trace(lines, function=None, has_calendar=True)


def read_events(lines: TraceLines, selection: Selection) -> Trace:
    """One answer of filter-log-events or get-log-events, as the AWS CLI prints it."""
    gathered = _Gathered()
    events = lines.whole_document().get("events")
    for event in _list(events):
        if isinstance(event, dict):
            _json_line(lines, gathered, event)
    if gathered.counts.first is None:
        lines.refuse("has no REPORT line and no platform.report among its events", 1)
    return gathered.trace(lines, function=None, has_calendar=True)


def _json_line(lines: TraceLines, gathered: _Gathered, event: Mapping[str, object]) -> None:
    """A `platform.report`, a Lambda Insights record, or an event of filter-log-events whose message is one of them."""
    record, message = event.get("record"), event.get("message")
    metrics = record.get("metrics") if isinstance(record, dict) else None
    if event.get("type") == "platform.report" and isinstance(metrics, dict):
        _add(
            lines,
            gathered,
            event.get("time", event.get("timestamp")),
            metrics.get("durationMs"),
            used_mb=metrics.get("maxMemoryUsedMB"),
        )
    elif "cpu_total_time" in event and "duration" in event:
        at, used = event.get("timestamp", event.get("_aws_timestamp")), event.get("used_memory_max")
        _add(lines, gathered, at, event["duration"], used_mb=used, cpu_ms=event["cpu_total_time"])
    elif isinstance(message, str):
        _message(lines, gathered, message, event.get("timestamp"))
    else:
        gathered.left_out += 1


def _message(lines: TraceLines, gathered: _Gathered, message: str, at: object) -> None:
    if message.lstrip()[:1] != "{":
        _text_line(lines, gathered, message, at)
        return
    inner = lines.json_object(message)
    if "message" in inner:
        gathered.left_out += 1
    else:
        _json_line(lines, gathered, {"timestamp": at, **inner})


def _text_line(lines: TraceLines, gathered: _Gathered, line: str, at: object) -> None:
    report = _REPORT.search(line)
    if report is None:
        gathered.left_out += 1
        return
    started = _AT_LINE_START.match(line)
    used = _USED.search(line)
    when = at if at is not None or started is None else started["time"]
    _add(lines, gathered, when, report["duration"], used_mb=None if used is None else used["used"])


def _add(
    lines: TraceLines,
    gathered: _Gathered,
    at: object,
    duration_ms: object,
    *,
    used_mb: object = None,
    cpu_ms: object = None,
) -> None:
    if at is None:
        gathered.untimed += 1
        return
    seconds, _ = lines.seconds_in(str(at))
    gathered.counts.add(int(seconds // SECONDS_PER_MINUTE), 1)
    for histogram, value, what in (
        (gathered.duration, duration_ms, "the duration"),
        (gathered.memory, used_mb, "the memory"),
        (gathered.cpu, cpu_ms, "the CPU time"),
    ):
        if value is not None:
            histogram.add(lines.number_in(str(value), what))


# --- IBM ------------------------------------------------------------------------------------------------------------


def is_ibm(line: str) -> bool:
    return all(f'"{name}"' in line for name in _IBM_NEEDED)


def read_ibm(lines: TraceLines, selection: Selection) -> Trace:
    """IBM Code Engine 2026, one application a line; times in seconds from the beginning, durations in ms.

    IBM publishes pickles, and loading a pickle runs what is in it; a throwaway environment turns them into these lines
    with `DataFrame.to_json(orient="records", lines=True)`.
    """
    gathered = _Gathered()
    for line in lines:
        if not line.strip():
            continue
        row = lines.json_object(line)
        if not selection.takes(str(row.get("AppHash")), len(_list(row.get("InvocationTimes")))):
            continue
        for second in _list(row.get("InvocationTimes")):
            minute = int(lines.number_in(str(second), "InvocationTimes") // SECONDS_PER_MINUTE)
            gathered.counts.add(minute, 1)
        for duration in _list(row.get("AppExecTimes")):
            gathered.duration.add(lines.number_in(str(duration), "AppExecTimes"))
    selection.settle(str(lines.path))
    return gathered.trace(lines, function=selection.chosen, has_calendar=False)


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
