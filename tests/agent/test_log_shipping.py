from datetime import UTC, datetime, timedelta

import pytest

from paddock.agent import log_shipping
from paddock.agent.limits import (
    LOG_BATCH_RECORDS,
    LOG_STALL_SECONDS,
    STREAM_KEEP_BYTES,
    STREAM_PAUSE_BYTES,
    UNACKNOWLEDGED_LOG_BATCHES,
)
from paddock.agent.log_shipping import LogShipper, LogStream
from paddock.agent.timebase import Timebase
from paddock.wire.agent import LogBatch, LogRecord, agent_message_decoder


class VirtualClock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return datetime(2026, 11, 23, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


class Reader:
    reading = True

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True


class Shipping:
    """A shipper with one stream; what it sends is kept."""

    def __init__(self, *, connected: bool = True) -> None:
        self.clock = VirtualClock()
        self.shipper = LogShipper(Timebase(self.clock))
        self.stream: LogStream = self.shipper.open_stream("g", "s")
        self.sent: list[LogBatch] = []
        if connected:
            self.connect()

    def connect(self) -> None:
        self.shipper.connected(self.take)

    def take(self, encoded: bytes) -> None:
        message = agent_message_decoder.decode(encoded)
        assert isinstance(message, LogBatch)
        self.sent.append(message)

    def add(self, *lines: bytes) -> None:
        for line in lines:
            self.stream.add(1, line, "")

    def texts(self) -> list[bytes]:
        return [record.message for batch in self.sent for record in batch.records]


def test_lines_are_sent_in_order_and_in_sequence() -> None:
    shipping = Shipping()
    shipping.add(b"1", b"2")
    shipping.shipper.ship()
    shipping.add(b"3")
    shipping.shipper.ship()

    assert shipping.texts() == [b"1", b"2", b"3"]
    assert [batch.sequence for batch in shipping.sent] == [1, 2]
    assert (shipping.sent[0].log_group, shipping.sent[0].log_stream) == ("g", "s")


def test_a_batch_holds_only_so_many_records() -> None:
    shipping = Shipping()
    shipping.add(*[b"x"] * (LOG_BATCH_RECORDS + 1))
    shipping.shipper.ship()

    assert [len(batch.records) for batch in shipping.sent] == [LOG_BATCH_RECORDS, 1]


def test_what_was_not_acknowledged_is_sent_again_to_the_next_server() -> None:
    shipping = Shipping()
    for line in (b"1", b"2", b"3"):
        shipping.add(line)
        shipping.shipper.ship()
    shipping.shipper.acknowledge(1)
    shipping.shipper.disconnected()
    shipping.add(b"4")
    shipping.shipper.ship()
    shipping.sent.clear()
    shipping.connect()
    shipping.shipper.ship()

    assert shipping.texts() == [b"2", b"3", b"4"]
    assert not shipping.shipper.everything_acknowledged
    shipping.shipper.acknowledge(4)
    assert shipping.shipper.everything_acknowledged


def test_only_so_much_is_under_way_at_once() -> None:
    shipping = Shipping()
    for number in range(3 * UNACKNOWLEDGED_LOG_BATCHES):
        shipping.add(b"%d" % number)
        shipping.shipper.ship()
    assert len(shipping.sent) == UNACKNOWLEDGED_LOG_BATCHES

    shipping.shipper.acknowledge(1)
    assert len(shipping.sent) == UNACKNOWLEDGED_LOG_BATCHES + 1
    assert len(shipping.texts()) == 3 * UNACKNOWLEDGED_LOG_BATCHES


def test_a_flood_stops_the_reading_until_the_server_has_caught_up() -> None:
    shipping = Shipping()
    reader = Reader()
    shipping.stream.attach(reader)
    while shipping.stream.waiting_bytes <= STREAM_PAUSE_BYTES:
        shipping.add(b"x" * 10_000)
    shipping.stream.throttle()
    late = Reader()
    shipping.stream.attach(late)
    assert [reader.reading, late.reading] == [False, False]
    shipping.stream.detach(late)

    shipping.shipper.ship()
    assert [reader.reading, late.reading] == [True, False]
    assert shipping.shipper.dropped_records == 0


def test_a_server_that_does_not_acknowledge_does_not_stop_functions_their_lines_are_dropped_and_counted() -> None:
    shipping = Shipping()
    reader = Reader()
    shipping.stream.attach(reader)
    line = b"x" * 100_000
    for _ in range(60):
        shipping.add(line)
        shipping.shipper.ship()
    assert [reader.reading] == [False]

    shipping.clock.seconds += LOG_STALL_SECONDS + 1
    shipping.shipper.ship()
    assert [reader.reading] == [True]
    for _ in range(100):
        shipping.add(line)
    assert shipping.stream.waiting_bytes <= STREAM_KEEP_BYTES
    assert shipping.shipper.dropped_records > 50

    for sequence in range(1, 100):
        shipping.shipper.acknowledge(sequence)
    (admitted,) = [text for text in shipping.texts() if b"platform.logsDropped" in text]
    assert f'"droppedRecords":{shipping.shipper.dropped_records},"droppedBytes":'.encode() in admitted


def test_without_a_server_memory_is_bounded_over_all_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_shipping, "ALL_STREAMS_KEEP_BYTES", 50_000)
    shipping = Shipping(connected=False)
    others = [shipping.shipper.open_stream("g", f"s{number}") for number in range(9)]
    for stream in others:
        for _ in range(20):
            stream.add(1, b"x" * 1000, "")
    assert shipping.shipper.waiting_bytes <= 50_000
    assert shipping.shipper.dropped_records > 100


