from __future__ import annotations

from datetime import timedelta

import pytest

from paddock.simulator import kernel as kernel_module
from paddock.simulator.kernel import EPOCH, Kernel


def test_events_happen_in_order_of_time_then_of_asking() -> None:
    kernel = Kernel(1)
    seen: list[str] = []
    kernel.after(2, lambda: seen.append("late"))
    kernel.after(1, lambda: seen.append("first"))
    kernel.after(1, lambda: seen.append("second"))

    kernel.run(until=1.5)
    assert (seen, kernel.now) == (["first", "second"], 1.5)

    kernel.run(until=2)
    assert seen[-1] == "late"


def test_what_an_event_asks_for_happens_too() -> None:
    kernel = Kernel(1)
    times: list[float] = []

    def again() -> None:
        times.append(kernel.now)
        if len(times) < 3:
            kernel.after(1, again)

    kernel.after(1, again)
    kernel.run(until=10)

    assert times == [1, 2, 3]


def test_a_cancelled_event_does_not_happen_and_a_periodic_one_goes_on() -> None:
    kernel = Kernel(1)
    ticks: list[float] = []
    kernel.after(1, lambda: ticks.append(-1)).cancel()
    kernel.every(2, lambda: ticks.append(kernel.now))

    kernel.run(until=7)

    assert ticks == [2, 4, 6]


def test_wall_time_may_jump_and_monotonic_time_never_does() -> None:
    kernel = Kernel(1)
    kernel.run(until=10)
    kernel.clock.wall_offset = timedelta(seconds=-30)

    assert kernel.clock.now() == EPOCH - timedelta(seconds=20)
    assert kernel.clock.monotonic() == 10


def test_watchers_look_after_every_event() -> None:
    kernel = Kernel(1)
    looks: list[float] = []
    kernel.watchers.append(lambda: looks.append(kernel.now))
    kernel.after(1, lambda: None)
    kernel.after(2, lambda: None)

    kernel.run(until=5)

    assert looks == [1, 2]


def test_chance_and_ids_follow_from_the_seed() -> None:
    def throws(seed: int) -> tuple[float, str]:
        kernel = Kernel(seed)
        return kernel.dice.random(), kernel.ids.hex(8)

    assert throws(7) == throws(7)
    assert throws(7) != throws(8)


def test_a_simulation_that_runs_in_circles_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_module, "MAX_EVENTS", 100)
    kernel = Kernel(1)

    def again() -> None:
        kernel.after(0, again)

    again()
    with pytest.raises(RuntimeError, match="circles"):
        kernel.run(until=1)
