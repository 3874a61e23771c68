"""A replay against closed forms, against the scaler's published promise, and for what must be conserved."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from paddock.core.queueing import erlang_b, shared_duration
from paddock.model.capacity_provider import Architecture, CapacityProviderScalingConfig
from paddock.model.fleet import EnvironmentShape, ScalingBounds
from paddock.model.instance_types import InstanceType
from paddock.simulator.trace_fleet import Delays
from paddock.simulator.trace_replay import SHOWN_TIMES, Replay, ReplayedWorkload, ReplaySettings, reasons_of, replay
from paddock.simulator.trace_steering import ReplayError

XLARGE = InstanceType("m8g.xlarge", 4, 16.0, Architecture.ARM64, 4, on_demand_usd_per_hour=Decimal("0.17952"))
SHAPE = EnvironmentShape(memory_mb=2048, vcpu=1.0, max_concurrency=8)
LIGHT = ReplayedWorkload(duration_seconds=0.2, cpu_seconds=0.01)


def fixed(count: int) -> ReplaySettings:
    return ReplaySettings(bounds=ScalingBounds(count, count))


def replayed(counts: NDArray[np.float64] | list[float], workload: ReplayedWorkload = LIGHT, **given: object) -> Replay:
    return replay(np.array(counts, dtype=float), workload, SHAPE, XLARGE, ReplaySettings(**given))  # type: ignore[arg-type]


# --- closed forms ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("per_second", [60.0, 120.0, 200.0])
def test_a_fleet_that_may_not_grow_refuses_what_erlangs_formula_says(per_second: float) -> None:
    """M/G/c/c: three environments of eight slots."""
    found = replay(np.full(30, per_second * 60), LIGHT, SHAPE, XLARGE, fixed(3))

    utilisation = per_second * (1 - found.throttled_share) * 0.01 / 3
    offered = per_second * shared_duration(0.2, 0.01, utilisation)
    assert found.throttled_share == pytest.approx(erlang_b(24, offered), abs=0.005)


def test_durations_are_stretched_as_processor_sharing_says() -> None:
    """M/G/1-PS: 0.6 of each CPU busy, and everything is computing."""
    computing = ReplayedWorkload(duration_seconds=0.1, cpu_seconds=0.1)

    found = replay(np.full(20, 18 * 60.0), computing, SHAPE, XLARGE, fixed(3))

    assert found.cpu_utilization[-1] == pytest.approx(0.6, abs=0.01)
    assert found.duration_seconds[-1] == pytest.approx(0.1 / (1 - found.cpu_utilization[-1]), rel=0.01)


def test_in_flight_is_rate_times_duration() -> None:
    found = replayed([6000.0] * 30)

    assert found.in_flight[-1] == pytest.approx(100 * found.duration_seconds[-1], rel=0.01)


# --- the promise ----------------------------------------------------------------------------------------------------


def test_traffic_that_doubles_within_five_minutes_is_not_throttled() -> None:
    ramp = [*np.full(60, 6000.0), *np.linspace(6000, 12_000, 6), *np.full(30, 12_000.0)]

    assert replayed(ramp).throttled_share < 1e-4


def test_traffic_that_doubles_at_once_is_not_throttled() -> None:
    assert replayed([6000.0] * 60 + [12_000.0] * 30).throttled_share < 1e-4


def test_traffic_that_is_six_times_as_much_at_once_is_throttled_and_recovers() -> None:
    found = replayed([6000.0] * 60 + [36_000.0] * 30)

    assert found.throttles > 0
    last = found.slot_throttles[-60:] + found.cpu_throttles[-60:] + found.cap_throttles[-60:]
    assert last.sum() < 1e-3 * found.arrivals[-60:].sum()
    assert found.decisions
    assert all(decision.reasons for decision in found.decisions)
    assert reasons_of(found.decisions)


def test_longer_launches_throttle_more() -> None:
    jump = [3000.0] * 60 + [24_000.0] * 30
    quick, slow = replayed(jump, delays=Delays(launch_seconds=30)), replayed(jump, delays=Delays(launch_seconds=240))

    assert quick.throttles < slow.throttles


# --- what is always so ----------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 40_000), min_size=3, max_size=60), st.integers(16, 80), st.integers(1, 4))
def test_whatever_the_traffic_the_guardrail_and_the_minimum_hold_and_nothing_is_lost(
    counts: list[float], cap: int, minimum: int
) -> None:
    found = replayed(
        counts, scaling=CapacityProviderScalingConfig(max_vcpu_count=cap), bounds=ScalingBounds(minimum, None)
    )

    assert found.instances.max() * XLARGE.vcpu <= cap
    assert found.ready.min() >= minimum
    assert found.arrivals.sum() == pytest.approx(sum(counts))
    throttled = found.slot_throttles + found.cpu_throttles + found.cap_throttles
    assert (throttled <= found.arrivals + 1e-9).all()
    assert (throttled >= 0).all()
    assert (found.in_flight <= found.ready * SHAPE.max_concurrency + 1e-6).all()
    assert ((found.cpu_utilization >= 0) & (found.cpu_utilization <= 1)).all()


def test_a_replay_is_the_same_every_time() -> None:
    counts = list(np.random.default_rng(3).uniform(0, 20_000, 120))
    first, second = replayed(counts), replayed(counts)

    assert (first.instances == second.instances).all()
    assert first.decisions == second.decisions


def test_what_the_guardrail_holds_back_is_blamed_on_it() -> None:
    found = replayed([3000.0] * 10 + [60_000.0] * 20, scaling=CapacityProviderScalingConfig(max_vcpu_count=12))

    assert found.cap_throttles.sum() > 0
    assert found.instances.max() == 3


def test_what_a_full_cpu_holds_back_is_blamed_on_it() -> None:
    heavy = ReplayedWorkload(duration_seconds=0.1, cpu_seconds=0.1)

    found = replay(np.full(20, 60_000.0), heavy, SHAPE, XLARGE, fixed(3))

    assert found.cpu_throttles.sum() > 0
    assert found.cap_throttles.sum() == 0


def test_a_guardrail_that_holds_not_even_the_minimum_is_said_in_awss_words() -> None:
    with pytest.raises(ReplayError, match="maxVCpuCount limit"):
        replayed([60.0] * 5, scaling=CapacityProviderScalingConfig(max_vcpu_count=2))


def test_progress_is_told() -> None:
    told: list[tuple[int, int]] = []

    replay(np.full(1000, 60.0), LIGHT, SHAPE, XLARGE, progress=lambda done, whole: told.append((done, whole)))

    assert told == sorted(set(told))
    assert told[0] == (0, 6000)
    assert {whole for _, whole in told} == {6000}
    assert len(told) == SHOWN_TIMES
