"""Where log lines go and are read from: groups of streams of events, as in CloudWatch Logs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec


class LogLine(msgspec.Struct, frozen=True, gc=False):
    """`at_ms` is epoch milliseconds; `message` one line without its newline."""

    at_ms: int
    message: str


@dataclass(frozen=True, slots=True)
class LogEvent:
    """A kept line. `position` grows with arrival within its group and names the event for good."""

    position: int
    stream: str
    at_ms: int
    ingested_ms: int
    message: str


@dataclass(frozen=True, slots=True)
class LogGroup:
    name: str
    created_ms: int
    stored_bytes: int
    retention_days: int | None


@dataclass(frozen=True, slots=True)
class LogStream:
    """First and last event are by the events' own time, None while there is none."""

    name: str
    created_ms: int
    first_event_ms: int | None
    last_event_ms: int | None
    last_ingested_ms: int | None
    stored_bytes: int


@dataclass(frozen=True, slots=True)
class LogQuery:
    """Which events of a group: `start_ms` <= time < `end_ms`, of the named streams (None: all), that `keep` accepts."""

    start_ms: int | None = None
    end_ms: int | None = None
    streams: frozenset[str] | None = None
    stream_prefix: str = ""
    keep: Callable[[str], bool] | None = None


@dataclass(frozen=True, slots=True)
class LogPage:
    """`next_position` continues behind this page; `complete` says that nothing more is there now."""

    events: tuple[LogEvent, ...]
    next_position: int
    complete: bool


class LogStore(Protocol):
    async def append(self, group: str, stream: str, lines: Sequence[LogLine]) -> None:
        """Groups and streams are made by their first line. Returns once the lines would survive this process."""
        ...

    async def create_group(self, group: str) -> bool:
        """False when it is already there."""
        ...

    async def create_stream(self, group: str, stream: str) -> bool: ...

    async def delete_group(self, group: str) -> bool:
        """False when it was not there."""
        ...

    async def set_retention(self, group: str, days: int | None) -> bool: ...

    async def groups(self) -> tuple[LogGroup, ...]:
        """In order of name."""
        ...

    async def streams(self, group: str) -> tuple[LogStream, ...] | None:
        """In order of name; None when there is no such group."""
        ...

    async def forward(self, group: str, query: LogQuery, *, from_position: int, limit: int) -> LogPage:
        """Events from `from_position` on, oldest arrival first. An unknown group is an empty page."""
        ...

    async def backward(self, group: str, query: LogQuery, *, before_position: int | None, limit: int) -> LogPage:
        """The last `limit` events before a position (None: the end), in order of arrival.

        `next_position` is that of the first of them: where the next page backward ends.
        """
        ...

    def follow(self, group: str, *, from_position: int | None = None) -> AsyncIterator[LogEvent]:
        """Events as they arrive, without end; `from_position` None begins with what arrives after the call."""
        ...
