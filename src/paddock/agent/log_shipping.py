"""Log lines on their way to the server: bounded streams, batches in sequence, kept until acknowledged.

A flood is slowed down while the server takes what it gets, and dropped with a count when it does not: neither memory
nor a missing server may decide whether functions go on. Makes no lines but `platform.logsDropped`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from paddock.agent.limits import (
    ALL_STREAMS_KEEP_BYTES,
    LOG_BATCH_BYTES,
    LOG_BATCH_RECORDS,
    LOG_STALL_SECONDS,
    STREAM_KEEP_BYTES,
    STREAM_PAUSE_BYTES,
    UNACKNOWLEDGED_LOG_BATCHES,
    UNACKNOWLEDGED_LOG_BYTES,
)
from paddock.agent.platform_events import Unwritten, logs_dropped
from paddock.agent.timebase import Timebase
from paddock.wire.agent import LogBatch, LogRecord, encoder

RECORD_BYTES = 128
"""What a record costs in memory beside its text: many short lines are a flood too."""
UNWRITTEN_BYTES = 512
"""What a record counts as whose line is not made yet."""
UNWRITTEN_RECORDS = 4_096
"""Of one environment between two shipments: with more their lines are made at once, and counted as they are."""


class PausableReader(Protocol):
    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class LogStream:
    """The lines of one environment that wait to be sent."""

    def __init__(self, group: str, stream: str, shipper: LogShipper, *, plain: bool = False) -> None:
        self.plain = plain
        self.tap: Callable[[bytes], None] | None = None
        """Gets every line as well, also those that there is no room to keep."""
        self.group = group
        self.stream = stream
        self.waiting_bytes = 0
        self.closed = False
        self._shipper = shipper
        self._records: list[LogRecord | Unwritten] = []
        self._room = UNWRITTEN_RECORDS
        self._counted = 0
        self._dropped_records = 0
        self._dropped_bytes = 0
        self._readers: dict[PausableReader, None] = {}
        self._paused = False

    def add(self, at_ms: int, message: bytes, request_id: str) -> None:
        if self.tap is not None:
            self.tap(message)
        size = len(message) + RECORD_BYTES
        shipper = self._shipper
        if self.waiting_bytes + size > STREAM_KEEP_BYTES or shipper.waiting_bytes + size > ALL_STREAMS_KEEP_BYTES:
            self._dropped_records += 1
            self._dropped_bytes += len(message)
            shipper.dropped_records += 1
            return
        self._records.append(LogRecord(at_ms, message, request_id))
        self.waiting_bytes += size
        shipper.waiting_bytes += size

    def add_unwritten(self, record: Unwritten) -> None:
        """A line that is made when it is shipped: off the way of an invocation, and many one after the other."""
        if self._room > 0:
            self._room -= 1
            self._records.append(record)
        else:
            self.add(record[1], record[0](record), record[2])

    def count_unwritten(self) -> None:
        """Before a shipment, all at once."""
        uncounted = UNWRITTEN_RECORDS - self._room - self._counted
        self._counted += uncounted
        self.waiting_bytes += uncounted * UNWRITTEN_BYTES
        self._shipper.waiting_bytes += uncounted * UNWRITTEN_BYTES

    @property
    def empty(self) -> bool:
        return not self._records and not self._dropped_records

    def take(self) -> tuple[LogRecord, ...]:
        """The next batch of records, oldest first. All are counted."""
        records = self._records
        taken: list[LogRecord] = []
        size = unwritten = 0
        for record in records[:LOG_BATCH_RECORDS]:
            if isinstance(record, tuple):
                size += UNWRITTEN_BYTES
                unwritten += 1
                taken.append(LogRecord(record[1], record[0](record), record[2]))
            else:
                size += len(record.message) + RECORD_BYTES
                taken.append(record)
            if size >= LOG_BATCH_BYTES:
                break
        self._records = records[len(taken) :]
        self._room += unwritten
        self._counted -= unwritten
        self.waiting_bytes -= size
        self._shipper.waiting_bytes -= size
        return tuple(taken)

    def admit_drops(self, at_ms: int, time_text: str) -> None:
        """Say in the stream itself what it lacks, once there is room for it."""
        if self._dropped_records and self.waiting_bytes < STREAM_PAUSE_BYTES:
            message = logs_dropped(time_text, self._dropped_records, self._dropped_bytes)
            self._dropped_records = self._dropped_bytes = 0
            self.add(at_ms, message, "")

    def attach(self, reader: PausableReader) -> None:
        self._readers[reader] = None
        if self._paused:
            reader.pause_reading()

    def detach(self, reader: PausableReader) -> None:
        self._readers.pop(reader, None)

    def throttle(self) -> None:
        """Read on or not, by what waits and by whether it moves."""
        if not self._paused and self.waiting_bytes > STREAM_PAUSE_BYTES and self._shipper.flowing:
            self._paused = True
            for reader in self._readers:
                reader.pause_reading()
        elif self._paused and (self.waiting_bytes < STREAM_PAUSE_BYTES // 2 or not self._shipper.flowing):
            self._paused = False
            for reader in list(self._readers):
                reader.resume_reading()


class LogShipper:
    """All streams of one agent. `send` takes an encoded `LogBatch`; it is None while no server is connected."""

    def __init__(self, timebase: Timebase) -> None:
        self.waiting_bytes = 0
        self.dropped_records = 0
        self._timebase = timebase
        self._streams: list[LogStream] = []
        self._sequence = 0
        self._unacknowledged: OrderedDict[int, bytes] = OrderedDict()
        self._unacknowledged_bytes = 0
        self._send: Callable[[bytes], None] | None = None
        self._progress_at = 0.0
        self.flowing = False

    def open_stream(self, group: str, stream: str, *, plain: bool = False) -> LogStream:
        """The lines of a `plain` stream are kept as they are."""
        opened = LogStream(group, stream, self, plain=plain)
        self._streams.append(opened)
        return opened

    def connected(self, send: Callable[[bytes], None]) -> None:
        """A new server: whatever it or its predecessor has not acknowledged goes out again, in order."""
        self._send = send
        self._progress_at = self._timebase.monotonic()
        self.flowing = True
        for batch in self._unacknowledged.values():
            send(batch)

    def disconnected(self) -> None:
        self._send = None
        self.flowing = False

    def acknowledge(self, sequence: int) -> None:
        could_send = self._may_send
        while self._unacknowledged and next(iter(self._unacknowledged)) <= sequence:
            self._unacknowledged_bytes -= len(self._unacknowledged.popitem(last=False)[1])
        self._progress_at = self._timebase.monotonic()
        if not could_send:
            # The way was full and is open again. Where it was open, new lines wait for the next regular time: shipped
            # with each acknowledgement they would go a few at a time, and a batch costs more than all of its lines.
            self.ship()

    def ship(self) -> None:
        """Called several times a second: send what may be sent, pause and resume readers, forget closed streams."""
        now = self._timebase.monotonic()
        stalled = bool(self._unacknowledged) and now - self._progress_at > LOG_STALL_SECONDS
        self.flowing = self._send is not None and not stalled
        at_ms = self._timebase.epoch_ms(now)
        time_text = self._timebase.iso(at_ms)
        for stream in self._streams:
            stream.count_unwritten()
            stream.admit_drops(at_ms, time_text)
        self._ship_in_turn(now)
        for stream in self._streams:
            stream.throttle()
        self._streams = [stream for stream in self._streams if not (stream.closed and stream.empty)]

    def _ship_in_turn(self, now: float) -> None:
        """One batch of each stream after the other, so that a flood does not starve its neighbours."""
        moving = True
        while moving:
            moving = False
            for stream in self._streams:
                if not self._may_send:
                    return
                if stream.waiting_bytes:
                    self._ship_batch(stream, now)
                    moving = True

    @property
    def _may_send(self) -> bool:
        return (
            self._send is not None
            and len(self._unacknowledged) < UNACKNOWLEDGED_LOG_BATCHES
            and self._unacknowledged_bytes < UNACKNOWLEDGED_LOG_BYTES
        )

    def _ship_batch(self, stream: LogStream, now: float) -> None:
        assert self._send is not None
        if not self._unacknowledged:
            self._progress_at = now
        self._sequence += 1
        batch = encoder.encode(LogBatch(self._sequence, stream.group, stream.stream, stream.take(), stream.plain))
        self._unacknowledged[self._sequence] = batch
        self._unacknowledged_bytes += len(batch)
        self._send(batch)

    @property
    def everything_acknowledged(self) -> bool:
        return not self._unacknowledged and all(stream.empty for stream in self._streams)
