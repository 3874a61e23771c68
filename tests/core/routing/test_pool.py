"""Slots: least loaded first, spread over zones, none given twice, none lost."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from paddock.core.routing.pool import EnvironmentPool, RoutedEnvironment
from paddock.model.ids import AvailabilityZone, EnvironmentId, InstanceId


def environment(name: str, *, zone: str = "a", slots: int = 2) -> RoutedEnvironment:
    return RoutedEnvironment(EnvironmentId(name), InstanceId(f"i-{name}"), AvailabilityZone(zone), slots)


def pool_of(*environments: RoutedEnvironment) -> EnvironmentPool:
    pool = EnvironmentPool()
    for member in environments:
        pool.add(member)
    return pool


def taken(pool: EnvironmentPool, times: int) -> list[str]:
    names = []
    for _ in range(times):
        member = pool.take()
        assert member is not None
        names.append(str(member.environment_id))
    return names


def test_every_idle_environment_is_used_before_one_is_shared() -> None:
    pool = pool_of(*(environment(name) for name in "pqr"))

    assert sorted(taken(pool, 3)) == ["p", "q", "r"]
    assert sorted(taken(pool, 3)) == ["p", "q", "r"]


def test_zones_take_turns_even_when_one_holds_more_environments() -> None:
    pool = pool_of(*(environment(f"a{n}", zone="a") for n in range(3)), environment("b0", zone="b"))

    assert taken(pool, 2) == ["a0", "b0"]


def test_one_at_a_time_goes_round_the_environments() -> None:
    pool = pool_of(*(environment(name, zone=name) for name in "pqr"))
    seen = []
    for _ in range(6):
        member = pool.take()
        assert member is not None
        seen.append(str(member.environment_id))
        pool.release(member)

    assert seen == ["p", "q", "r", "p", "q", "r"]


def test_a_full_pool_gives_nothing() -> None:
    pool = pool_of(environment("p", slots=1), environment("q", slots=1))
    taken(pool, 2)

    assert pool.take() is None


def test_an_empty_pool_gives_nothing() -> None:
    assert EnvironmentPool().take() is None


@pytest.mark.parametrize(("slots", "draining", "reachable"), [(2, True, True), (2, False, False), (0, False, True)])
def test_an_environment_that_may_not_be_used_is_not_taken(slots: int, draining: bool, reachable: bool) -> None:
    out, other = environment("p"), environment("q")
    pool = pool_of(out, other)
    pool.change(out, slots=slots, draining=draining, reachable=reachable)

    assert taken(pool, 2) == ["q", "q"]
    assert pool.take() is None


def test_a_refused_invocation_goes_to_another_environment() -> None:
    first, second = environment("p"), environment("q")
    pool = pool_of(first, second)
    refusing = pool.take()
    assert refusing is not None
    pool.release(refusing)

    other = pool.take_other([refusing])

    assert other is not None
    assert other is not refusing
    assert pool.take_other([first, second]) is None


def test_an_environment_that_refused_rests_until_a_slot_of_it_comes_back() -> None:
    member = environment("p", slots=3)
    pool = pool_of(member)
    taken(pool, 2)
    pool.refuse(member)
    assert pool.take() is None

    pool.release(member)

    assert pool.take() is member


def test_an_environment_that_rests_is_the_last_resort() -> None:
    resting, awake = environment("p"), environment("q", slots=1)
    pool = pool_of(resting, awake)
    refusing = pool.take()
    assert refusing is resting
    pool.refuse(resting)

    assert pool.take() is awake
    assert pool.take() is None
    assert pool.take_resting([resting]) is None
    assert pool.take_resting([]) is resting
    assert resting.in_flight == 1


def test_a_resting_environment_without_a_free_slot_is_not_asked() -> None:
    member = environment("p", slots=1)
    pool = pool_of(member)
    taken(pool, 1)
    pool.refuse(member)
    pool.change(member, slots=0)
    assert pool.take_resting([]) is None

    pool.change(member, slots=1, draining=True)
    assert pool.take_resting([]) is None


def test_an_environment_that_refused_can_be_woken() -> None:
    member = environment("p")
    pool = pool_of(member)
    taken(pool, 1)
    pool.refuse(member)
    assert pool.take() is None

    pool.wake(member)
    pool.wake(member)

    assert taken(pool, 2) == ["p", "p"]
    assert pool.take() is None


def test_an_environment_with_fewer_slots_than_are_taken_waits_for_releases() -> None:
    member = environment("p", slots=3)
    pool = pool_of(member)
    taken(pool, 3)
    pool.change(member, slots=1)

    pool.release(member)
    pool.release(member)
    assert pool.take() is None

    pool.release(member)
    assert pool.take() is member


def test_slots_of_a_removed_environment_can_still_be_released() -> None:
    member = environment("p")
    pool = pool_of(member)
    taken(pool, 1)
    pool.remove(member)

    pool.release(member)

    assert member.in_flight == 0
    assert pool.take() is None


def test_a_slot_released_twice_is_a_mistake_that_shows() -> None:
    member = environment("p")
    pool = pool_of(member)
    taken(pool, 1)
    pool.release(member)

    with pytest.raises(AssertionError, match="nobody had taken"):
        pool.release(member)


class PoolMachine(RuleBasedStateMachine):
    """Any mixture of takes, releases and news about environments, against a model that only counts."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = EnvironmentPool()
        self.members: list[RoutedEnvironment] = []
        self.held: list[RoutedEnvironment] = []
        self.most_held = 0
        self.made = 0

    def _takeable(self) -> list[RoutedEnvironment]:
        return [member for member in self.members if member.takes]

    def _check(self, chosen: RoutedEnvironment | None, candidates: list[RoutedEnvironment]) -> None:
        """`candidates` with the load they had before."""
        if chosen is None:
            assert not candidates
            return
        self.held.append(chosen)
        self.most_held = max(self.most_held, len(self.held))
        assert chosen in candidates

    @rule(zone=st.sampled_from("abc"), slots=st.integers(0, 4))
    def add(self, zone: str, slots: int) -> None:
        member = environment(f"e{self.made}", zone=zone, slots=slots)
        self.made += 1
        self.pool.add(member)
        self.members.append(member)

    @precondition(lambda self: self.members)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        member = data.draw(st.sampled_from(self.members))
        self.members.remove(member)
        self.pool.remove(member)

    @rule()
    def take(self) -> None:
        candidates = self._takeable()
        least = min((member.in_flight for member in candidates), default=None)
        chosen = self.pool.take()
        self._check(chosen, candidates)
        if chosen is not None:
            assert chosen.in_flight - 1 == least

    @rule(data=st.data())
    def take_other(self, data: st.DataObject) -> None:
        refused = data.draw(st.sets(st.sampled_from(self.members))) if self.members else set()
        candidates = [member for member in self._takeable() if member not in refused]
        least = min((member.in_flight for member in candidates), default=None)
        chosen = self.pool.take_other(refused)
        self._check(chosen, candidates)
        if chosen is not None:
            assert chosen.in_flight - 1 == least

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        at = data.draw(st.integers(0, len(self.held) - 1))
        self.pool.release(self.held.pop(at))

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def refuse(self, data: st.DataObject) -> None:
        at = data.draw(st.integers(0, len(self.held) - 1))
        member = self.held.pop(at)
        self.pool.refuse(member)
        assert not member.takes

    @rule()
    def take_peak(self) -> None:
        assert self.pool.take_peak() == self.most_held
        self.most_held = len(self.held)

    @invariant()
    def what_is_in_flight_is_held(self) -> None:
        assert self.pool.in_flight == len(self.held)

    @rule()
    def take_resting(self) -> None:
        candidates = [
            member
            for member in self.members
            if member.resting and member.reachable and not member.draining and member.in_flight < member.slots
        ]
        self._check(self.pool.take_resting(()), candidates)

    @precondition(lambda self: self.members)
    @rule(data=st.data())
    def wake(self, data: st.DataObject) -> None:
        self.pool.wake(data.draw(st.sampled_from(self.members)))

    @precondition(lambda self: self.members)
    @rule(
        data=st.data(),
        slots=st.none() | st.integers(0, 4),
        draining=st.none() | st.booleans(),
        reachable=st.none() | st.booleans(),
    )
    def change(self, data: st.DataObject, slots: int | None, draining: bool | None, reachable: bool | None) -> None:
        member = data.draw(st.sampled_from(self.members))
        self.pool.change(member, slots=slots, draining=draining, reachable=reachable)

    @invariant()
    def every_taken_slot_is_counted_once(self) -> None:
        held = Counter(self.held)
        for member in self.members:
            assert member.in_flight == held[member]
        assert set(self.pool) == set(self.members)

    def teardown(self) -> None:
        """Nothing leaks: once all is released, every slot that may be used can be taken, and no more."""
        for member in self.held:
            self.pool.release(member)
        for member in self.members:
            self.pool.wake(member)
        usable = sum(member.slots for member in self.members if member.reachable and not member.draining)
        for _ in range(usable):
            assert self.pool.take() is not None
        assert self.pool.take() is None


TestAnyHistory = PoolMachine.TestCase
TestAnyHistory.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
