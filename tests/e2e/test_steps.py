"""Traffic that grows in one step: a doubling finds room that was kept for it; more than that is refused honestly until
there is room. Functions that only wait, so that slots decide and not this machine's speed.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from paddock.cli.load import Due, Load, Stream, steady
from paddock.ports.clock import SystemClock
from tests.e2e.callers import counted
from tests.e2e.conftest import Server, create_function, create_provider, eventually, invoke

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

FIRST_ENVIRONMENTS = 3
SLOTS_EACH = 4
PER_SECOND, SECONDS_EACH = 8.0, 0.5
"""Four in flight, in twelve slots."""
STEP_AT_SECONDS = 8
LOAD_SECONDS = 90
"""The most; it is stopped as soon as a test has seen what it waits for."""
IN_A_ROW = 60


def step(function: str, factor: int) -> Iterator[Due]:
    def event(_: int) -> dict[str, Any]:
        return {"do": "wait", "seconds": SECONDS_EACH}

    yield from steady((Stream(function, PER_SECOND, event),), STEP_AT_SECONDS)
    for due in steady((Stream(function, factor * PER_SECOND, event),), LOAD_SECONDS):
        yield replace(due, seconds=STEP_AT_SECONDS + due.seconds)


@contextmanager
def stepping(server: Server, factor: int) -> Iterator[Load]:
    """Left, it has stopped and everything that it sent is answered."""
    api = server.client("lambda", max_pool_connections=128)
    create_function(api, create_provider(api, "p"), "f", max_concurrency=SLOTS_EACH)
    load = Load(api, step("f", factor), STEP_AT_SECONDS + LOAD_SECONDS, SystemClock())
    sending = threading.Thread(target=load.run)
    sending.start()
    try:
        yield load
    finally:
        load.stop()
        sending.join()


def after_the_step(load: Load) -> list[str]:
    return [answer.outcome for answer in list(load.answers) if answer.due_seconds >= STEP_AT_SECONDS]


def went_well_at_last(load: Load) -> bool:
    last = after_the_step(load)[-IN_A_ROW:]
    return last == ["ok"] * IN_A_ROW


def serving(load: Load) -> int:
    """Environments that have answered since the step."""
    return len({each.environment for each in list(load.answers) if each.due_seconds >= STEP_AT_SECONDS} - {None})


def test_traffic_that_doubles_is_never_throttled(own_server: Callable[..., Server]) -> None:
    with stepping(own_server(), factor=2) as load:
        assert eventually(lambda: serving(load) > FIRST_ENVIRONMENTS and went_well_at_last(load))

    assert set(Counter(answer.outcome for answer in load.answers)) == {"ok"}


def test_traffic_that_quintuples_is_throttled_honestly_until_there_is_room(own_server: Callable[..., Server]) -> None:
    server = own_server()
    with stepping(server, factor=5) as load:
        assert eventually(lambda: "throttled" in after_the_step(load))
        assert eventually(lambda: serving(load) > FIRST_ENVIRONMENTS and went_well_at_last(load))

    result = Counter(answer.outcome for answer in load.answers)
    assert set(result) == {"ok", "throttled"}
    assert counted(server, "paddock_throttles_total", "f") == result["throttled"]
    assert "throttled" not in {each.outcome for each in load.answers if each.due_seconds < STEP_AT_SECONDS}


def test_calls_one_after_the_other_never_look_like_many_at_once(own_server: Callable[..., Server]) -> None:
    """Each goes to another environment, which is full for a moment when it has one slot."""
    api = own_server().client("lambda")
    create_function(api, create_provider(api, "p"), "f", max_concurrency=1)
    answered_by = {invoke(api, "f", {"do": "wait", "seconds": 0.05})["environment"] for _ in range(150)}
    assert len(answered_by) == FIRST_ENVIRONMENTS
