"""Has each version that serves its minimum ready, and for how long may it lack some of it?

What is ready is asked of the agents, what should be of the store, how long a repair may take of the server's settings
and of what has really failed. Knows nothing of what was planned.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from paddock.agent.environment import ExecutionEnvironment
from paddock.controlplane.limits import LEASE_CHECK_SECONDS, SLOW_LIST_SECONDS
from paddock.model.function import FunctionVersion
from paddock.model.ids import LATEST
from paddock.model.states import EnvironmentPhase, FunctionState
from paddock.simulator.whole.instances import BOOT_SECONDS
from paddock.simulator.whole.runtimes import Behaviour
from paddock.simulator.whole.world import LEASE, PLANNING, World
from paddock.wire.agent import EnvironmentSpec

SPARE_SECONDS = 3.0
"""For plans, greetings and the way there."""
REPAIR_SECONDS = (
    (LEASE.lost_seconds + LEASE_CHECK_SECONDS)  # until an instance that is silent is lost
    + (LEASE.lost_seconds + LEASE_CHECK_SECONDS)  # a server that has begun meanwhile waits for its agents first
    + (SLOW_LIST_SECONDS + BOOT_SECONDS[1])  # until the instance in its place is up
    + Behaviour().init[1]
    + SPARE_SECONDS
)
"""What nothing hinders is made good within this."""
_MOST_DOUBLINGS = 16

Place = tuple[str, str, str]
"""Function, version and revision."""


@dataclass(frozen=True, slots=True)
class Minimum:
    """What one version was promised."""

    place: Place
    least: int

    @property
    def function(self) -> str:
        return self.place[0]


class Minimums:
    """`providers` of the managed functions; of those in `narrow` the ceiling may leave no room for what is promised.
    `jumped_seconds`: how far the wall clock has jumped in all, either way; what is measured by it may take that much
    longer.
    """

    def __init__(self, world: World, providers: Mapping[str, str]) -> None:
        self.narrow: set[str] = set()
        self.jumped_seconds = 0.0
        self.due_at = math.inf
        """When to look again although nothing has changed: somebody's time is over then."""
        self._world = world
        self._providers = providers
        self._disturbed_until = 0.0
        self._below_since: dict[Place, float] = {}
        self._writes = -1
        self._minimums: tuple[Minimum, ...] = ()

    def disturbed(self, lasts: float = 0.0) -> None:
        """Something was asked for or went wrong, and goes on for so many seconds."""
        self._disturbed_until = max(self._disturbed_until, self._world.clock.monotonic() + lasts)

    def below(self) -> str | None:
        """Who lacks some of its minimum now, whatever the cause."""
        ready = self._ready()
        return next((_lack(each, ready) for each in self.promised() if ready[each.place] < each.least), None)

    def overdue(self) -> str | None:
        """Who lacks some of it for longer than it may."""
        ready, now = self._ready(), self._world.clock.monotonic()
        self.due_at = math.inf
        since, self._below_since = self._below_since, {}
        for each in self.promised():
            if ready[each.place] >= each.least or self._providers[each.function] in self.narrow:
                continue
            began_at = self._below_since[each.place] = since.get(each.place, now)
            allowed_until = self._allowed_until(each, began_at)
            if now > allowed_until:
                return (
                    f"{_lack(each, ready)}; it lacks since {began_at:.1f} s, its time was over at {allowed_until:.1f} s"
                )
            self.due_at = min(self.due_at, allowed_until)
        return None

    def promised(self) -> tuple[Minimum, ...]:
        store = self._world.store
        if self._writes != store.writes:
            self._writes = store.writes
            versions = store.look(lambda tx: tx.versions.select())
            self._minimums = tuple(_minimum(each) for each in versions if self._is_served(each))
        return self._minimums

    def _is_served(self, version: FunctionVersion) -> bool:
        is_managed = version.function_name in self._providers and version.version != LATEST
        return is_managed and version.serving is not None and version.state is FunctionState.ACTIVE

    def crowded(self, spare: int) -> set[str]:
        """Functions that have no more than so many slots free."""
        free: Counter[Place] = Counter()
        for environment in self._environments():
            free[_place(environment.spec)] += environment.machine.slots - environment.machine.in_flight
        return {each.function for each in self.promised() if free[each.place] <= spare}

    def _ready(self) -> Counter[Place]:
        return Counter(_place(environment.spec) for environment in self._environments())

    def _environments(self) -> Iterator[ExecutionEnvironment]:
        """Those that are ready."""
        for instance in self._world.launcher.living.values():
            for environment in instance.agent.environments.values():
                if environment.machine.phase is EnvironmentPhase.READY:
                    yield environment

    def _allowed_until(self, minimum: Minimum, began_at: float) -> float:
        """Pauses are those of the server's settings, for as many failures as there have really been."""
        launches = self._world.launcher.failures[self._providers[minimum.function]]
        environments = self._world.truth.failures[minimum.function]
        moments = [began_at, self._disturbed_until]
        if launches:
            moments.append(max(launches) + launch_pause_seconds(len(launches)))
        if environments:
            moments.append(max(environments) + restart_pause_seconds(len(environments)))
        return max(moments) + REPAIR_SECONDS + self.jumped_seconds


def launch_pause_seconds(failures: int) -> float:
    """After so many launches that failed in a row."""
    pause = PLANNING.launch_backoff * (1 << min(failures - 1, _MOST_DOUBLINGS))
    return min(pause, PLANNING.launch_backoff_limit).total_seconds()


def restart_pause_seconds(failures: int) -> float:
    """After so many environments of a function that failed."""
    excess = failures - PLANNING.free_restarts
    if excess < 0:
        return 0.0
    pause = PLANNING.restart_backoff * (1 << min(excess, _MOST_DOUBLINGS))
    return min(pause, PLANNING.restart_backoff_limit).total_seconds()


def _place(spec: EnvironmentSpec) -> Place:
    return spec.function_name, spec.version, spec.revision


def _minimum(version: FunctionVersion) -> Minimum:
    assert version.serving is not None
    return Minimum((version.function_name, version.version, version.serving.revision), version.bounds.minimum)


def _lack(minimum: Minimum, ready: Counter[Place]) -> str:
    name, version, _ = minimum.place
    return f"{name}:{version} has {ready[minimum.place]} of {minimum.least} environments ready"
