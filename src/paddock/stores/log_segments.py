"""One group's events on disk: append-only segments of JSON lines, each with an index beside it once it is full.

An event's position is its segment and its place there, so it grows with arrival and stays valid while the event is
kept. Synchronous; one thread at a time. Full segments are thrown away whole, the oldest first.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import msgspec

from paddock.ports.logs import LogEvent, LogLine, LogPage, LogQuery
from paddock.stores.files import OWNER_ONLY, write_whole
from paddock.stores.log_queries import wants, wants_stream

SEGMENT_BYTES = 8 * 1024 * 1024
"""Read whole into memory by a search; small enough to be, large enough to keep files few."""
MAX_SEGMENTS = 32
"""256 MiB per group: a function that prints without end fills this, not the disk."""
MAX_SCANNED_BYTES = 8 * 1024 * 1024
"""Of one page. A search through more goes on with the next page, as CloudWatch's does."""

_OFFSET_BITS = 32
_OFFSET_MASK = (1 << _OFFSET_BITS) - 1


class _Line(msgspec.Struct, gc=False):
    at: int
    ingested: int
    stream: str
    message: str


class StreamSpan(msgspec.Struct):
    """What one segment has of one stream; times in epoch milliseconds."""

    first_ms: int
    last_ms: int
    last_ingested_ms: int
    stored_bytes: int


@dataclass(slots=True)
class Segment:
    number: int
    size: int = 0
    spans: dict[str, StreamSpan] = field(default_factory=dict)

    def note(self, stream: str, added: StreamSpan) -> None:
        span = self.spans.get(stream)
        if span is None:
            self.spans[stream] = added
        else:
            span.first_ms = min(span.first_ms, added.first_ms)
            span.last_ms = max(span.last_ms, added.last_ms)
            span.last_ingested_ms = max(span.last_ingested_ms, added.last_ingested_ms)
            span.stored_bytes += added.stored_bytes
        self.size += added.stored_bytes

    def may_have(self, query: LogQuery) -> bool:
        return any(
            wants_stream(query, stream)
            and (query.start_ms is None or span.last_ms >= query.start_ms)
            and (query.end_ms is None or span.first_ms < query.end_ms)
            for stream, span in self.spans.items()
        )

    def last_event_ms(self) -> int:
        return max((span.last_ms for span in self.spans.values()), default=0)


_encode_lines = msgspec.json.Encoder().encode_lines
_decode = msgspec.json.Decoder(_Line).decode
_decode_index = msgspec.json.Decoder(dict[str, StreamSpan]).decode


