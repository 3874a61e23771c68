"""Which events a query wants: the same answer for every log store."""

from __future__ import annotations

from paddock.ports.logs import LogEvent, LogQuery


def wants_stream(query: LogQuery, stream: str) -> bool:
    return (query.streams is None or stream in query.streams) and stream.startswith(query.stream_prefix)


def wants(query: LogQuery, event: LogEvent) -> bool:
    return (
        wants_stream(query, event.stream)
        and (query.start_ms is None or event.at_ms >= query.start_ms)
        and (query.end_ms is None or event.at_ms < query.end_ms)
        and (query.keep is None or query.keep(event.message))
    )
