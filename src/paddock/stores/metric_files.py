"""Metrics that outlive the server: slices of minutes and longer go to files when they are complete, and come back.

A file holds a day of one resolution, as records that are appended: length, checksum, and a compressed slice with the
names that are new in it. Of two records of one slice the later counts; a torn one at the end counts for nothing.
"""

from __future__ import annotations

import logging
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Self, TypeAlias

import msgspec

from paddock.model.metrics import MetricId, Summary
from paddock.ports.metrics import KnownMetric, MetricSample, MetricSeries
from paddock.stores.metrics import RESOLUTIONS, MemoryMetricStore, Resolution, Slice, Slices

log = logging.getLogger(__name__)

KEPT_BYTES = 128 * 1024 * 1024
"""Of one resolution: weeks of some hundred metrics. The day that makes it more takes the oldest day away."""
LOADED_POINTS = 30_000
"""Of one resolution at a start: a fraction of a second. The rest stays in the files."""
SHORTEST_SECONDS = 60
"""Seconds are for looking at what goes on; they are not kept."""

_HEAD = struct.Struct(">II")
_SUFFIX = ".metrics"


class _Name(msgspec.Struct, array_like=True, frozen=True):
    number: int
    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]
    unit: str


class _Point(msgspec.Struct, array_like=True, frozen=True, gc=False):
    number: int
    count: float
    total: float
    minimum: float
    maximum: float
    buckets: tuple[tuple[int, float], ...]


class _Record(msgspec.Struct, array_like=True, frozen=True):
    """`names` are in force from here on: each server that appends to a file has numbers of its own.

    `points` are encoded once more: of a long day only the newest are read.
    """

    at: int
    names: tuple[_Name, ...]
    points: msgspec.Raw


_Unwritten: TypeAlias = "tuple[int, int, Slice, Mapping[int, KnownMetric]]"
"""Seconds of the resolution, number of the slice, what is in it, and what that is called."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Record).decode
_decode_points = msgspec.msgpack.Decoder(tuple[_Point, ...]).decode


class _Days:
    """The files of one resolution. Used by one thread at a time."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._open: Path | None = None
        self._named: set[int] = set()
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def newest_first(self) -> list[Path]:
        return sorted(self._directory.glob(f"*{_SUFFIX}"), reverse=True)

    def append(self, at: int, content: Slice, names: Mapping[int, KnownMetric]) -> None:
        path = self._directory / f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}{_SUFFIX}"
        if path != self._open:
            self._turn_to(path)
        new = tuple(_name(number, known) for number, known in names.items() if number not in self._named)
        points = tuple(
            _Point(number, one.count, one.total, one.minimum, one.maximum, one.buckets)
            for number, one in content.items()
            if number in names
        )
        body = zlib.compress(_encode(_Record(at, new, msgspec.Raw(_encode(points)))), 1)
        self._open = None  # until it is written: half a record would hide those behind it
        with path.open("ab") as file:
            file.write(_HEAD.pack(len(body), zlib.crc32(body)) + body)
        self._open = path
        self._named |= {name.number for name in new}

    def _turn_to(self, path: Path) -> None:
        """What a cut left at the end of the file would hide what is appended behind it."""
        if path.exists():
            whole = sum(_HEAD.size + len(body) for body in _bodies(path.read_bytes()))
            with path.open("r+b") as file:
                file.truncate(whole)
        self._open, self._named = path, set()
        kept = 0
        for each in self.newest_first():
            kept += each.stat().st_size
            if kept > KEPT_BYTES:
                each.unlink()


def _name(number: int, known: KnownMetric) -> _Name:
    metric = known.metric
    return _Name(number, metric.namespace, metric.name, metric.dimensions, known.unit)


def _bodies(content: bytes) -> Iterator[bytes]:
    """Up to the first that is cut or damaged."""
    at = 0
    while at + _HEAD.size <= len(content):
        length, check = _HEAD.unpack_from(content, at)
        body = content[at + _HEAD.size : at + _HEAD.size + length]
        if len(body) < length or zlib.crc32(body) != check:
            return
        yield body
        at += _HEAD.size + length