class SegmentedLog:
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.segments = [self._loaded(int(path.stem)) for path in sorted(directory.glob("*.jsonl"))]
        self._file: BinaryIO | None = None

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    @property
    def end(self) -> int:
        """The position of what arrives next."""
        return _position(self.segments[-1].number, self.segments[-1].size) if self.segments else 0

    @property
    def stored_bytes(self) -> int:
        return sum(segment.size for segment in self.segments)

    def append(self, stream: str, lines: list[LogLine], ingested_ms: int) -> None:
        """Written to the operating system on return: the end of this process cannot take it."""
        if not self.segments or self.segments[-1].size >= SEGMENT_BYTES:
            self._begin_segment()
        segment = self.segments[-1]
        data = _encode_lines([_Line(it.at_ms, ingested_ms, stream, it.message) for it in lines])
        file = self._opened(segment)
        try:
            file.write(data)
        except OSError:
            # A part may have been written: the file must end where the books say it ends.
            os.truncate(self._path(segment.number), segment.size)
            raise
        times = [it.at_ms for it in lines]
        segment.note(stream, StreamSpan(min(times), max(times), ingested_ms, len(data)))

    def forward(self, query: LogQuery, from_position: int, limit: int) -> LogPage:
        found: list[LogEvent] = []
        scanned = 0
        at = from_position
        for segment in self.segments:
            offset = _offset_in(segment, from_position)
            if offset >= segment.size:
                continue
            if not segment.may_have(query):
                at = _position(segment.number, segment.size)
                continue
            for event, next_offset in self._events(segment, offset):
                if len(found) == limit or scanned >= MAX_SCANNED_BYTES:
                    return LogPage(tuple(found), at, complete=False)
                scanned += next_offset - offset
                offset = next_offset
                at = _position(segment.number, offset)
                if wants(query, event):
                    found.append(event)
        return LogPage(tuple(found), max(at, from_position), complete=True)

    def backward(self, query: LogQuery, before_position: int | None, limit: int) -> LogPage:
        before = self.end if before_position is None else before_position
        found: list[LogEvent] = []
        scanned = 0
        for segment in reversed(self.segments):
            if _position(segment.number, 0) >= before or not segment.may_have(query):
                continue
            if len(found) >= limit or scanned >= MAX_SCANNED_BYTES:
                break
            here = [event for event, _ in self._events(segment, 0) if event.position < before and wants(query, event)]
            found = here[-(limit - len(found)) :] + found
            scanned += segment.size
        return LogPage(tuple(found), found[0].position if found else before, complete=len(found) < limit)

    def drop(self, *, ended_before_ms: int | None) -> None:
        """Throw away full segments: those beyond the limit, and those whose events are all older than that."""
        while len(self.segments) > MAX_SEGMENTS or self._first_is_older_than(ended_before_ms):
            segment = self.segments.pop(0)
            self._path(segment.number).unlink(missing_ok=True)
            self._index(segment.number).unlink(missing_ok=True)

    def _first_is_older_than(self, ended_before_ms: int | None) -> bool:
        return (
            ended_before_ms is not None
            and len(self.segments) > 1
            and self.segments[0].last_event_ms() < ended_before_ms
        )

    def _begin_segment(self) -> None:
        if self.segments:
            full = self.segments[-1]
            write_whole(self._index(full.number), [msgspec.json.encode(full.spans)])
            self.close()
        self.segments.append(Segment(self.segments[-1].number + 1 if self.segments else 1))

    def _opened(self, segment: Segment) -> BinaryIO:
        if self._file is None:
            path = self._path(segment.number)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, OWNER_ONLY)
            self._file = os.fdopen(descriptor, "wb", buffering=0)
        return self._file

    def _events(self, segment: Segment, offset: int) -> Iterator[tuple[LogEvent, int]]:
        """Each event with the offset behind it."""
        with self._path(segment.number).open("rb") as file:
            file.seek(offset)
            data = file.read(segment.size - offset)
        at = 0
        while (end := data.find(b"\n", at)) >= 0:
            line = _decode(data[at:end])
            event = LogEvent(_position(segment.number, offset + at), line.stream, line.at, line.ingested, line.message)
            at = end + 1
            yield event, offset + at

    def _loaded(self, number: int) -> Segment:
        path = self._path(number)
        try:
            return Segment(number, path.stat().st_size, _decode_index(self._index(number).read_bytes()))
        except (FileNotFoundError, msgspec.MsgspecError):
            return self._indexed(Segment(number), path)

    def _indexed(self, segment: Segment, path: Path) -> Segment:
        """Read a segment that was being written. What a killed process left half is cut off."""
        for data in path.read_bytes().splitlines(keepends=True):
            try:
                line = _decode(data)
            except msgspec.MsgspecError:
                break
            if data.endswith(b"\n"):
                segment.note(line.stream, StreamSpan(line.at, line.at, line.ingested, len(data)))
        os.truncate(path, segment.size)
        return segment

    def _path(self, number: int) -> Path:
        return self._directory / f"{number:08d}.jsonl"

    def _index(self, number: int) -> Path:
        return self._directory / f"{number:08d}.index"


def _position(segment: int, offset: int) -> int:
    return segment << _OFFSET_BITS | offset


def _offset_in(segment: Segment, position: int) -> int:
    number, offset = position >> _OFFSET_BITS, position & _OFFSET_MASK
    if segment.number < number:
        return segment.size
    return offset if segment.number == number else 0
