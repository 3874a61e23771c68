import pytest

from paddock.core.environment import RuntimeWorkers
from paddock.core.environment.slots import DEFAULT_SLOTS, Slots, SlotSettings

SETTLING, RETURN = DEFAULT_SLOTS.settling_seconds, DEFAULT_SLOTS.return_seconds


def test_the_maximum_is_promised_while_workers_are_still_coming_up() -> None:
    slots: Slots[str] = Slots(4, RuntimeWorkers.OWN_CONNECTION)
    slots.runtime_ready(100.0)
    slots.worker_seen("a")

    slots.settle(100.0 + SETTLING - 1)
    assert slots.count == 4

    slots.settle(100.0 + SETTLING)
    assert slots.count == 1
    assert slots.changes_at is None


def test_the_promise_ends_early_when_all_have_come() -> None:
    slots: Slots[str] = Slots(2, RuntimeWorkers.OWN_CONNECTION)
    slots.runtime_ready(0.0)
    slots.worker_seen("a")
    slots.worker_seen("b")

    assert slots.changes_at is None
    slots.worker_lost("a", 1.0, may_return=False)
    assert slots.count == 1


def test_a_worker_lost_while_others_come_up_is_taken_off_the_promise() -> None:
    slots: Slots[str] = Slots(3, RuntimeWorkers.OWN_CONNECTION)
    slots.runtime_ready(0.0)
    slots.worker_seen("a")
    slots.worker_lost("a", 1.0, may_return=False)
    slots.worker_lost("never seen", 1.0, may_return=False)

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

    slots.settle(SETTLING)
    assert slots.count == 3

    slots.units_seen(20)
    assert slots.count == 8


def test_multiplexing_workers_have_the_maximum_from_the_start() -> None:
    slots: Slots[str] = Slots(64, RuntimeWorkers.MULTIPLEXED)
    slots.runtime_ready(0.0)
    slots.worker_seen("a")
    slots.worker_lost("a", 1.0, may_return=False)
    slots.units_seen(1)
    slots.settle(SETTLING)

    assert slots.count == 64
    assert slots.changes_at is None


@pytest.mark.parametrize("returns", [True, False])
def test_a_worker_that_may_return_keeps_its_slot_for_a_moment(returns: bool) -> None:
    slots: Slots[str] = Slots(1, RuntimeWorkers.OWN_CONNECTION)
    slots.runtime_ready(0.0)
    slots.worker_seen("a")
    slots.worker_lost("a", 5.0, may_return=True)

    assert slots.count == 1
    assert slots.changes_at == 5.0 + RETURN
    if returns:
        slots.worker_seen("b")
    slots.settle(5.0 + RETURN)

    assert slots.count == (1 if returns else 0)
    assert slots.changes_at is None


def test_it_changes_next_when_the_first_of_what_it_awaits_is_due() -> None:
    slots: Slots[str] = Slots(3, RuntimeWorkers.OWN_CONNECTION)
    slots.runtime_ready(0.0)
    slots.worker_seen("a")
    assert slots.changes_at == SETTLING

    slots.worker_lost("a", 2.0, may_return=True)
    assert slots.changes_at == 2.0 + RETURN

    slots.settle(2.0 + RETURN)
    assert slots.count == 2
    assert slots.changes_at == SETTLING


def test_how_long_workers_may_take_to_come_and_to_return_can_be_set() -> None:
    slots: Slots[str] = Slots(2, RuntimeWorkers.OWN_CONNECTION, SlotSettings(settling_seconds=2.0, return_seconds=0.5))
    slots.runtime_ready(0.0)
    slots.worker_seen("a")
    assert slots.changes_at == 2.0

    slots.worker_seen("b")
    slots.worker_lost("b", 5.0, may_return=True)
    assert slots.changes_at == 5.5
