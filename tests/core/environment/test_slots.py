from paddock.core.environment import RuntimeWorkers
from paddock.core.environment.slots import SETTLING_SECONDS, Slots


def test_the_maximum_is_promised_while_workers_are_still_coming_up() -> None:
    slots: Slots[str] = Slots(4, RuntimeWorkers.OWN_CONNECTION)
    slots.runtime_ready(100.0)
    slots.worker_seen("a")

    slots.settle(100.0 + SETTLING_SECONDS - 1)
    assert slots.count == 4

    slots.settle(100.0 + SETTLING_SECONDS)
    assert slots.count == 1
    assert slots.settles_at is None


def test_the_promise_ends_early_when_all_have_come() -> None:
    slots: Slots[str] = Slots(2, RuntimeWorkers.OWN_CONNECTION)
    slots.runtime_ready(0.0)
    slots.worker_seen("a")
    slots.worker_seen("b")

    assert slots.settles_at is None
    slots.worker_lost("a")
    assert slots.count == 1


def test_a_worker_lost_while_others_come_up_is_taken_off_the_promise() -> None:
    slots: Slots[str] = Slots(3, RuntimeWorkers.OWN_CONNECTION)
    slots.runtime_ready(0.0)
    slots.worker_seen("a")
    slots.worker_lost("a")
    slots.worker_lost("never seen")

    assert slots.count == 2


def test_more_connections_than_the_maximum_are_not_more_slots() -> None:
    slots: Slots[str] = Slots(1, RuntimeWorkers.OWN_CONNECTION)
    slots.runtime_ready(0.0)
    slots.worker_seen("a")
    slots.worker_seen("b")

    assert slots.count == 1


def test_of_a_custom_runtime_the_most_that_was_seen_at_once_counts() -> None:
    slots: Slots[str] = Slots(8, RuntimeWorkers.UNKNOWN)
    slots.runtime_ready(0.0)
    slots.units_seen(3)
    slots.units_seen(2)
    assert slots.count == 8

    slots.settle(SETTLING_SECONDS)
    assert slots.count == 3

    slots.units_seen(20)
    assert slots.count == 8


def test_multiplexing_workers_have_the_maximum_from_the_start() -> None:
    slots: Slots[str] = Slots(64, RuntimeWorkers.MULTIPLEXED)
    slots.runtime_ready(0.0)
    slots.worker_seen("a")
    slots.worker_lost("a")
    slots.units_seen(1)

    assert slots.count == 64
    assert slots.settles_at is None
