from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from math import ceil
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.core.scaling import Demand, NoData, ScalingDecision, ScalingSettings, decide
from paddock.model.capacity_provider import (
    CapacityProviderScalingConfig,
    PredefinedMetricType,
    ScalingMode,
    TargetTrackingScalingPolicy,
)
from paddock.model.fleet import EnvironmentShape, LoadSample
from tests.core.fleets import NOON, SMALL, a_version, steady_loads

SETTINGS = ScalingSettings()
AUTO = CapacityProviderScalingConfig()
EVERY = timedelta(seconds=5)


def manual(*percents: float, metric: PredefinedMetricType = PredefinedMetricType.CPU) -> CapacityProviderScalingConfig:
    policies = tuple(TargetTrackingScalingPolicy(metric, percent) for percent in percents)
    return CapacityProviderScalingConfig(scaling_mode=ScalingMode.MANUAL, scaling_policies=policies)


def decided(
    loads: Sequence[LoadSample],
    current: int,
    *,
    minimum: int = 1,
    maximum: int | None = None,
    scaling: CapacityProviderScalingConfig = AUTO,
    now: datetime = NOON,
    shape: EnvironmentShape = SMALL,
) -> ScalingDecision:
    version = a_version(loads=loads, minimum=minimum, maximum=maximum, shape=shape)
    decision = decide(version, current, scaling=scaling, now=now, settings=SETTINGS)
    assert decision.reasons
    assert all(decision.reasons)
    return decision


@pytest.mark.parametrize(
    ("busy", "cpu", "current", "wanted"),
    [
        (0, 0.0, 3, 1),
        (7, 0.1, 1, 1),  # 7 / (16 × 0.45) = 0.97
        (8, 0.1, 1, 2),
        (100, 0.1, 10, 14),
        (0, 0.4, 10, 10),
        (0, 0.41, 10, 11),
        (100, 0.9, 10, 23),
        (0, 3.0, 10, 75),  # idle cores may be borrowed: the demand is real
    ],
)
def test_the_tighter_of_the_two_signals_decides(busy: int, cpu: float, current: int, wanted: int) -> None:
    loads = steady_loads(NOON, busy=busy, environments=current, cpu=cpu)

    decision = decided(loads, current)

    if wanted > current:
        assert decision.environments == wanted
    else:
        assert wanted <= decision.environments <= current


def test_no_sample_is_no_opinion() -> None:
    decision = decided((), 7)

    assert decision.environments == 7
    assert isinstance(decision.demand, NoData)
    assert "no data" in decision.reasons[0]


def test_stale_samples_are_no_opinion_but_tell_how_many_there_were() -> None:
    loads = steady_loads(NOON - SETTINGS.stale_after - EVERY, busy=0, environments=9)

    decision = decided(loads, 5)

    assert isinstance(decision.demand, NoData)
    assert decision.environments == 9


def test_no_cpu_figure_leaves_the_slots_to_decide() -> None:
    assert decided(steady_loads(NOON, busy=100, environments=3, cpu=None), 3).environments == 14


def test_throttles_ask_for_twice_what_was_ready_and_are_counted_once() -> None:
    loads = steady_loads(NOON, busy=10, environments=4, throttles=3)

    assert decided(loads, 4).environments == 8
    assert decided(loads, 8).environments == 8


def test_one_sample_of_busy_cpu_is_not_a_trend() -> None:
    calm = steady_loads(NOON, busy=0, environments=10, cpu=0.2)
    spike = (*calm[:-1], replace(calm[-1], cpu_utilization=1.0))

    assert decided(spike, 10).environments == 10


@pytest.mark.parametrize("age_seconds", [0, 5, 30, 55, 60])
def test_however_old_one_sample_of_busy_cpu_is_not_a_trend(age_seconds: int) -> None:
    """Not even at the edge of the window, where it would stand alone."""
    loads = [
        replace(each, cpu_utilization=1.0) if each.at == NOON - timedelta(seconds=age_seconds) else each
        for each in steady_loads(NOON, busy=0, environments=10, cpu=0.2)
    ]
    assert sum(each.cpu_utilization == 1.0 for each in loads) == 1

    assert decided(loads, 10).environments == 10


