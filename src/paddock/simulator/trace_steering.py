"""When the planner is asked in a replay, and what it is told: the part that fluid and exact replays have in common.

It measures nothing and decides nothing: load samples come from whoever serves the traffic, decisions from the planner.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from paddock.core import scaling
from paddock.core.planning import PlanningSettings
from paddock.model.capacity_provider import CapacityProviderScalingConfig
from paddock.model.fleet import LoadSample
from paddock.simulator.trace_fleet import Fleet

START = datetime(2026, 1, 1, tzinfo=UTC)
"""Any will do: decisions depend on differences only."""

REPLAN = timedelta(minutes=5)
"""The planner is asked at least so often although nothing happened: it consolidates and ends what is idle."""

MAX_WARM_UP = timedelta(hours=1)
SETTLING = timedelta(minutes=15)
"""Launches and the scaler's long window, with room."""

SAMPLES_KEPT = timedelta(minutes=6)


class ReplayError(Exception):
    """The fleet never became ready: the text says why, in the planner's words."""


@dataclass(frozen=True, slots=True)
class ReplayedDecision:
    """A change of the fleet, and why. `second` counts from the trace's beginning."""

    second: float
    environments: int
    instances: int
    reasons: tuple[str, ...]


class Steering:
    """One replay's planner, its samples and its decisions."""

    def __init__(self, fleet: Fleet, scaling_config: CapacityProviderScalingConfig, planning: PlanningSettings) -> None:
        self.fleet = fleet
        self.decisions: list[ReplayedDecision] = []
        self._scaling = scaling_config
        self._planning = planning
        self._samples: list[LoadSample] = []
        self._planned_at = START
        self._happened: list[str] = []

    def publish(self) -> datetime:
        """Publish and wait until the version serves; when that is. Raises ReplayError when it never does."""
        now = START
        while not self.fleet.serves:
            reasons = self.fleet.plan(now, ())
            if self.fleet.failed is not None or now - START > MAX_WARM_UP:
                raise ReplayError(self.fleet.failed or "; ".join(reasons[-3:]))
            now += timedelta(seconds=5)
            self.fleet.advance(now)
        self._planned_at = now
        return now

    def settle(self, now: datetime, tick_seconds: int, serve: Callable[[datetime], LoadSample]) -> datetime:
        """Let the fleet settle on the first minute's traffic: what is replayed is a service that runs, not its first
        day.
        """
        step = timedelta(seconds=tick_seconds)
        until = now + SETTLING
        while now < until:
            self.fleet.advance(now)
            self.sample(serve(now + step))
            self.decide(now + step, now)
            now += step
        self.decisions.clear()
        return now

    def sample(self, sample: LoadSample) -> None:
        self._samples.append(sample)
        while sample.at - self._samples[0].at > SAMPLES_KEPT:
            self._samples.pop(0)

    def plan_soon(self, happened: str) -> None:
        """For something that no load sample tells: the next decision says it first."""
        self._planned_at = START
        self._happened.append(happened)

    def decide(self, now: datetime, begin: datetime) -> None:
        """The planner is asked when the scaler wants another number, when something is under way, or now and then."""
        fleet = self.fleet
        loads = tuple(self._samples)
        if not fleet.moving and now - self._planned_at < REPLAN:
            wanted = scaling.decide(
                fleet.version(loads),
                fleet.staying,
                scaling=self._scaling,
                now=now,
                settings=self._planning.scaling,
            )
            if wanted.environments == fleet.staying:
                return
        before = (fleet.staying, fleet.instances)
        reasons = fleet.plan(now, loads)
        self._planned_at = now
        after = (fleet.staying, fleet.instances)
        if after != before or self._happened:
            told = (*self._happened, *reasons)
            self.decisions.append(ReplayedDecision((now - begin).total_seconds(), *after, told))
            self._happened.clear()
