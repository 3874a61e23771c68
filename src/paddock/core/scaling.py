"""How many execution environments a function version should have.

Rules of this module:
- It sees the recent load samples of one version, what it has now, and the time; it asks nobody.
- It grows at once and shrinks slowly: out from the last minute, in from the highest demand of a longer window and no
  further than to what steady traffic may need by chance.
- No data is no opinion: what is there stays, within Min and Max.
- Every answer says why, also when the answer is to change nothing.

The formula, with `d` the demand in environments (real-valued) and `n` what is there now:

    d = max( peak busy slots / (slots per environment × slot target),
             CPU use in environments / CPU target,
             ready environments × throttle growth, where invocations were refused )
    out: n' = ceil(d over the short window)                            when that is more than n
    in:  n' = ceil(max(d over the long window / (1 - dead band), c))   when that is less than n, one step at a time

and `c`, what the same traffic may ask for by chance, from means over the long window:

    c = max( (p + k·√p·(1 + √(b / M))) / (slots per environment × slot target),
             u·(1 + k/√m + k/√M) / CPU target )

with `p` peak busy slots, `b` busy slots, `u` CPU use in environments, `k` deviations; `m` invocations take part in a
mean of CPU use, `M` in these means.

AWS publishes the two signals (CPU use, slot saturation), the promise (traffic may double within five minutes without
throttles) and that scale-in is slow; the figures are ours (docs/explanation/scaling.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil, sqrt

from paddock.core.counting import agreed, counted
from paddock.model.capacity_provider import CapacityProviderScalingConfig, PredefinedMetricType, ScalingMode
from paddock.model.fleet import EnvironmentShape, LoadSample, VersionTarget

_ENOUGH_OF_WINDOW = 0.9
"""Samples that reach back over so much of the long window may be judged: the first ones come late. No setting: it is
how exactly a window is filled by samples a second apart, and the window itself can be set.
"""
_ROUNDING = 1e-9
"""Kept from the ceiling, so that 3.0000000001 environments are three."""


@dataclass(frozen=True, slots=True)
class ScalingSettings:
    """Targets are shares of what saturates (0-1).

    Slots at 0.45 leave room for 2.2 times the highest peak of the last minute: a doubling and its noise. CPU at 0.40
    leaves 2.5 times, because a CPU-bound environment slows down before it refuses.
    """

    slot_target: float = 0.45
    cpu_target: float = 0.40
    manual_slot_target_ceiling: float = 0.9
    """In Manual mode the policy's percentage stands for slots too, between `slot_target` and this."""
    busy_share: float = 0.8
    """What an environment may be filled to while headroom is lent to a replacement."""
    throttle_growth: float = 2.0
    short_window: timedelta = timedelta(seconds=60)
    cpu_window: timedelta = timedelta(seconds=30)
    """CPU is averaged over this long: one collection of garbage is not a trend."""
    long_window: timedelta = timedelta(minutes=5)
    dead_band: float = 0.2
    """Load that varies by less than this share never makes the number go up and down."""
    chance_deviations: float = 6.0
    """What is in flight of independent callers has the variance of its mean, however long each takes. What is kept are
    so many standard deviations above it: of six, chance brings more about once in months.
    """
    scale_in_step: float = 0.2
    scale_in_interval: timedelta = timedelta(seconds=60)
    """At most this share is given back within this time (but one environment always may)."""
    stale_after: timedelta = timedelta(seconds=30)
    """A newest sample older than this says nothing about now."""
    warm_up: timedelta = timedelta(seconds=10)
    """An environment is ready when its first worker asks for work; the CPU that the others start with is no load. For
    whoever takes the samples.
    """


@dataclass(frozen=True, slots=True)
class NoData:
    """Nothing is known of the load, which is not the same as no load."""

    why: str


@dataclass(frozen=True, slots=True)
class Demand:
    """Demand in environments. `cause` names the tighter signal."""

    environments: float
    cause: str


@dataclass(frozen=True, slots=True)
class ScalingDecision:
    """`demand` is what the scale-out window showed."""

    environments: int
    demand: Demand | NoData
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Targets:
    slots: float
    cpu: float
    text: str


DEFAULT_SETTINGS = ScalingSettings()