def test_cpu_that_was_busy_for_thirty_seconds_counts_wherever_they_lie() -> None:
    for newest in range(0, 35, 5):
        ages = [timedelta(seconds=seconds) for seconds in range(newest, newest + 30, 5)]
        loads = [
            replace(each, cpu_utilization=0.8) if NOON - each.at in ages else each
            for each in steady_loads(NOON, busy=0, environments=10, cpu=0.2)
        ]

        assert decided(loads, 10).environments == 20


@pytest.mark.parametrize(
    ("scaling", "wanted"),
    [
        (AUTO, 20),
        (manual(40), 20),
        (manual(80), 10),
        (manual(80, 50, 90), 16),  # several policies: the lowest target asks for most
        (manual(), 20),
        (manual(50, metric=PredefinedMetricType.GPU), 20),  # no GPU is measured here
        (manual(0), 800),
        (replace(manual(80), scaling_mode=ScalingMode.AUTO), 20),
    ],
)
def test_manual_policies_replace_the_cpu_target(scaling: CapacityProviderScalingConfig, wanted: int) -> None:
    loads = steady_loads(NOON, busy=0, environments=10, cpu=0.8)

    assert decided(loads, 10, scaling=scaling).environments == wanted


@pytest.mark.parametrize(("percent", "share"), [(20, 0.45), (60, 0.6), (100, 0.9)])
def test_a_manual_target_stands_for_slots_too_within_limits(percent: float, share: float) -> None:
    loads = steady_loads(NOON, busy=500, environments=3)

    assert decided(loads, 3, scaling=manual(percent)).environments == ceil(500 / (16 * share))


def test_scale_in_waits_for_the_long_window() -> None:
    young = steady_loads(NOON, busy=0, environments=10, minutes=4)
    old = steady_loads(NOON, busy=0, environments=10, minutes=6)

    assert decided(young, 10).environments == 10
    assert "waits" in decided(young, 10).reasons[-1]
    assert decided(old, 10).environments == 8


def test_scale_in_looks_at_the_highest_demand_of_the_long_window() -> None:
    calm = list(steady_loads(NOON, busy=0, environments=10))
    early = len(calm) - 50
    calm[early] = replace(calm[early], peak_busy_slots=60)

    decision = decided(tuple(calm), 10)

    assert decision.environments == 10
    assert "keeps" in decision.reasons[-1]


def test_scale_in_gives_back_a_fifth_a_minute_and_at_least_one() -> None:
    def after_a_minute_at(count: int) -> int:
        return decided(steady_loads(NOON, busy=0, environments=count), count).environments

    assert [after_a_minute_at(count) for count in (100, 10, 4, 3, 2)] == [80, 8, 3, 2, 1]
    halfway = steady_loads(NOON, busy=0, environments=100)
    assert decided(halfway, 80).environments == 80, "80 is what a minute allows of the 100 that were ready in it"


FOUR_SLOTS = replace(SMALL, max_concurrency=4)


@pytest.mark.parametrize(
    ("busy", "kept"),
    [
        (0, 1),
        (1, 5),  # 5 minutes of samples: M = 1 + 5 x 61 / 2, so (1 + 6·√1·(1 + √(1/M))) ÷ (4 × 0.45) = 4.2
        (9, 16),  # (9 + 6·√9·1.08) ÷ 1.8 = 15.8, where the dead band alone would keep 7
        (900, 625),  # 900 ÷ 1.8 ÷ 0.8: here the dead band is more than chance
    ],
)
def test_scale_in_keeps_what_chance_may_bring_together(busy: int, kept: int) -> None:
    current = kept + 1

    for _ in range(3):
        loads = steady_loads(NOON, busy=busy, environments=current)
        current = decided(loads, current, shape=FOUR_SLOTS).environments

    assert current == kept


def test_cpu_of_many_short_invocations_is_kept_for_less_chance_than_that_of_few_long_ones() -> None:
    loads = steady_loads(NOON, busy=2, environments=14, cpu=4 / 14)
    many, few = ([replace(each, invocations=count) for each in loads] for count in (10_000, 0))

    assert decided(many, 14).environments == 13, "4 environments' worth ÷ 0.40 ÷ 0.8 = 12.5"
    assert decided(few, 14).environments == 14
    assert "by chance" in decided(few, 14).reasons[-1]