def test_many_tiny_lines_are_a_flood_too() -> None:
    shipping = Shipping(connected=False)
    for _ in range(100_000):
        shipping.stream.add(1, b".", "")
    assert shipping.shipper.dropped_records > 50_000


def test_a_flooding_environment_does_not_starve_its_neighbours() -> None:
    shipping = Shipping()
    neighbour = shipping.shipper.open_stream("g", "quiet")
    for _ in range(30):
        shipping.add(b"x" * 100_000)
    neighbour.add(1, b"hello", "")
    shipping.shipper.ship()

    assert [batch.log_stream for batch in shipping.sent][:2] == ["s", "quiet"]


def test_a_closed_stream_is_forgotten_once_it_is_empty() -> None:
    shipping = Shipping()
    shipping.add(b"last words")
    shipping.stream.closed = True
    shipping.shipper.ship()
    shipping.shipper.ship()

    assert shipping.texts() == [b"last words"]
    assert shipping.shipper._streams == []


def line_of(record: tuple[object, int, str, bytes]) -> bytes:
    return record[3]


def test_a_line_that_is_made_when_it_is_shipped_keeps_its_place() -> None:
    shipping = Shipping()
    shipping.add(b"1")
    shipping.stream.add_unwritten((line_of, 7, "r-1", b"2"))
    shipping.add(b"3")
    shipping.shipper.ship()

    assert shipping.texts() == [b"1", b"2", b"3"]
    assert shipping.sent[0].records[1] == LogRecord(7, b"2", "r-1")
    assert shipping.stream.empty
    assert shipping.stream.waiting_bytes == shipping.shipper.waiting_bytes == 0


def test_lines_that_are_made_later_are_bounded_too() -> None:
    shipping = Shipping(connected=False)
    line = b"x" * 400
    for _ in range(4):
        for _ in range(log_shipping.UNWRITTEN_RECORDS):
            shipping.stream.add_unwritten((line_of, 1, "", line))
        shipping.shipper.ship()
    assert shipping.stream.waiting_bytes <= STREAM_KEEP_BYTES
    assert shipping.shipper.waiting_bytes == shipping.stream.waiting_bytes
    assert shipping.shipper.dropped_records > 0

    shipping.connect()
    shipping.shipper.ship()
    while shipping.shipper.waiting_bytes:
        shipping.shipper.acknowledge(shipping.sent[-1].sequence)
        shipping.shipper.ship()
    assert shipping.stream.waiting_bytes == 0
    assert shipping.texts().count(line) + shipping.shipper.dropped_records == 4 * log_shipping.UNWRITTEN_RECORDS