def decide(
    target: VersionTarget,
    current: int,
    *,
    scaling: CapacityProviderScalingConfig,
    now: datetime,
    settings: ScalingSettings = DEFAULT_SETTINGS,
) -> ScalingDecision:
    """`current` counts the serving revision's environments that are not draining, ready or on their way."""
    targets = _targets(scaling, settings)
    demand = measure(target.loads, target.shape, targets, window=settings.short_window, now=now, settings=settings)
    if isinstance(demand, NoData):
        seen = max([current, *(sample.ready_environments for sample in target.loads[-1:])])
        return _bounded(
            target, seen, demand, (f"no data ({demand.why}): {counted(seen, 'environment')} {agreed(seen, 'stay')}",)
        )

    wanted = ceil(demand.environments - _ROUNDING)
    if wanted > current:
        there = f"there {agreed(current, 'are')} {current}"
        reason = f"{demand.cause} asks for {counted(wanted, 'environment')} ({targets.text}); {there}"
        return _bounded(target, wanted, demand, (reason,))
    fewer, reasons = _scale_in(target, current, targets, now, settings)
    if fewer < current:
        return _bounded(target, fewer, demand, reasons)
    return _bounded(
        target, current, demand, (f"{demand.cause} asks for {wanted} of {counted(current, 'environment')}", *reasons)
    )


def busy_environments(
    target: VersionTarget, *, now: datetime, settings: ScalingSettings = DEFAULT_SETTINGS
) -> int | NoData:
    """How many environments the load of the short window keeps well busy: fewer than that would refuse work."""
    targets = _Targets(settings.busy_share, settings.busy_share, "")
    demand = measure(target.loads, target.shape, targets, window=settings.short_window, now=now, settings=settings)
    return demand if isinstance(demand, NoData) else ceil(demand.environments - _ROUNDING)


def measure(
    loads: Sequence[LoadSample],
    shape: EnvironmentShape,
    targets: _Targets,
    *,
    window: timedelta,
    now: datetime,
    settings: ScalingSettings = DEFAULT_SETTINGS,
) -> Demand | NoData:
    """The highest demand the samples of a window show."""
    if not loads:
        return NoData("no sample yet")
    if now - loads[-1].at > settings.stale_after:
        return NoData(f"the newest sample is {(now - loads[-1].at).total_seconds():.0f} s old")
    recent = [sample for sample in loads if now - sample.at <= window]
    signals = (
        _slot_demand(recent, shape, targets),
        _cpu_demand(recent, targets, settings.cpu_window),
        _throttle_demand(recent, settings.throttle_growth),
    )
    return max(signals, key=lambda signal: signal.environments)


def demand_by_chance(
    samples: Sequence[LoadSample], shape: EnvironmentShape, targets: _Targets, settings: ScalingSettings
) -> Demand:
    """What steady traffic with the means of these samples asks for when chance brings most of it together.

    Callers that know nothing of one another are Poisson, and then so is what is in flight (M/G/∞, for any distribution
    of durations): its variance is its mean. A mean over some time varies less, by how many invocations take part in
    it; this holds for CPU use, and for the means over these samples themselves.
    """
    count = len(samples)
    busy = sum(sample.busy_slots for sample in samples) / count
    peak = sum(sample.peak_busy_slots for sample in samples) / count
    used = [each.cpu_utilization * each.ready_environments for each in samples if each.cpu_utilization is not None]
    cpu = sum(used) / len(used) if used else 0.0
    came, span = sum(sample.invocations for sample in samples[1:]), samples[-1].at - samples[0].at
    in_all = _taking_part(busy, came)
    in_a_mean = _taking_part(busy, came * (settings.cpu_window / span) if span else 0.0)
    deviations = settings.chance_deviations
    slots = peak + deviations * sqrt(peak) * (1 + sqrt(min(1.0, busy / in_all)))
    cores = cpu * (1 + deviations / sqrt(in_a_mean) + deviations / sqrt(in_all))
    by_slots = Demand(slots / (shape.max_concurrency * targets.slots), f"{peak:.1f} busy slots on average")
    by_cpu = Demand(cores / targets.cpu, f"CPU use of {cpu:.2f} environments' worth on average")
    return max(by_slots, by_cpu, key=lambda signal: signal.environments)


def _taking_part(busy: float, came: float) -> float:
    """Invocations in a mean: those in flight as it begins, and half of those that come, for many are only partly in it.

    At least one: what is used while nobody is in flight is nobody's.
    """
    return max(1.0, busy + came / 2)


