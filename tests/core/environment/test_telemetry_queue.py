import math

from hypothesis import given
from hypothesis import strategies as st

from paddock.core.environment.telemetry import Buffering
from paddock.core.environment.telemetry_queue import SINGLE_EVENT_BATCHES, WAITING_BATCHES, Batch, TelemetryQueue

SMALL = Buffering(max_items=3, max_bytes=10, timeout_ms=500)


def test_a_batch_is_closed_by_its_time() -> None:
    queue = TelemetryQueue(SMALL)
    assert queue.due_at() is None
    assert queue.add(b"a", 100.0)
    assert not queue.add(b"b", 100.4)
    assert queue.due_at() == 100.5
    assert queue.take() == Batch((b"a", b"b"), 0, 0)
    assert queue.empty
    assert queue.due_at() is None


def test_a_batch_is_closed_by_its_number() -> None:
    queue = TelemetryQueue(SMALL)
    assert [queue.add(b"a", 100.0) for _ in range(4)] == [True, False, True, False]
    assert queue.due_at() == -math.inf
    assert len(queue.take().events) == 3
    assert queue.due_at() == 100.5


def test_a_batch_is_closed_by_its_bytes_and_holds_no_more() -> None:
    queue = TelemetryQueue(SMALL)
    queue.add(b"aaaaaa", 100.0)
    assert queue.add(b"bbbbbb", 100.1)
    assert queue.due_at() == -math.inf
    assert queue.take().events == (b"aaaaaa",)
    assert queue.due_at() == 100.6


def test_one_event_may_be_larger_than_a_batch_but_not_than_a_delivery() -> None:
    queue = TelemetryQueue(SMALL)
    queue.add(b"a" * 20, 100.0)
    assert queue.take().events == (b"a" * 20,)
    assert not queue.add(b"a" * 21, 100.0)
    assert queue.empty


def test_what_there_is_no_room_for_is_dropped_and_told_with_the_next_batch() -> None:
    queue = TelemetryQueue(SMALL)
    for _ in range(8):
        queue.add(b"a", 100.0)
    assert queue.take() == Batch((b"a",) * 3, 2, 2)
    assert queue.take() == Batch((b"a",) * 3, 0, 0)


def test_a_batch_that_was_lost_is_told_with_the_next_event_with_all_it_told() -> None:
    queue = TelemetryQueue(SMALL)
    queue.add(b"abc", 100.0)
    queue.drop(5, 50)
    queue.lost(queue.take())
    assert queue.due_at() is None
    queue.add(b"d", 200.0)
    assert queue.take() == Batch((b"d",), 6, 53)


def test_once_flushed_nothing_waits() -> None:
    queue = TelemetryQueue(SMALL)
    queue.flush()
    assert queue.due_at() is None
    assert queue.add(b"a", 100.0)
    assert queue.due_at() == -math.inf


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("add"), st.integers(0, 25)),
            st.tuples(st.just("take"), st.booleans()),
        ),
        max_size=60,
    )
)
def test_every_event_is_delivered_in_order_or_counted(steps: list[tuple[str, int]]) -> None:
    queue = TelemetryQueue(SMALL)
    delivered: list[bytes] = []
    told, added, number = 0, 0, 0

    def take(lose: bool) -> None:
        nonlocal told
        batch = queue.take()
        size = sum(map(len, batch.events))
        assert len(batch.events) <= SMALL.max_items
        assert size <= SMALL.max_bytes or len(batch.events) == 1
        assert size <= SINGLE_EVENT_BATCHES * SMALL.max_bytes
        if lose:
            queue.lost(batch)
        else:
            delivered.extend(batch.events)
            told += batch.dropped_records

    waiting_most = WAITING_BATCHES * SMALL.max_items
    for what, figure in steps:
        if what == "add":
            number += 1
            added += 1
            queue.add(number.to_bytes(2, "big") + b"x" * figure, float(number))
        else:
            take(bool(figure))
    for _ in range(waiting_most + 1):
        take(lose=False)
    assert queue.empty
    assert delivered == sorted(delivered, key=lambda event: event[:2])
    assert len(delivered) + told == added
