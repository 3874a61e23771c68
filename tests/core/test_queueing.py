"""The formulas against tables, against one another, and against their limits."""

import random
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.core.queueing import (
    erlang_b,
    erlang_c,
    in_flight,
    peak_in_flight,
    peak_z,
    shared_duration,
)


@pytest.mark.parametrize(
    ("servers", "offered", "refused"),
    [
        (1, 1.0, 0.5),
        (2, 1.0, 0.2),
        (10, 5.0, 0.01838),
        (3, 2.0, 0.21053),
        (100, 80.0, 0.00399),
        (0, 3.0, 1.0),
        (5, 0.0, 0.0),
    ],
)
def test_erlang_b_is_that_of_the_tables(servers: int, offered: float, refused: float) -> None:
    assert erlang_b(servers, offered) == pytest.approx(refused, abs=5e-6)


@pytest.mark.parametrize("offered", [380.0, 420.0, 900.0])
def test_the_form_for_many_servers_is_the_same(offered: float) -> None:
    recursion = 1.0
    for number in range(1, 451):
        recursion = offered * recursion / (number + offered * recursion)

    assert erlang_b(450, offered) == pytest.approx(recursion, rel=1e-9)


def test_where_nothing_is_refused_it_is_nothing_and_no_overflow() -> None:
    assert erlang_b(100_000, 10.0) < 1e-12
    assert erlang_b(15_000, 1e-300) < 1e-12


@given(st.integers(1, 2000), st.floats(0.001, 3000), st.floats(1, 2))
def test_more_offered_is_refused_more_and_more_servers_refuse_less(servers: int, offered: float, factor: float) -> None:
    refused = erlang_b(servers, offered)

    assert 0 <= refused <= 1
    assert erlang_b(servers, offered * factor) >= refused - 1e-12
    assert erlang_b(servers + 1, offered) <= refused + 1e-12


@given(st.floats(0.01, 0.99))
def test_with_one_server_erlang_c_is_its_utilisation(utilisation: float) -> None:
    """M/M/1: an arrival waits with probability ρ."""
    assert erlang_c(1, utilisation) == pytest.approx(utilisation)


def test_refusals_of_a_simulated_loss_system_are_those_of_the_formula() -> None:
    """Durations that all are the same: the formula does not care for their distribution."""
    dice = random.Random(7)
    servers, rate, duration = 6, 20.0, 0.2
    busy: list[float] = []
    now, arrived, refused = 0.0, 0, 0
    while arrived < 60_000:
        now += dice.expovariate(rate)
        busy = [end for end in busy if end > now]
        arrived += 1
        if len(busy) < servers:
            busy.append(now + duration)
        else:
            refused += 1

    assert refused / arrived == pytest.approx(erlang_b(servers, in_flight(rate, duration)), abs=0.005)


@pytest.mark.parametrize(
    ("utilization", "expected"),
    [(0.0, 100), (0.5, 80 + 40), (0.9, 80 + 200), (0.95, 80 + 400), (2.0, 80 + 400), (-1, 100)],
)
def test_only_the_part_on_the_cpu_is_stretched_by_sharing_it(utilization: float, expected: float) -> None:
    assert shared_duration(100, 20, utilization) == pytest.approx(expected)


def test_a_function_that_only_computes_is_mg1_ps() -> None:
    assert shared_duration(100, 100, 0.75) == pytest.approx(100 / (1 - 0.75))


def test_square_root_staffing_keeps_refusals_rare() -> None:
    for offered in (5.0, 20.0, 100.0, 500.0):
        assert erlang_b(ceil(peak_in_flight(offered, 2.33)), offered) < 0.02


def test_short_invocations_have_higher_peaks_within_a_minute() -> None:
    assert peak_z(0.01) > peak_z(0.2) > peak_z(5) > peak_z(30) == peak_z(300) == 1.0