def _targets(scaling: CapacityProviderScalingConfig, settings: ScalingSettings) -> _Targets:
    """Several CPU policies: the one that asks for most wins, which is the one with the lowest target."""
    percents = [
        policy.target_value_percent
        for policy in scaling.scaling_policies
        if policy.predefined_metric_type is PredefinedMetricType.CPU
    ]
    if scaling.scaling_mode is ScalingMode.AUTO or not percents:
        text = f"targets {settings.slot_target:.0%} of slots, {settings.cpu_target:.0%} of CPU"
        return _Targets(settings.slot_target, settings.cpu_target, text)
    cpu = max(min(percents), 1.0) / 100  # a target of 0 % would ask for infinitely many
    slots = min(max(cpu, settings.slot_target), settings.manual_slot_target_ceiling)
    return _Targets(slots, cpu, f"Manual targets {slots:.0%} of slots, {cpu:.0%} of CPU")


def _slot_demand(samples: Iterable[LoadSample], shape: EnvironmentShape, targets: _Targets) -> Demand:
    peak = max((sample.peak_busy_slots for sample in samples), default=0)
    return Demand(peak / (shape.max_concurrency * targets.slots), f"slot saturation ({peak} busy at most)")


def _cpu_demand(samples: Sequence[LoadSample], targets: _Targets, stretch: timedelta) -> Demand:
    """Highest mean over any `stretch`. One that reaches back beyond the samples counts only while there is no other."""
    measured = [
        (sample.at, sample.cpu_utilization * sample.ready_environments)
        for sample in samples
        if sample.cpu_utilization is not None
    ]
    used, total, first = 0.0, 0.0, 0
    for index, (at, use) in enumerate(measured):
        total += use
        while at - measured[first][0] >= stretch:
            total -= measured[first][1]
            first += 1
        if first or index == len(measured) - 1:
            used = max(used, total / (index + 1 - first))
    return Demand(used / targets.cpu, f"CPU use ({used:.2f} environments' worth)")


def _throttle_demand(samples: Iterable[LoadSample], growth: float) -> Demand:
    """Measured from what was ready when it refused, so that the same throttles are never counted twice."""
    refusing = max((sample.ready_environments for sample in samples if sample.throttles > 0), default=0)
    return Demand(refusing * growth, f"throttling with {counted(refusing, 'environment')} ready")


def _scale_in(
    target: VersionTarget, current: int, targets: _Targets, now: datetime, settings: ScalingSettings
) -> tuple[int, tuple[str, ...]]:
    if current <= target.bounds.minimum:
        return current, (f"{current} is the minimum",)
    oldest = target.loads[0].at
    if now - oldest < settings.long_window * _ENOUGH_OF_WINDOW:
        return current, (f"scale-in waits for {settings.long_window.total_seconds():.0f} s of samples",)
    demand = measure(target.loads, target.shape, targets, window=settings.long_window, now=now, settings=settings)
    assert isinstance(demand, Demand)
    comfortable = ceil(demand.environments / (1 - settings.dead_band) - _ROUNDING)
    if comfortable >= current:
        minutes = settings.long_window.total_seconds() / 60
        return current, (f"the highest demand of {minutes:.0f} minutes keeps {comfortable}",)
    looked_at = [sample for sample in target.loads if now - sample.at <= settings.long_window]
    chance = demand_by_chance(looked_at, target.shape, targets, settings)
    by_chance = ceil(chance.environments - _ROUNDING)
    if by_chance >= current:
        return current, (f"{chance.cause}: by chance the same traffic may ask for {by_chance}",)
    comfortable = max(comfortable, by_chance)
    recent = (sample.ready_environments for sample in target.loads if now - sample.at <= settings.scale_in_interval)
    held = max([current, *recent])
    slowest = min(ceil(held * (1 - settings.scale_in_step)), held - 1)
    fewer = min(max(comfortable, slowest), current)
    return fewer, (f"{demand.cause} in {settings.long_window.total_seconds():.0f} s needs only {comfortable}",)


def _bounded(target: VersionTarget, wanted: int, demand: Demand | NoData, reasons: tuple[str, ...]) -> ScalingDecision:
    bounds = target.bounds
    allowed = max(wanted, bounds.minimum)
    if bounds.maximum is not None:
        allowed = min(allowed, bounds.maximum)
    if allowed > wanted:
        reasons = (*reasons, f"MinExecutionEnvironments is {bounds.minimum}")
    elif allowed < wanted:
        reasons = (*reasons, f"MaxExecutionEnvironments is {bounds.maximum}")
    return ScalingDecision(allowed, demand, reasons)