def _newest_first(path: Path) -> Iterator[tuple[int, list[tuple[_Name, Summary]]]]:
    """Each slice by its beginning in seconds. What nobody takes is not made."""
    records: dict[int, tuple[_Record, dict[int, _Name]]] = {}
    names: dict[int, _Name] = {}
    for body in _bodies(path.read_bytes()):
        record = _decode(zlib.decompress(body))
        if record.names:
            names = names | {name.number: name for name in record.names}
        records[record.at] = record, names  # of two of one slice the later
    for at in sorted(records, reverse=True):
        record, names = records[at]
        summaries = (
            (names[point.number], Summary(point.count, point.total, point.minimum, point.maximum, point.buckets))
            for point in _decode_points(record.points)
            if point.number in names
        )
        yield at, list(summaries)


class DiskMetricStore:
    """A `MemoryMetricStore` with files behind it. An async context manager: what is complete by its end is kept."""

    def __init__(self, directory: Path, resolutions: Sequence[Resolution] = RESOLUTIONS) -> None:
        self._memory = MemoryMetricStore(resolutions)
        self._kept = [each for each in self._memory.resolutions if each.seconds >= SHORTEST_SECONDS]
        self._days = {each.seconds: _Days(directory / str(each.seconds)) for each in self._kept}
        self._written = dict.fromkeys(self._days, 0)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="metric-store")
        self._writing: Future[None] | None = None

    async def __aenter__(self) -> Self:
        for slices in self._kept:
            self._load(slices)
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._writing is not None:
            self._writing.exception()
        self._write(self._complete(also_newest=True))
        self._thread.shutdown()

    async def put(self, at: datetime, samples: Sequence[MetricSample]) -> None:
        self._memory.keep(at, samples)
        if self._writing is None or self._writing.done():
            complete = self._complete()
            if complete:
                self._writing = self._thread.submit(self._write, complete)

    async def known(self, namespace: str | None = None) -> Sequence[KnownMetric]:
        return await self._memory.known(namespace)

    async def series(self, metric: MetricId, start: datetime, end: datetime, period_seconds: int) -> MetricSeries:
        return await self._memory.series(metric, start, end, period_seconds)

    def _complete(self, *, also_newest: bool = False) -> list[_Unwritten]:
        found: list[_Unwritten] = []
        for slices in self._kept:
            numbers = slices.closed_since(self._written[slices.seconds])
            if also_newest and slices.newest > self._written[slices.seconds]:
                numbers.append(slices.newest)
            for number in numbers:
                content = slices.content(number)
                found.append((slices.seconds, number, content, self._memory.described(content)))
        return found

    def _write(self, complete: Sequence[_Unwritten]) -> None:
        """What cannot be written now is tried again with the next slice."""
        try:
            for seconds, number, content, names in complete:
                self._days[seconds].append(number * seconds, content, names)
                self._written[seconds] = number
        except OSError as error:
            log.warning("metrics cannot be kept: %s", error)

    def _load(self, slices: Slices) -> None:
        """The newest first, until there are as many points as a start may take."""
        left = LOADED_POINTS
        for path in self._days[slices.seconds].newest_first():
            try:
                for at, points in _newest_first(path):
                    left -= len(points)
                    if left < 0:
                        break
                    slices.put(at // slices.seconds, self._numbered(points, datetime.fromtimestamp(at, UTC)))
            except (OSError, msgspec.MsgspecError, zlib.error) as error:
                log.warning("%s is left out: %s", path, error)
            if left < 0:
                break
        # A slice that had begun when the last server ended is written once more, with what comes to it now.
        self._written[slices.seconds] = max(0, slices.newest - 1)

    def _numbered(self, points: Sequence[tuple[_Name, Summary]], at: datetime) -> dict[int, Summary]:
        found = {}
        for name, summary in points:
            metric = MetricId(name.namespace, name.name, name.dimensions)
            found[self._memory.number_of(metric, name.unit, at)] = summary
        return found