def test_whose_callers_do_not_come_by_chance_needs_no_room_for_it() -> None:
    loads = steady_loads(NOON, busy=9, environments=8)
    version = a_version(loads=loads, minimum=1, shape=FOUR_SLOTS)

    settings = replace(SETTINGS, chance_deviations=0.0)

    assert decide(version, 8, scaling=AUTO, now=NOON, settings=settings).environments == 7


def test_the_minimum_and_maximum_are_said_and_held() -> None:
    loads = steady_loads(NOON, busy=900, environments=3)
    capped = decided(loads, 3, maximum=20)
    assert (capped.environments, capped.reasons[-1]) == (20, "MaxExecutionEnvironments is 20")

    raised = decided((), 1, minimum=3)
    assert (raised.environments, raised.reasons[-1]) == (3, "MinExecutionEnvironments is 3")
    assert decided(steady_loads(NOON, busy=0, environments=3), 3, minimum=3).reasons[-1] == "3 is the minimum"


def test_a_lowered_maximum_shrinks_at_once() -> None:
    assert decided((), 30, maximum=5).environments == 5


SAMPLES = st.builds(
    LoadSample,
    at=st.integers(0, 400).map(lambda seconds: NOON - timedelta(seconds=seconds)),
    ready_environments=st.integers(0, 50),
    busy_slots=st.floats(0, 800),
    peak_busy_slots=st.integers(0, 800),
    cpu_utilization=st.none() | st.floats(0, 4),
    throttles=st.integers(0, 5),
)
LOADS = st.lists(SAMPLES, max_size=30).map(lambda samples: tuple(sorted(samples, key=lambda sample: sample.at)))


@given(loads=LOADS, current=st.integers(0, 60), minimum=st.integers(1, 10), room=st.none() | st.integers(0, 40))
def test_bounds_hold_whatever_is_reported(
    loads: tuple[LoadSample, ...], current: int, minimum: int, room: int | None
) -> None:
    maximum = None if room is None else minimum + room

    decision = decided(loads, current, minimum=minimum, maximum=maximum)

    assert decision.environments >= minimum
    assert maximum is None or decision.environments <= maximum


@given(loads=LOADS.filter(bool), current=st.integers(1, 60), index=st.integers(0, 29), more=st.integers(1, 200))
def test_more_load_never_means_fewer_environments(
    loads: tuple[LoadSample, ...], current: int, index: int, more: int
) -> None:
    busier = list(loads)
    sample = busier[index % len(loads)]
    cpu = None if sample.cpu_utilization is None else sample.cpu_utilization + more / 100
    busier[index % len(loads)] = replace(
        sample, peak_busy_slots=sample.peak_busy_slots + more, cpu_utilization=cpu, throttles=sample.throttles + 1
    )

    assert decided(tuple(busier), current).environments >= decided(loads, current).environments


class Model:
    """A version under a given load; environments become ready a fixed delay after they are wanted."""

    def __init__(
        self,
        load: Callable[[timedelta], float],
        *,
        start_delay: timedelta,
        environments: int = 3,
        used: Callable[[], float] | None = None,
    ) -> None:
        """`used` CPU is in environments' worth; without it, a quarter of the share of the slots."""
        self._load = load
        self._used = used
        self._delay = start_delay
        self._ready_at = [timedelta()] * environments
        self._loads: list[LoadSample] = []
        self.counts: list[int] = []
        self.throttled_at: list[timedelta] = []

    @property
    def throttles(self) -> int:
        return len(self.throttled_at)

    def run(self, duration: timedelta) -> None:
        elapsed = timedelta()
        while elapsed < duration:
            elapsed += EVERY
            ready = sum(1 for at in self._ready_at if at <= elapsed)
            offered = ceil(self._load(elapsed))
            slots = ready * SMALL.max_concurrency
            refused = max(0, offered - slots)
            if refused:
                self.throttled_at.append(elapsed)
            busy = offered - refused
            cpu = busy / slots / 4 if self._used is None else self._used() / ready
            self._loads.append(LoadSample(NOON + elapsed, ready, busy, busy, cpu, refused))
            self._loads = self._loads[-80:]
            wanted = decided(self._loads, len(self._ready_at), minimum=3, now=NOON + elapsed).environments
            self.counts.append(wanted)
            if wanted > len(self._ready_at):
                self._ready_at += [elapsed + self._delay] * (wanted - len(self._ready_at))
            else:
                self._ready_at = sorted(self._ready_at)[:wanted]


