"""Huawei's traces (CC BY 4.0): 2023, one column per function; 2025, one row per request with CPU, memory and payload.

Times count from the trace's beginning. Joosen et al., SoCC 2023 and EuroSys 2025; columns as their read-me names them.
"""

from __future__ import annotations

from paddock.advisor.traces.accumulate import Histogram, MinuteCounts
from paddock.advisor.traces.lines import TraceLines
from paddock.advisor.traces.selection import Selection
from paddock.advisor.traces.trace import SECONDS_PER_MINUTE, Trace

TIME_COLUMNS_2023 = ("day", "time", "timestamp", "")
_2025_NEEDED = ("time_worker", "funcName", "totalCost_worker", "cpu_usage", "memory_usage")


def is_2023(header: list[str]) -> bool:
    ids = [name for name in header if name.lower() not in TIME_COLUMNS_2023]
    return len(header) > len(ids) > 0 and "time" in map(str.lower, header) and all(name.isdigit() for name in ids)


def is_2025(header: list[str]) -> bool:
    return all(name in header for name in _2025_NEEDED)


def read_2023(lines: TraceLines, selection: Selection) -> Trace:
    """A file of `requests_minute` or `requests_second`. An empty cell is no data and counts as no traffic."""
    rows = lines.rows()
    header = next(rows, [])
    time_at = next(place for place, name in enumerate(header) if name.lower() == "time")
    columns = [(place, name) for place, name in enumerate(header) if name.isdigit()]
    taken = [(place, name) for place, name in columns if selection.takes(name, 0)]
    selection.settle(str(lines.path))
    counts = MinuteCounts()
    for row in rows:
        if len(row) != len(header):
            lines.refuse(f"has {len(row)} columns; the header has {len(header)}")
        minute = int(lines.number_in(row[time_at], "time") // SECONDS_PER_MINUTE)
        counts.add(minute, sum(lines.number_in(row[place] or "0", f"function {name}") for place, name in taken))
    return Trace(counts=counts.to_array(), source=str(lines.path), function=selection.chosen)


def read_2025(lines: TraceLines, selection: Selection) -> Trace:
    """CPU is the pod's cores averaged over the request, so CPU time is cores × duration."""
    rows = lines.rows()
    header = next(rows, [])
    place = {name: index for index, name in enumerate(header)}
    counts, duration, cpu, memory, payload = MinuteCounts(), Histogram(), Histogram(), Histogram(), Histogram()
    for row in rows:
        if len(row) != len(header):
            lines.refuse(f"has {len(row)} columns; the header has {len(header)}")
        if not selection.takes(row[place["funcName"]]):
            continue
        seconds = lines.number_in(row[place["totalCost_worker"]], "totalCost_worker")
        counts.add(int(lines.number_in(row[place["time_worker"]], "time_worker") // SECONDS_PER_MINUTE), 1)
        duration.add(seconds * 1000)
        if row[place["cpu_usage"]]:
            cpu.add(lines.number_in(row[place["cpu_usage"]], "cpu_usage") * seconds * 1000)
        if row[place["memory_usage"]]:
            memory.add(lines.number_in(row[place["memory_usage"]], "memory_usage"))
        if "requestBodySize" in place and row[place["requestBodySize"]]:
            payload.add(lines.number_in(row[place["requestBodySize"]], "requestBodySize"))
    selection.settle(str(lines.path))
    return Trace(
        counts=counts.to_array(),
        source=str(lines.path),
        function=selection.chosen,
        duration_ms=duration.distribution(),
        cpu_ms=cpu.distribution(),
        memory_mb=memory.distribution(),
        payload_bytes=payload.distribution(),
    )
