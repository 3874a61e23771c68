"""Plain CSV: `timestamp,count[,duration_ms,cpu_ms,memory_mb,payload_bytes,function]`.

A row counts the invocations from its time to the next one's; its other columns are means over them. Rows may be
seconds, minutes or single invocations (no `count` column: each row is one).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from paddock.advisor.traces.accumulate import Histogram, MinuteCounts, SeenSeconds, spread
from paddock.advisor.traces.lines import TraceLines
from paddock.advisor.traces.selection import Selection
from paddock.advisor.traces.trace import SECONDS_PER_MINUTE, Trace

TIME_COLUMNS = ("timestamp", "time", "minute")
COUNT_COLUMNS = ("count", "invocations", "requests")
QUANTITIES = ("duration_ms", "cpu_ms", "memory_mb", "payload_bytes")


@dataclass(slots=True)
class _Columns:
    time: int
    time_is_minute_number: bool
    count: int | None
    quantities: dict[str, int]
    function: int | None


@dataclass(slots=True)
class _Gathered:
    """What streams by ends here. `naive` counts times without a zone, `zoned` those with one."""

    counts: MinuteCounts = field(default_factory=MinuteCounts)
    seen: defaultdict[str, SeenSeconds] = field(default_factory=lambda: defaultdict(SeenSeconds))
    histograms: dict[str, Histogram] = field(default_factory=lambda: {name: Histogram() for name in QUANTITIES})
    naive: int = 0
    zoned: int = 0


def read(lines: TraceLines, selection: Selection) -> Trace:
    rows = lines.rows()
    header = [name.strip().lower() for name in next(rows, [])]
    columns = _columns(lines, header)
    gathered = _Gathered()
    for row in rows:
        if len(row) != len(header):
            lines.refuse(f"has {len(row)} columns; the header has {len(header)}")
        function = row[columns.function] if columns.function is not None else ""
        if columns.function is None or selection.takes(function):
            _add(lines, columns, gathered, row, function)
    selection.settle(str(lines.path))
    counts, notes = _minutes(gathered, single_invocations=columns.count is None)
    spreads = {name: histogram.distribution() for name, histogram in gathered.histograms.items()}
    return Trace(
        counts=counts,
        source=str(lines.path),
        start=None if columns.time_is_minute_number else gathered.counts.start,
        function=selection.chosen,
        notes=notes,
        **spreads,
    )


def _minutes(gathered: _Gathered, *, single_invocations: bool) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    notes = []
    if gathered.naive:
        notes.append("times name no zone and were taken as UTC")
    if gathered.counts.out_of_order:
        notes.append(f"{gathered.counts.out_of_order:,} rows were out of order and were sorted in")
    counts = gathered.counts.to_array()
    if single_invocations:
        return counts, tuple(notes)
    named = gathered.counts.named()
    counts, width = spread(counts, named)
    missing = len(counts) - int(named.sum()) * width
    if width > 1:
        notes.append(f"rows are {width} minutes apart and were spread evenly over them")
    if missing > 0:
        notes.append(f"{missing:,} minutes are missing and count as without traffic")
    return counts, tuple(notes)


def _columns(lines: TraceLines, header: list[str]) -> _Columns:
    if len(set(header)) != len(header):
        lines.refuse("the header names a column twice")
    for synonyms in (TIME_COLUMNS, COUNT_COLUMNS):
        given = [name for name in synonyms if name in header]
        if len(given) > 1:
            lines.refuse(f"the columns {' and '.join(given)} say the same")
    time = next((name for name in TIME_COLUMNS if name in header), None)
    if time is None:
        lines.refuse(f"the header names no time: one column must be called {' or '.join(TIME_COLUMNS)}")
    count = next((name for name in COUNT_COLUMNS if name in header), None)
    known = {*TIME_COLUMNS, *COUNT_COLUMNS, *QUANTITIES, "function"}
    unknown = [name for name in header if name not in known]
    if unknown:
        lines.refuse(f"unknown column {unknown[0]!r}: known are {', '.join(sorted(known))}")
    return _Columns(
        time=header.index(time),
        time_is_minute_number=time == "minute",
        count=None if count is None else header.index(count),
        quantities={name: header.index(name) for name in QUANTITIES if name in header},
        function=header.index("function") if "function" in header else None,
    )


def _add(lines: TraceLines, columns: _Columns, gathered: _Gathered, row: list[str], function: str) -> None:
    if columns.time_is_minute_number:
        minute, zoned = int(lines.number_in(row[columns.time], "minute")), True
        second = minute * SECONDS_PER_MINUTE
    else:
        at, zoned = lines.seconds_in(row[columns.time])
        second, minute = int(at), int(at // SECONDS_PER_MINUTE)
    gathered.zoned += zoned
    gathered.naive += not zoned
    if gathered.zoned and gathered.naive:
        lines.refuse("some times name a time zone and some do not")
    count = 1.0 if columns.count is None else lines.number_in(row[columns.count], "count")
    if columns.count is not None and not gathered.seen[function].add(second):
        lines.refuse(f"{row[columns.time]} comes twice")
    gathered.counts.add(minute, count)
    for name, place in columns.quantities.items():
        if row[place]:
            value = lines.number_in(row[place], name)
            gathered.histograms[name].add(value, count)
