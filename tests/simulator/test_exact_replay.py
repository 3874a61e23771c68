"""Single invocations against closed forms, against the replay by formula, and for what must be conserved.

Seeds are fixed, so a run is the same every time; tolerances are several standard errors of the sample.
"""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from paddock.core.queueing import erlang_b, erlang_c
from paddock.model.capacity_provider import Architecture, CapacityProviderScalingConfig
from paddock.model.fleet import EnvironmentShape, ScalingBounds
from paddock.model.instance_types import InstanceType
from paddock.simulator.exact_replay import Cause, ExactReplay, Machine, exact_replay
from paddock.simulator.invocations import Invocations, invocations, poisson_arrivals
from paddock.simulator.trace_replay import ReplayedWorkload, ReplaySettings, replay

XLARGE = InstanceType("m8g.xlarge", 4, 16.0, Architecture.ARM64, 4, on_demand_usd_per_hour=Decimal("0.17952"))


def shape(slots: int) -> EnvironmentShape:
    return EnvironmentShape(memory_mb=2048, vcpu=1.0, max_concurrency=slots)


def fixed(count: int) -> ReplaySettings:
    return ReplaySettings(bounds=ScalingBounds(count, count))


def arrivals(per_second: float, minutes: int, seed: int = 1) -> NDArray[np.float64]:
    return poisson_arrivals(np.full(minutes, per_second * 60), np.random.default_rng(seed))


def waiting(per_second: float, minutes: int, seconds: float, seed: int = 1) -> Invocations:
    """Durations are exponential, and nobody computes."""
    at = arrivals(per_second, minutes, seed)
    return invocations(at, np.random.default_rng(seed + 1).exponential(seconds, len(at)), 0.0)


# --- closed forms ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("per_second", [20.0, 60.0, 120.0])
def test_a_fleet_that_may_not_grow_refuses_what_erlangs_formula_says(per_second: float) -> None:
    """M/M/c/c: three environments of four slots."""
    found = exact_replay(waiting(per_second, 20, 0.2), shape(4), XLARGE, fixed(3))

    assert found.throttled_share == pytest.approx(erlang_b(12, per_second * 0.2), abs=0.012)
    assert set(found.causes) <= {Cause.SERVED, Cause.SLOTS}


def test_refusals_depend_on_the_mean_of_durations_alone() -> None:
    """M/D/c/c refuses as M/M/c/c does (Sevastyanov, 1957)."""
    at = arrivals(60.0, 20)

    found = exact_replay(invocations(at, np.full(len(at), 0.2), 0.0), shape(4), XLARGE, fixed(3))

    assert found.throttled_share == pytest.approx(erlang_b(12, 12.0), abs=0.012)


@pytest.mark.parametrize("kind", ["constant", "exponential", "two kinds"])
def test_on_one_cpu_everybody_takes_as_long_as_m_g_1_ps_says(kind: str) -> None:
    """T = c ÷ (1 − ρ), whatever the distribution."""
    at = arrivals(6.0, 240)
    dice = np.random.default_rng(7)
    computes = {
        "constant": np.full(len(at), 0.1),
        "exponential": dice.exponential(0.1, len(at)),
        "two kinds": dice.choice([0.05, 0.55], len(at), p=[0.9, 0.1]),
    }[kind]
    load = Invocations(at, computes, np.zeros(len(at)))

    found = exact_replay(load, shape(400), XLARGE, fixed(3), machine=Machine(cores=1.0))

    assert not found.throttled
    assert np.mean(found.seconds) == pytest.approx(0.1 / (1 - 6.0 * 0.1), rel=0.08)


@pytest.mark.parametrize("cores", [2, 4])
def test_on_several_cpus_the_mean_is_that_of_m_m_c(cores: int) -> None:
    """With exponential CPU times as many are there as in M/M/c, whoever goes first: T = s + C(c, a)·s ÷ (c − a)."""
    offered = 0.7 * cores
    at = arrivals(offered / 0.1, 60)
    load = Invocations(at, np.random.default_rng(9).exponential(0.1, len(at)), np.zeros(len(at)))

    found = exact_replay(load, shape(400), XLARGE, fixed(3), machine=Machine(cores=float(cores)))

    expected = 0.1 + erlang_c(cores, offered) * 0.1 / (cores - offered)
    assert np.mean(found.seconds) == pytest.approx(expected, rel=0.06)


