from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.core.on_demand import Concurrency
from paddock.core.on_demand.concurrency import ThrottleReason
from paddock.model.ids import FunctionName

F, G = FunctionName("f"), FunctionName("g")


def test_functions_share_what_the_account_has() -> None:
    limits = Concurrency(2)
    assert (limits.admit(F), limits.admit(G)) == (None, None)
    assert limits.admit(F) is ThrottleReason.ACCOUNT
    limits.release(G)
    assert limits.admit(F) is None


def test_what_is_reserved_is_kept_for_its_function_and_bounds_it() -> None:
    limits = Concurrency(3)
    limits.reserve(F, 2)
    assert (limits.admit(G), limits.admit(G)) == (None, ThrottleReason.ACCOUNT)
    assert [limits.admit(F) for _ in range(3)] == [None, None, ThrottleReason.RESERVED]


def test_nothing_reserved_throttles_everything() -> None:
    limits = Concurrency(10)
    limits.reserve(F, 0)
    assert limits.admit(F) is ThrottleReason.RESERVED
    limits.reserve(F, None)
    assert limits.admit(F) is None


def test_the_machine_has_room_for_so_many_whoever_they_are_for() -> None:
    limits = Concurrency(1000, room=2)
    limits.reserve(F, 100)
    assert (limits.admit(F), limits.admit(G)) == (None, None)
    assert (limits.admit(F), limits.admit(G)) == (ThrottleReason.ACCOUNT, ThrottleReason.ACCOUNT)


def test_a_release_of_nothing_is_a_mistake() -> None:
    with pytest.raises(AssertionError, match="never admitted"):
        Concurrency(1).release(F)


@given(
    st.lists(
        st.tuples(st.sampled_from(["admit", "release", "reserve"]), st.sampled_from([F, G]), st.integers(0, 4)),
        max_size=60,
    )
)
def test_limits_hold_whatever_is_reserved_meanwhile(steps: list[tuple[str, FunctionName, int]]) -> None:
    """Nobody is admitted beyond the limits of that moment; what is counted was admitted and not released."""
    limits, account = Concurrency(5), 5
    running = {F: 0, G: 0}
    reserved: dict[FunctionName, int | None] = {F: None, G: None}
    for step, function, number in steps:
        if step == "reserve":
            reserved[function] = number or None
            limits.reserve(function, number or None)
        elif step == "release" and running[function]:
            running[function] -= 1
            limits.release(function)
        elif step == "admit":
            own = reserved[function]
            others = sum(running[name] for name, kept in reserved.items() if kept is None)
            left = account - sum(kept or 0 for kept in reserved.values())
            free = running[function] < own if own is not None else others < left
            free = free and sum(running.values()) < account
            assert (limits.admit(function) is None) == free
            running[function] += free
    assert limits.in_flight == sum(running.values())
