"""Sizing against closed forms and against the scaler it is a shortcut through."""

from datetime import UTC, datetime, timedelta
from math import ceil

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from paddock.advisor.sizing import (
    Minutes,
    held,
    shapes_for,
    size,
    slots_for,
)
from paddock.advisor.traces.trace import Distribution
from paddock.advisor.workload import Origin, Workload
from paddock.core.scaling import DEFAULT_SETTINGS, decide
from paddock.model.capacity_provider import CapacityProviderScalingConfig
from paddock.model.fleet import EnvironmentShape, LoadSample, ScalingBounds, VersionTarget
from paddock.model.ids import FunctionName, FunctionVersionKey, RevisionId, VersionName


def workload(duration_ms: float = 200, cpu_ms: float = 40, memory_mb: float = 100, runtime: str = "nodejs") -> Workload:
    return Workload(
        duration_ms=Distribution.constant(duration_ms),
        cpu_ms=cpu_ms,
        memory_mb=memory_mb,
        extra_memory_mb=memory_mb if runtime == "python" else memory_mb / 4,
        default_memory_mb=1024,
        runtime=runtime,
        origins={"cpu_ms": Origin.GIVEN},
    )


SHAPE = EnvironmentShape(memory_mb=2048, vcpu=1.0, max_concurrency=4)


def test_slots_follow_the_tightest_of_runtime_cpu_and_memory() -> None:
    assert slots_for(workload(cpu_ms=1), 2048, 1) == 64  # runtime
    assert slots_for(workload(cpu_ms=40), 2048, 1) == 4  # CPU: 0.9 ÷ 0.2
    assert slots_for(workload(cpu_ms=1, memory_mb=500, runtime="python"), 2048, 1) == 4  # memory: four processes
    assert slots_for(workload(cpu_ms=200), 2048, 1) == 1  # a busy CPU takes one
    assert slots_for(workload(memory_mb=3000), 2048, 1) == 0  # does not fit


def test_shapes_are_those_aws_allows() -> None:
    found = {(shape.memory_mb, shape.vcpu) for shape in shapes_for(workload())}

    assert (2048, 1.0) in found
    assert (32768, 16.0) in found
    assert all(2048 <= memory <= 32768 and memory / 1024 / vcpu in (2, 4, 8) for memory, vcpu in found)


def test_steady_traffic_needs_what_littles_law_and_the_scalers_targets_say() -> None:
    minutes = Minutes.of(np.full(60, 6000.0), workload())  # 100/s, 20 in flight, 4 vCPU busy

    found = size(minutes, workload(), SHAPE)

    stretched = 20 * (160 + 40 / 0.6) / 200
    by_slots = (stretched + minutes.z * stretched**0.5) / (4 * DEFAULT_SETTINGS.slot_target)
    by_cpu = 4 / DEFAULT_SETTINGS.cpu_target
    assert set(found.environments) == {ceil(max(by_slots, by_cpu))}
    assert found.headroom > 2


@given(st.lists(st.floats(0, 10_000), min_size=2, max_size=120), st.floats(1, 10))
def test_more_traffic_never_needs_fewer_environments(counts: list[float], factor: float) -> None:
    less = size(Minutes.of(np.array(counts), workload()), workload(), SHAPE)
    more = size(Minutes.of(np.array(counts) * factor, workload()), workload(), SHAPE)

    assert (more.environments >= less.environments).all()


@given(st.lists(st.integers(0, 40), min_size=1, max_size=60))
def test_what_is_held_covers_demand_and_never_exceeds_what_once_was_wanted(demand: list[int]) -> None:
    for by_chance in (0.0, 10.0):
        found = held(np.array(demand, dtype=float), np.full(len(demand), by_chance), DEFAULT_SETTINGS)

        assert (found >= np.array(demand)).all()
        assert (found <= np.maximum.accumulate(demand)).all()


def test_what_chance_may_ask_for_is_not_given_back() -> None:
    demand = np.array([20.0] + [1.0] * 20)

    assert held(demand, np.full(21, 7.2), DEFAULT_SETTINGS)[-1] == 8
    assert held(demand, np.zeros(21), DEFAULT_SETTINGS)[-1] == 2


def test_the_shortcut_agrees_with_the_scaler_on_steady_load() -> None:
    """The same load as samples through `core.scaling`."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    busy, cpu_vcpu, ready = 25, 4.0, 20
    samples = tuple(
        LoadSample(now - timedelta(seconds=10 * age), ready, busy, busy, cpu_vcpu / ready, 0)
        for age in range(30, -1, -1)
    )
    key = FunctionVersionKey(FunctionName("f"), VersionName("1"))
    target = VersionTarget(key, RevisionId("r"), RevisionId("r"), SHAPE, ScalingBounds(), now, samples)

    wanted = decide(target, 3, scaling=CapacityProviderScalingConfig(), now=now).environments

    in_flight = np.array([float(busy)])
    by_slots = in_flight[0] / (SHAPE.max_concurrency * DEFAULT_SETTINGS.slot_target)
    assert wanted == ceil(max(by_slots, cpu_vcpu / DEFAULT_SETTINGS.cpu_target))
