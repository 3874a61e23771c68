"""The two Azure Functions traces (CC BY 4.0): 2019, invocations per minute; 2021, single invocations.

2019 keeps durations and memory in files of their own, as quantiles per function; they are looked for beside the counts.
Shahrad et al., USENIX ATC 2020; Zhang et al., SOSP 2021.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from paddock.advisor.traces.accumulate import Histogram, MinuteCounts
from paddock.advisor.traces.lines import TraceLines
from paddock.advisor.traces.selection import Selection
from paddock.advisor.traces.trace import MINUTES_PER_DAY, SECONDS_PER_MINUTE, Distribution, Trace

MAX_SIBLINGS = 50
"""Files looked at in the folder of a trace for its durations and memory."""

_MINUTE_COLUMN = re.compile(r"(?:minute_)?(\d{1,4})")
_DURATION_QUANTILE = re.compile(r"percentile_Average_(\d+)")
_MEMORY_QUANTILE = re.compile(r"AverageAllocatedMb_pct(\d+)")


def is_2019(header: list[str]) -> bool:
    return "HashFunction" in header and sum(map(bool, map(_MINUTE_COLUMN.fullmatch, header))) >= 2


def is_2021(header: list[str]) -> bool:
    return header[:4] == ["app", "func", "end_timestamp", "duration"]


def read_2019(lines: TraceLines, selection: Selection) -> Trace:
    rows = lines.rows()
    header = next(rows, [])
    function_at = header.index("HashFunction")
    places = [(place, int(match[1])) for place, name in enumerate(header) if (match := _MINUTE_COLUMN.fullmatch(name))]
    counts = np.zeros(max(minute for _, minute in places))
    application_at = header.index("HashApp") if "HashApp" in header else function_at
    application = ""
    for row in rows:
        if len(row) != len(header):
            lines.refuse(f"has {len(row)} columns; the header has {len(header)}")
        numbers = [lines.number_in(row[place] or "0", f"minute {minute}") for place, minute in places]
        if selection.takes(row[function_at], sum(numbers)):
            application = row[application_at]
            for (_, minute), number in zip(places, numbers, strict=True):
                counts[minute - 1] += number
    selection.settle(str(lines.path))
    trace = Trace(counts=counts, source=str(lines.path), function=selection.chosen, notes=_coverage(len(counts)))
    return trace if selection.chosen is None else _with_siblings(trace, application, lines.path)


def _coverage(minutes: int) -> tuple[str, ...]:
    return () if minutes == MINUTES_PER_DAY else (f"covers {minutes:,} minutes, not a day",)


def read_2021(lines: TraceLines, selection: Selection) -> Trace:
    """An invocation begins at its end less its duration; times count from the trace's beginning."""
    counts, durations = MinuteCounts(), Histogram()
    rows = lines.rows()
    next(rows, None)
    for row in rows:
        if len(row) != 4:
            lines.refuse(f"has {len(row)} columns; expected app, func, end_timestamp, duration")
        if not selection.takes(row[1]):
            continue
        end, duration = lines.number_in(row[2], "end_timestamp"), lines.number_in(row[3], "duration")
        counts.add(int(max(0.0, end - duration) // SECONDS_PER_MINUTE), 1)
        durations.add(duration * 1000)
    selection.settle(str(lines.path))
    return Trace(
        counts=counts.to_array(),
        source=str(lines.path),
        function=selection.chosen,
        duration_ms=durations.distribution(),
    )


def _with_siblings(trace: Trace, application: str, path: Path) -> Trace:
    """Durations, per function, and memory, per application, from files beside the trace with the published columns."""
    notes = list(trace.notes)
    found: dict[str, Distribution] = {}
    for sibling in itertools.islice(sorted(path.parent.glob("*.csv")), MAX_SIBLINGS):
        for quantity, pattern in (("duration_ms", _DURATION_QUANTILE), ("memory_mb", _MEMORY_QUANTILE)):
            if sibling != path and quantity not in found:
                spread = _quantiles_of(sibling, trace.function or "", application, pattern)
                if spread is not None:
                    found[quantity] = spread
                    notes.append(f"{quantity} comes from {sibling.name}")
    return replace(trace, **found, notes=tuple(notes))  # type: ignore[arg-type]  # keys are fields of Trace


def _quantiles_of(path: Path, function: str, application: str, pattern: re.Pattern[str]) -> Distribution | None:
    """None when the file is of another kind, or has nothing of the function."""
    with TraceLines(path) as lines:
        rows = lines.rows()
        header = next(rows, [])
        places = [(int(match[1]), place) for place, name in enumerate(header) if (match := pattern.fullmatch(name))]
        mean_at = next((place for place, name in enumerate(header) if name in ("Average", "AverageAllocatedMb")), None)
        identity, wanted = ("HashFunction", function) if "HashFunction" in header else ("HashApp", application)
        if not places or mean_at is None or identity not in header:
            return None
        at = header.index(identity)
        for row in rows:
            if len(row) == len(header) and row[at] == wanted:
                points = sorted((percent / 100, lines.number_in(row[place], "a quantile")) for percent, place in places)
                return Distribution(lines.number_in(row[mean_at], "the mean"), tuple(points))
    return None
