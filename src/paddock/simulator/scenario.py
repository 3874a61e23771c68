"""A whole simulation from one seed: fleet, functions, traffic, a time of trouble, and the quiet in which all mends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import timedelta

from paddock.core.planning import PlanningSettings
from paddock.core.scaling import ScalingSettings
from paddock.model.capacity_provider import Architecture, CapacityProviderScalingConfig, InstanceRequirements
from paddock.model.fleet import EnvironmentShape, ScalingBounds, VersionTarget, Zone
from paddock.model.ids import (
    LATEST_PUBLISHED,
    AvailabilityZone,
    CapacityProviderName,
    FunctionName,
    FunctionVersionKey,
    RevisionId,
    SubnetId,
)
from paddock.model.instance_types import InstanceType
from paddock.simulator.control import SimulatedControlPlane
from paddock.simulator.fleet import SimulatedFleet
from paddock.simulator.happenings import Happenings, publish
from paddock.simulator.invariants import Checker, Promise
from paddock.simulator.kernel import Kernel
from paddock.simulator.records import ProviderRecords
from paddock.simulator.report import InvariantBroken, Report
from paddock.simulator.words import Behaviour

QUICK = PlanningSettings(
    scaling=ScalingSettings(
        short_window=timedelta(seconds=20),
        cpu_window=timedelta(seconds=10),
        long_window=timedelta(seconds=60),
        scale_in_interval=timedelta(seconds=15),
    ),
    idle_grace=timedelta(seconds=15),
    consolidate_after=timedelta(seconds=60),
    launch_deadline=timedelta(seconds=50),
    start_deadline=timedelta(seconds=60),
    drain_timeout=timedelta(seconds=90),
    restart_backoff=timedelta(seconds=1),
    restart_backoff_limit=timedelta(seconds=20),
    launch_backoff=timedelta(seconds=3),
    launch_backoff_limit=timedelta(seconds=30),
    launch_patience=timedelta(seconds=40),
    publish_patience=timedelta(seconds=90),
)
"""The rules with shorter times, so that a few minutes of simulation see what takes days."""

SHAPES = (
    EnvironmentShape(2048, 1.0, 2),
    EnvironmentShape(2048, 1.0, 6),
    EnvironmentShape(4096, 1.0, 3),
    EnvironmentShape(8192, 4.0, 4),
)
SIZES = {"large": 2, "xlarge": 4, "2xlarge": 8, "4xlarge": 16}
CATALOGUE = tuple(
    InstanceType(f"{family}.{size}", vcpu, vcpu * gib, Architecture.X86_64)
    for family, gib in (("c7i", 2), ("m7i", 4))
    for size, vcpu in SIZES.items()
)
ZONES = tuple(Zone(SubnetId(f"subnet-{letter}"), AvailabilityZone(f"us-east-1{letter}")) for letter in "abc")
QUIET_SECONDS = 1200.0
"""Longer than any delay of `QUICK` and the longest jump of the wall clock together."""
REST_SECONDS = 5.0


class Scenario:
    """`prepare` may change the parts before anything runs: that is how the checker itself is tried."""

    def __init__(self, seed: int, prepare: Callable[[SimulatedFleet], None] | None = None) -> None:
        self.kernel = Kernel(seed)
        dice = self.kernel.dice
        providers = [self._provider(number) for number in range(dice.choice([1, 1, 2]))]
        self.fleet = SimulatedFleet(self.kernel, providers, QUICK)
        self.checker = Checker(self.fleet)
        self.happenings = Happenings(self.fleet, self.checker)
        self._trouble_ends = dice.choice([60.0, 120.0, 240.0])
        self._calm = dice.random() < 0.2
        self._rates: dict[FunctionVersionKey, float] = {}
        if prepare is not None:
            prepare(self.fleet)

    def run(self) -> Report:
        broken = None
        try:
            self._begin()
            self.kernel.run(until=self._trouble_ends)
            self.happenings.story.append(f"{self.kernel.now:7.1f} s  quiet")
            self._mend()
        except InvariantBroken as found:
            broken = found
        return Report(
            seed=self.kernel.seed,
            seconds=self.kernel.now,
            events=self.kernel.events,
            outcomes=Counter(each.outcome for each in self.fleet.router.done if each.outcome is not None),
            checks=self.checker.checks,
            faults=self.happenings.faulted,
            requests=self.happenings.requested,
            decisions=self.checker.decisions,
            story=self.happenings.story,
            broken=broken,
        )

    def _begin(self) -> None:
        dice = self.kernel.dice
        for index, control in enumerate(self.fleet.controls.values()):
            for number in range(dice.randrange(1, 4)):
                self._publish_later(control, f"f{index}{number}")
        self._trouble()

    def _provider(self, number: int) -> ProviderRecords:
        dice = self.kernel.dice
        return ProviderRecords(
            name=CapacityProviderName(f"provider-{number}"),
            scaling=CapacityProviderScalingConfig(max_vcpu_count=dice.choice([12, 24, 48, 96])),
            requirements=InstanceRequirements(),
            zones=ZONES[: dice.choice([1, 2, 3, 3, 3])],
            offered_types=CATALOGUE,
        )

    def _publish_later(self, control: SimulatedControlPlane, name: str) -> None:
        dice = self.kernel.dice
        shape = dice.choice(SHAPES)
        behaviour = Behaviour(
            init=(0.2, dice.choice([1.0, 4.0])),
            duration=(0.2, dice.choice([1.0, 6.0])),
            timeout=20.0,
            init_fails=dice.random() < 0.1,
            hangs=dice.choice([0.0, 0.0, 0.0, 0.02]),
            crashes=0.0 if self._calm else dice.choice([0.0, 0.0, 0.01]),
            cpu_share=dice.choice([0.05, 0.3]),
        )
        bounds = ScalingBounds(dice.choice([1, 2, 3, 3, 4]), None)
        busy = dice.choice([0.5, 2.0, 6.0])

        def go() -> None:
            key = FunctionVersionKey(FunctionName(name), LATEST_PUBLISHED)
            now = self.kernel.clock.now()
            publish(control, VersionTarget(key, RevisionId("r-first"), None, shape, bounds, now), behaviour)
            self.checker.disturbed()
            mean = sum(behaviour.duration) / 2
            self._rates[key] = busy / mean
            self._next_call(control, key)

        self.kernel.after(dice.uniform(0, 20), go)

    def _next_call(self, control: SimulatedControlPlane, key: FunctionVersionKey) -> None:
        """Callers come at random (Poisson) while the version serves, until the quiet has lasted a while."""
        if self.kernel.now > self._trouble_ends + 20:
            return
        version = control.records.versions.get(key)
        asked = version is not None and version.serving is not None and not version.bounds.deactivates
        if asked and version is not None and not version.deleting and self.fleet.up:
            self.fleet.call(key, asynchronous=self.kernel.dice.random() < 0.25)
        self.kernel.after(self.kernel.dice.expovariate(self._rates[key]), lambda: self._next_call(control, key))

    def _trouble(self) -> None:
        if self.kernel.now >= self._trouble_ends:
            return
        dice, happenings = self.kernel.dice, self.happenings
        if self.kernel.now > 0:
            if dice.random() < 0.15:
                self._change_traffic()
            elif self._calm or dice.random() < 0.4:
                if self.fleet.up:
                    happenings.request()
            else:
                happenings.fault()
        self.kernel.after(dice.expovariate(1 / 10), self._trouble)

    def _change_traffic(self) -> None:
        if not self._rates:
            return
        key, factor = self.kernel.dice.choice(list(self._rates)), self.kernel.dice.choice([0.2, 0.5, 2.0, 4.0])
        self._rates[key] = min(self._rates[key] * factor, 20.0)
        self.happenings.requested["change traffic"] += 1
        self.happenings.story.append(f"{self.kernel.now:7.1f} s  {key} gets {self._rates[key]:.1f} calls a second")

    def _mend(self) -> None:
        """Nothing fails any more; everything that was begun must come to its end."""
        ends_at = self.kernel.now + QUIET_SECONDS
        while (unrest := self.checker.unrest()) is not None:
            if self.kernel.now >= ends_at:
                raise InvariantBroken(Promise.CONVERGENCE, self.kernel.now, unrest)
            self.kernel.run(until=self.kernel.now + REST_SECONDS)
        self.checker.check_promises()


def simulate(seed: int, prepare: Callable[[SimulatedFleet], None] | None = None) -> Report:
    return Scenario(seed, prepare).run()
