from datetime import timedelta

from paddock.core.on_demand.notes import Notes
from paddock.model.fleet import Reason
from tests.core.fleets import NOON


def test_reasons_keep_their_order() -> None:
    notes = Notes(NOON)
    notes.because("a", "first")
    notes.because("b", "second")
    assert notes.reasons == [Reason("a", "first"), Reason("b", "second")]


def test_it_wakes_at_the_earliest_moment_and_at_once_for_what_is_over() -> None:
    notes = Notes(NOON)
    assert notes.wake_after is None
    notes.wake_at(NOON + timedelta(seconds=9))
    notes.wake_at(NOON + timedelta(seconds=4))
    assert notes.wake_after == timedelta(seconds=4)
    notes.wake_at(NOON - timedelta(seconds=1))
    assert notes.wake_after == timedelta(0)
