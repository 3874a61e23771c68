"""Logs on disk: a directory per group, read and written by one thread of their own.

What the group is called and how long it is kept stands in `group.json` there; everything about its streams follows from
the segments, save those that were made and have no event yet.
"""

from __future__ import annotations

import asyncio
import hashlib
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import msgspec

from paddock.model.errors import StartError
from paddock.ports.clock import Clock
from paddock.ports.logs import LogEvent, LogGroup, LogLine, LogPage, LogQuery, LogStream
from paddock.ports.store import StoreError
from paddock.stores.files import remove_unfinished, write_whole
from paddock.stores.log_segments import SegmentedLog, StreamSpan

T = TypeVar("T")

FOLLOWED_AT_ONCE = 1000
_DAY_MS = 24 * 3600 * 1000
_LONGEST_DIRECTORY_NAME = 200
"""File systems take 255 bytes; a group's name may have 512 characters."""


class _GroupFile(msgspec.Struct):
    name: str
    created_ms: int
    retention_days: int | None = None
    made_streams: dict[str, int] = {}
    """Streams that somebody made, and when; those made by their first event are not named here."""


class _Group:
    def __init__(self, directory: Path, facts: _GroupFile) -> None:
        self.directory = directory
        self.facts = facts
        self.log = SegmentedLog(directory)

    def save(self) -> None:
        write_whole(self.directory / "group.json", [msgspec.json.encode(self.facts)])

    def streams(self) -> dict[str, LogStream]:
        found = {
            name: LogStream(name, created_ms, None, None, None, 0)
            for name, created_ms in self.facts.made_streams.items()
        }
        for segment in self.log.segments:
            for name, span in segment.spans.items():
                found[name] = _joined(found.get(name, LogStream(name, span.first_ms, None, None, None, 0)), span)
        return found


class DiskLogStore:
    def __init__(self, directory: Path, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="log-store")
        self._groups: dict[str, _Group] = {}
        self._arrivals: dict[str, asyncio.Event] = {}
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in sorted(directory.glob("*/group.json")):
            remove_unfinished(path.parent)
            try:
                facts = msgspec.json.decode(path.read_bytes(), type=_GroupFile)
            except msgspec.MsgspecError as error:
                text = f"{path} is damaged: move {path.parent} away, its log lines with it, to start without them"
                raise StartError(text) from error
            self._groups[facts.name] = _Group(path.parent, facts)

    def close(self) -> None:
        self._thread.shutdown()
        for group in self._groups.values():
            group.log.close()

    async def append(self, group: str, stream: str, lines: Sequence[LogLine]) -> None:
        await self._run(lambda: self._append(group, stream, list(lines)))
        arrived = self._arrivals.pop(group, None)
        if arrived is not None:
            arrived.set()

    async def create_group(self, group: str) -> bool:
        return await self._run(lambda: self._create_group(group))

    async def create_stream(self, group: str, stream: str) -> bool:
        return await self._run(lambda: self._create_stream(self._made(group), stream))

    async def delete_group(self, group: str) -> bool:
        return await self._run(lambda: self._delete_group(group))

    async def set_retention(self, group: str, days: int | None) -> bool:
        return await self._run(lambda: self._set_retention(group, days))

    async def groups(self) -> tuple[LogGroup, ...]:
        return await self._run(
            lambda: tuple(
                LogGroup(name, group.facts.created_ms, group.log.stored_bytes, group.facts.retention_days)
                for name, group in sorted(self._groups.items())
            )
        )

    async def streams(self, group: str) -> tuple[LogStream, ...] | None:
        return await self._run(lambda: self._streams(group))

    async def forward(self, group: str, query: LogQuery, *, from_position: int, limit: int) -> LogPage:
        def read() -> LogPage:
            found = self._groups.get(group)
            return (
                found.log.forward(query, from_position, limit) if found else LogPage((), from_position, complete=True)
            )

        return await self._run(read)

    async def backward(self, group: str, query: LogQuery, *, before_position: int | None, limit: int) -> LogPage:
        def read() -> LogPage:
            found = self._groups.get(group)
            return found.log.backward(query, before_position, limit) if found else LogPage((), 0, complete=True)

        return await self._run(read)

    async def follow(self, group: str, *, from_position: int | None = None) -> AsyncIterator[LogEvent]:
        at = await self._run(lambda: self._end(group)) if from_position is None else from_position
        everything = LogQuery()
        while True:
            # Asked for before reading: what arrives between the two is read or wakes us, never neither.
            arrived = self._arrivals.setdefault(group, asyncio.Event())
            page = await self.forward(group, everything, from_position=at, limit=FOLLOWED_AT_ONCE)
            at = page.next_position
            for event in page.events:
                yield event
            if page.complete:
                await arrived.wait()

    async def _run(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except OSError as error:
            raise StoreError(f"logs cannot be kept in {self._directory}: {error.strerror}") from error

    # On the thread

    def _now_ms(self) -> int:
        return int(self._clock.now().timestamp() * 1000)

    def _append(self, group: str, stream: str, lines: list[LogLine]) -> None:
        if not lines:
            return
        found = self._made(group)
        segments_before = len(found.log.segments)
        found.log.append(stream, lines, self._now_ms())
        if len(found.log.segments) != segments_before:
            days = found.facts.retention_days
            found.log.drop(ended_before_ms=None if days is None else self._now_ms() - days * _DAY_MS)

    def _made(self, name: str) -> _Group:
        self._create_group(name)
        return self._groups[name]

    def _create_group(self, name: str) -> bool:
        if name in self._groups:
            return False
        directory = self._directory / _directory_name(name)
        directory.mkdir(mode=0o700, exist_ok=True)
        group = _Group(directory, _GroupFile(name, self._now_ms()))
        group.save()
        self._groups[name] = group
        return True

    def _create_stream(self, group: _Group, stream: str) -> bool:
        if stream in group.streams():
            return False
        group.facts.made_streams[stream] = self._now_ms()
        group.save()
        return True

    def _delete_group(self, name: str) -> bool:
        group = self._groups.pop(name, None)
        if group is None:
            return False
        group.log.close()
        shutil.rmtree(group.directory)
        return True

    def _set_retention(self, name: str, days: int | None) -> bool:
        group = self._groups.get(name)
        if group is None:
            return False
        group.facts.retention_days = days
        group.save()
        return True

    def _streams(self, name: str) -> tuple[LogStream, ...] | None:
        group = self._groups.get(name)
        return None if group is None else tuple(stream for _, stream in sorted(group.streams().items()))

    def _end(self, name: str) -> int:
        group = self._groups.get(name)
        return group.log.end if group else 0


def _joined(stream: LogStream, span: StreamSpan) -> LogStream:
    return replace(
        stream,
        first_event_ms=min(span.first_ms, stream.first_event_ms or span.first_ms),
        last_event_ms=max(span.last_ms, stream.last_event_ms or 0),
        last_ingested_ms=max(span.last_ingested_ms, stream.last_ingested_ms or 0),
        stored_bytes=stream.stored_bytes + span.stored_bytes,
    )


def _directory_name(group: str) -> str:
    """Readable, unique, and with no part that a file system takes for something else."""
    readable = quote(group, safe="").replace(".", "%2E")
    if len(readable) <= _LONGEST_DIRECTORY_NAME:
        return readable
    return f"{readable[: _LONGEST_DIRECTORY_NAME - 65]}~{hashlib.sha256(group.encode()).hexdigest()}"
