"""Which format a trace file has, and reading it: the one door for files."""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

from paddock.advisor.documents import InputError
from paddock.advisor.traces import azure, cloudwatch, huawei, json_lines, plain_csv
from paddock.advisor.traces.accumulate import MAX_DAYS, TooManyDaysError
from paddock.advisor.traces.lines import Progress, TraceLines
from paddock.advisor.traces.selection import Selection
from paddock.advisor.traces.trace import Trace

HEAD_BYTES = 64 * 1024
MIN_MINUTES = 2


class TraceFormat(StrEnum):
    CSV = "csv"
    CLOUDWATCH = "cloudwatch"
    METRIC_STREAM = "metric-stream"
    LOGS = "logs"
    LOG_EVENTS = "log-events"
    AZURE_2019 = "azure-2019"
    AZURE_2021 = "azure-2021"
    HUAWEI_2023 = "huawei-2023"
    HUAWEI_2025 = "huawei-2025"
    IBM = "ibm"


_READERS: dict[TraceFormat, Callable[[TraceLines, Selection], Trace]] = {
    TraceFormat.CSV: plain_csv.read,
    TraceFormat.CLOUDWATCH: cloudwatch.read,
    TraceFormat.METRIC_STREAM: cloudwatch.read_metric_stream,
    TraceFormat.LOGS: json_lines.read_logs,
    TraceFormat.LOG_EVENTS: json_lines.read_events,
    TraceFormat.AZURE_2019: azure.read_2019,
    TraceFormat.AZURE_2021: azure.read_2021,
    TraceFormat.HUAWEI_2023: huawei.read_2023,
    TraceFormat.HUAWEI_2025: huawei.read_2025,
    TraceFormat.IBM: json_lines.read_ibm,
}


def read_trace(
    path: Path,
    *,
    trace_format: TraceFormat | None = None,
    function: str | None = None,
    progress: Progress | None = None,
) -> Trace:
    """Raises InputError with file and line. A trace of one minute, or without an invocation, is refused too."""
    with TraceLines(path, progress) as lines:
        chosen = trace_format or detect(path)
        try:
            trace = _READERS[chosen](lines, Selection(function))
        except TooManyDaysError:
            lines.refuse(f"covers more than {MAX_DAYS} days by here: are the times in the unit they should be?")
        except (KeyError, ValueError, IndexError) as error:
            lines.refuse(f"does not look like {chosen.value} ({error})")
        if trace.minutes == 0:
            lines.refuse("has no rows")
        if trace.minutes < MIN_MINUTES:
            raise InputError("is one point, which says nothing about traffic; use --shape instead", file=str(path))
        if trace.invocations == 0:
            raise InputError("has no invocations: there is nothing to size or to pay", file=str(path))
        return trace


def detect(path: Path) -> TraceFormat:
    """By the first line. Raises InputError for what is none of them."""
    first = _first_line(path)
    if first.lstrip()[:1] in ("{", "["):
        return _json_format(path, first)
    header = next(csv.reader([first]), [])
    for found, fits in (
        (TraceFormat.AZURE_2019, azure.is_2019),
        (TraceFormat.AZURE_2021, azure.is_2021),
        (TraceFormat.HUAWEI_2025, huawei.is_2025),
        (TraceFormat.HUAWEI_2023, huawei.is_2023),
    ):
        if fits(header):
            return found
    if any(name.strip().lower() in plain_csv.TIME_COLUMNS for name in header):
        return TraceFormat.CSV
    if any(word in first for word in ("REPORT RequestId", "INIT_START", "START RequestId", "END RequestId")):
        return TraceFormat.LOGS
    known = ", ".join(TraceFormat)
    raise InputError(f"is in no format known here ({known}); name it with --format", file=str(path), line=1)


def _json_format(path: Path, first: str) -> TraceFormat:
    if json_lines.is_ibm(first):
        return TraceFormat.IBM
    if '"metric_name"' in first:
        return TraceFormat.METRIC_STREAM
    head = _head(path)
    if '"MetricDataResults"' in head or '"Datapoints"' in head:
        return TraceFormat.CLOUDWATCH
    if re.match(r'\s*\{\s*"(searchedLogStreams|events|nextForwardToken)"', head):
        return TraceFormat.LOG_EVENTS
    return TraceFormat.LOGS


def _head(path: Path) -> str:
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            if zipped:
                with gzip.GzipFile(fileobj=file) as stream:
                    blob = stream.read(HEAD_BYTES)
            else:
                blob = file.read(HEAD_BYTES)
    except (OSError, EOFError) as error:
        raise InputError(f"cannot be read: {error}", file=str(path)) from error
    if not blob.strip():
        raise InputError("is empty", file=str(path))
    if blob[:1] == b"\x80":
        raise InputError("is a pickle, which is never loaded here: it runs what is in it", file=str(path), line=1)
    if b"\0" in blob:
        raise InputError("is binary, not text", file=str(path), line=1)
    return blob.decode("utf-8-sig", errors="replace")


def _first_line(path: Path) -> str:
    return next(line for line in _head(path).splitlines() if line.strip())
