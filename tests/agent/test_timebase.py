from datetime import UTC, datetime, timedelta

from paddock.agent.timebase import Timebase

START = datetime(2026, 11, 23, 6, 28, 0, tzinfo=UTC)


class AdjustableClock:
    def __init__(self) -> None:
        self.wall = START
        self.ticks = 500.0

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.ticks


def test_monotonic_time_becomes_wall_time() -> None:
    timebase = Timebase(AdjustableClock())

    assert timebase.epoch_ms(500.25) == int(START.timestamp() * 1000) + 250
    assert timebase.epoch_seconds(501.0) == START.timestamp() + 1
    assert timebase.iso(timebase.epoch_ms(500.25)) == "2026-11-23T06:28:00.250Z"
    assert timebase.iso(timebase.epoch_ms(561.001)) == "2026-11-23T06:29:01.001Z"
    assert timebase.iso(timebase.epoch_ms(500.0)) == "2026-11-23T06:28:00.000Z"


def test_a_wall_clock_that_was_set_is_followed_after_a_resynchronisation() -> None:
    clock = AdjustableClock()
    timebase = Timebase(clock)
    clock.wall += timedelta(hours=1)
    assert timebase.epoch_ms(500.0) == int(START.timestamp() * 1000)

    timebase.resynchronise()
    assert timebase.epoch_ms(500.0) == int(START.timestamp() * 1000) + 3_600_000
