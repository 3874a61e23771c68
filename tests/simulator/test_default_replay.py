"""Default Lambda: one at a time in an environment, and a cold start whenever none is idle."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.simulator.default_replay import DefaultSettings, default_replay
from paddock.simulator.invocations import Invocations, invocations, poisson_arrivals


def at(*seconds: float, duration: float = 1.0) -> Invocations:
    return invocations(np.array(seconds), np.full(len(seconds), duration), 0.0)


def test_the_first_is_cold_and_the_next_finds_it_warm() -> None:
    found = default_replay(at(0.0, 2.0), DefaultSettings(start_seconds=0.5))

    assert found.cold.tolist() == [True, False]
    assert found.seconds == pytest.approx([1.5, 1.0])


def test_each_in_flight_at_once_has_an_environment_of_its_own() -> None:
    found = default_replay(at(0.0, 0.1, 0.2, 5.0, 5.1, 5.2))

    assert found.cold.tolist() == [True, True, True, False, False, False]
    assert found.most_in_flight == 3


def test_what_was_idle_too_long_is_cold_again() -> None:
    found = default_replay(at(0.0, 100.0), DefaultSettings(idle_seconds=60))

    assert found.cold_starts == 2


def test_beyond_the_accounts_concurrency_it_is_refused() -> None:
    found = default_replay(at(0.0, 0.0, 0.0), DefaultSettings(most=2))

    assert found.throttled == 1
    assert found.cold_starts == 2


def test_one_machine_shares_its_cores() -> None:
    load = invocations(np.zeros(4), np.full(4, 1.0), 1.0)

    found = default_replay(load, DefaultSettings(start_seconds=0.0, cores=2.0))

    assert found.seconds == pytest.approx([2.0] * 4)


@given(st.floats(1, 40), st.floats(0.01, 0.5), st.integers(0, 5))
def test_never_more_cold_starts_than_were_in_flight_at_once_when_nothing_grows_idle(
    per_second: float, duration: float, seed: int
) -> None:
    arrivals = poisson_arrivals(np.full(1, per_second * 60), np.random.default_rng(seed))
    load = invocations(arrivals, np.full(len(arrivals), duration), 0.2)

    found = default_replay(load)

    assert found.cold_starts == found.most_in_flight
    assert not found.throttled
    assert found.core_seconds == pytest.approx(float(load.computes.sum()), rel=1e-6)