@pytest.mark.parametrize("delay_seconds", [5, 30, 90])
@pytest.mark.parametrize("start", [10, 40, 300, 2000])
def test_traffic_that_doubles_at_once_every_five_minutes_is_never_throttled(start: int, delay_seconds: int) -> None:
    settled = timedelta(minutes=10)

    def load(elapsed: timedelta) -> float:
        if elapsed < settled:
            return float(start)
        return float(start * 2 ** min(3, (elapsed - settled) // timedelta(minutes=5) + 1))

    ready = 3 + ceil(start / (16 * SETTINGS.slot_target))
    model = Model(load, start_delay=timedelta(seconds=delay_seconds), environments=ready)
    model.run(timedelta(minutes=30))

    assert model.throttles == 0


@given(
    steps=st.lists(st.floats(0.5, 2.0), min_size=1, max_size=6),
    delay=st.integers(1, 90),
    start=st.integers(5, 1000),
)
def test_no_path_that_at_most_doubles_within_five_minutes_is_throttled(
    steps: list[float], delay: int, start: int
) -> None:
    """Each step is reached within five minutes of the one before, at once or by and by."""
    levels = [float(start)]
    for step in steps:
        levels.append(max(1.0, levels[-1] * step))

    def load(elapsed: timedelta) -> float:
        return levels[min(len(levels) - 1, elapsed // timedelta(minutes=5))]

    ready = max(3, ceil(start / (16 * SETTINGS.slot_target)))
    model = Model(load, start_delay=timedelta(seconds=delay), environments=ready)
    model.run(timedelta(minutes=5) * len(levels))

    assert model.throttles == 0


@given(level=st.floats(1, 2000), noise=st.floats(0, 0.1), seed=st.integers(0, 10_000))
def test_a_steady_noisy_load_never_makes_the_number_go_up_and_down(level: float, noise: float, seed: int) -> None:
    dice = Random(seed)
    ready = max(3, ceil(level * 1.2 / (16 * SETTINGS.slot_target)))
    model = Model(
        lambda _: level * dice.uniform(1 - noise, 1 + noise), start_delay=timedelta(seconds=30), environments=ready
    )
    model.run(timedelta(minutes=40))

    changes = [
        later - earlier for earlier, later in zip(model.counts, model.counts[1:], strict=False) if later != earlier
    ]
    assert all(change < 0 for change in changes) or all(change > 0 for change in changes)


@given(level=st.floats(0, 300), noise=st.floats(0, 2), seed=st.integers(0, 10_000))
def test_whatever_the_noise_what_the_number_has_grown_to_is_kept_for_four_minutes(
    level: float, noise: float, seed: int
) -> None:
    """The long window less the short one: what asked for more is still seen by it."""
    dice = Random(seed)
    model = Model(
        lambda _: level * dice.uniform(1, 1 + noise),
        start_delay=timedelta(seconds=30),
        used=lambda: dice.uniform(0, 20),
    )
    model.run(timedelta(minutes=30))

    kept = (SETTINGS.long_window - SETTINGS.short_window) // EVERY
    for index, count in enumerate(model.counts):
        assert min(model.counts[index : index + kept]) >= count or count <= model.counts[index - 1]


def test_a_fivefold_step_throttles_honestly_and_recovers_within_two_start_delays() -> None:
    step, delay = timedelta(minutes=10), timedelta(seconds=30)
    model = Model(lambda elapsed: 40.0 if elapsed < step else 200.0, start_delay=delay, environments=6)

    model.run(timedelta(minutes=30))

    assert model.throttled_at[0] == step
    assert model.throttled_at[-1] <= step + 2 * (delay + EVERY)


def test_demand_names_its_cause() -> None:
    demand = decided(steady_loads(NOON, busy=100, environments=3, cpu=0.1), 3).demand

    assert isinstance(demand, Demand)
    assert "slot" in demand.cause
