"""Logs that are gone with their process: for tests and the simulator. The newest events of each group are kept."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace

from paddock.ports.clock import Clock
from paddock.ports.logs import LogEvent, LogGroup, LogLine, LogPage, LogQuery, LogStream
from paddock.stores.log_queries import wants

KEPT_EVENTS = 10_000


@dataclass(slots=True)
class _Group:
    created_ms: int
    retention_days: int | None = None
    next_position: int = 0
    streams: dict[str, LogStream] = field(default_factory=dict)
    events: deque[LogEvent] = field(default_factory=lambda: deque(maxlen=KEPT_EVENTS))


class MemoryLogStore:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._groups: dict[str, _Group] = {}
        self._arrivals: dict[str, asyncio.Event] = {}

    async def append(self, group: str, stream: str, lines: Sequence[LogLine]) -> None:
        if not lines:
            return
        await self.create_stream(group, stream)
        found = self._groups[group]
        now_ms = self._now_ms()
        for line in lines:
            found.events.append(LogEvent(found.next_position, stream, line.at_ms, now_ms, line.message))
            found.next_position += 1
            known = found.streams[stream]
            found.streams[stream] = replace(
                known,
                first_event_ms=min(line.at_ms, known.first_event_ms or line.at_ms),
                last_event_ms=max(line.at_ms, known.last_event_ms or 0),
                last_ingested_ms=now_ms,
                stored_bytes=known.stored_bytes + len(line.message),
            )
        arrived = self._arrivals.pop(group, None)
        if arrived is not None:
            arrived.set()

    async def create_group(self, group: str) -> bool:
        if group in self._groups:
            return False
        self._groups[group] = _Group(self._now_ms())
        return True

    async def create_stream(self, group: str, stream: str) -> bool:
        await self.create_group(group)
        streams = self._groups[group].streams
        if stream in streams:
            return False
        streams[stream] = LogStream(stream, self._now_ms(), None, None, None, 0)
        return True

    async def delete_group(self, group: str) -> bool:
        return self._groups.pop(group, None) is not None

    async def set_retention(self, group: str, days: int | None) -> bool:
        found = self._groups.get(group)
        if found is not None:
            found.retention_days = days
        return found is not None

    async def groups(self) -> tuple[LogGroup, ...]:
        return tuple(
            LogGroup(
                name,
                group.created_ms,
                sum(stream.stored_bytes for stream in group.streams.values()),
                group.retention_days,
            )
            for name, group in sorted(self._groups.items())
        )

    async def streams(self, group: str) -> tuple[LogStream, ...] | None:
        found = self._groups.get(group)
        return None if found is None else tuple(stream for _, stream in sorted(found.streams.items()))

    async def forward(self, group: str, query: LogQuery, *, from_position: int, limit: int) -> LogPage:
        events = self._chosen(group, query)
        page = [event for event in events if event.position >= from_position][: limit + 1]
        if len(page) > limit:
            return LogPage(tuple(page[:limit]), page[limit].position, complete=False)
        return LogPage(tuple(page), max(from_position, self._end(group)), complete=True)

    async def backward(self, group: str, query: LogQuery, *, before_position: int | None, limit: int) -> LogPage:
        before = self._end(group) if before_position is None else before_position
        page = [event for event in self._chosen(group, query) if event.position < before][-limit:]
        return LogPage(tuple(page), page[0].position if page else before, complete=len(page) < limit)

    async def follow(self, group: str, *, from_position: int | None = None) -> AsyncIterator[LogEvent]:
        at = self._end(group) if from_position is None else from_position
        while True:
            arrived = self._arrivals.setdefault(group, asyncio.Event())
            page = await self.forward(group, LogQuery(), from_position=at, limit=KEPT_EVENTS)
            at = page.next_position
            for event in page.events:
                yield event
            await arrived.wait()

    def _now_ms(self) -> int:
        return int(self._clock.now().timestamp() * 1000)

    def _end(self, group: str) -> int:
        found = self._groups.get(group)
        return found.next_position if found else 0

    def _chosen(self, group: str, query: LogQuery) -> list[LogEvent]:
        found = self._groups.get(group)
        return [event for event in found.events if wants(query, event)] if found else []