def test_it_agrees_with_the_replay_by_formula() -> None:
    """Light load on a fleet that grows by itself."""
    counts = np.full(20, 40 * 60.0)
    workload = ReplayedWorkload(duration_seconds=0.2, cpu_seconds=0.02)
    by_formula = replay(counts, workload, shape(8), XLARGE)
    at = poisson_arrivals(counts, np.random.default_rng(3))

    found = exact_replay(invocations(at, np.full(len(at), 0.2), 0.1), shape(8), XLARGE)

    assert found.in_flight.mean() == pytest.approx(by_formula.in_flight.mean(), rel=0.05)
    assert abs(int(found.instances[-1]) - int(by_formula.instances[-1])) <= 1
    assert found.throttled_share < 0.01
    assert by_formula.throttled_share < 0.01


# --- what was short -------------------------------------------------------------------------------------------------


def test_the_least_loaded_environment_is_taken_first() -> None:
    """Three at once on three environments of one core each: nobody shares."""
    load = Invocations(np.array([0.0, 0.0, 0.0]), np.full(3, 0.5), np.zeros(3))

    found = exact_replay(load, shape(8), XLARGE, fixed(3))

    assert found.seconds == pytest.approx([0.5] * 3)


def test_what_exceeds_the_slots_is_refused_at_once_and_counted() -> None:
    load = Invocations(np.zeros(20), np.zeros(20), np.full(20, 1.0))

    found = exact_replay(load, shape(4), XLARGE, fixed(3))

    assert found.served == 12
    assert int(found.throttles[:, Cause.SLOTS].sum()) == found.throttled == 8
    assert found.most_in_flight == 12


def test_slots_full_because_the_cpu_is_shared_are_blamed_on_the_cpu() -> None:
    at = arrivals(80.0, 3)
    computing = invocations(at, np.full(len(at), 0.1), 1.0)

    found = exact_replay(computing, shape(16), XLARGE, fixed(3))

    assert int(found.throttles[:, Cause.CPU].sum()) > 0.9 * found.throttled > 0


def test_a_guardrail_is_blamed_when_it_stops_the_fleet() -> None:
    capped = ReplaySettings(scaling=CapacityProviderScalingConfig(max_vcpu_count=12))

    found = exact_replay(waiting(200.0, 4, 0.5), shape(4), XLARGE, capped, settled=False)

    assert int(found.throttles[:, Cause.CAP].sum()) > 0
    assert int(found.instances.max()) * 4 <= 12


def test_a_fleet_that_may_grow_does_and_refuses_less() -> None:
    load = waiting(60.0, 15, 0.4)

    growing = exact_replay(load, shape(4), XLARGE, settled=False)
    held = exact_replay(load, shape(4), XLARGE, fixed(3), settled=False)

    assert growing.instances[-1] > held.instances[-1]
    assert growing.throttled < held.throttled / 2
    assert growing.decisions
    assert all(decision.reasons for decision in growing.decisions)


# --- what must be conserved -----------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.floats(0, 100), st.floats(0, 2), st.floats(0, 3)), min_size=1, max_size=60),
    st.integers(1, 6),
    st.sampled_from([None, 1.0, 3.0]),
)
@settings(max_examples=40, deadline=None)
def test_every_invocation_is_served_or_refused_and_all_work_is_done(
    given: list[tuple[float, float, float]], slots: int, cores: float | None
) -> None:
    at, computes, waits = (np.array(column) for column in zip(*sorted(given), strict=True))

    found: ExactReplay = exact_replay(
        Invocations(at, computes, waits), shape(slots), XLARGE, fixed(3), machine=Machine(cores=cores), settled=False
    )

    served = found.causes == Cause.SERVED
    assert found.served + found.throttled == len(at)
    assert int(found.arrivals.sum()) == len(at)
    assert int(found.throttles.sum()) == found.throttled
    assert np.isnan(found.seconds[~served]).all()
    assert (found.seconds[served] >= (computes + waits)[served] - 1e-6).all()
    assert found.core_seconds == pytest.approx(float(computes[served].sum()), abs=1e-6)
    assert found.most_in_flight <= 3 * slots


def test_the_same_seed_is_the_same_replay() -> None:
    first, second = (exact_replay(waiting(30.0, 2, 0.3, seed=5), shape(4), XLARGE) for _ in range(2))

    assert (first.causes == second.causes).all()
    assert np.nan_to_num(first.seconds).tolist() == np.nan_to_num(second.seconds).tolist()


def test_nothing_arrives_and_nothing_breaks() -> None:
    nothing = Invocations(np.zeros(0), np.zeros(0), np.zeros(0))

    found = exact_replay(nothing, shape(4), XLARGE, fixed(3))

    assert found.served == found.throttled == 0
    assert found.throttled_share == 0.0
