"""The environments that can answer for one revision, and which of them takes the next invocation.

Rules of this module:
- Least loaded first, so an idle environment is used before any environment gets a second invocation.
- Among equals the zones take turns, and within a zone the environment that has waited longest.
- An environment that is full, draining or unreachable is in no queue, so it cannot be taken by mistake.
- One that refused although a slot seemed free rests, until a slot of it is released or it is woken: it is asked again
  only when there is nothing else.
- A slot stays taken until it is released, also when its call is over (a handler that outlived its timeout).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterator
from enum import StrEnum

from paddock.model.ids import AvailabilityZone, EnvironmentId, InstanceId


class ThrottleCause(StrEnum):
    """AWS's metric that is 1 beside `Throttles`."""

    CONCURRENCY = "ConcurrencyThrottles"
    CPU = "CPUThrottles"
    MEMORY = "MemoryThrottles"
    DISK = "DiskThrottles"


class RoutedEnvironment:
    """One execution environment as its router sees it. Slots are alike: a taken one is named by its environment.

    `in_flight` counts the slots taken here, those held beyond their call included; `slots` is how many there are.
    Only its pool changes it.
    """

    __slots__ = (
        "draining",
        "environment_id",
        "in_flight",
        "instance_id",
        "open",
        "pooled",
        "reachable",
        "resting",
        "slots",
        "zone",
    )

    def __init__(
        self,
        environment_id: EnvironmentId,
        instance_id: InstanceId,
        zone: AvailabilityZone,
        slots: int,
    ) -> None:
        assert slots >= 0
        self.environment_id = environment_id
        self.instance_id = instance_id
        self.zone = zone
        self.slots = slots
        self.in_flight = 0
        self.draining = False
        self.reachable = True
        self.resting = False
        self.pooled = False
        self.open = False

    @property
    def takes(self) -> bool:
        """Can it be given one more invocation?"""
        return self.open and self.in_flight < self.slots

    def settle(self) -> None:
        """`open` sums up what changes rarely, so that each invocation asks one question only."""
        self.open = self.pooled and self.reachable and not self.draining and not self.resting


_Lane = OrderedDict[RoutedEnvironment, None]
_Level = dict[AvailabilityZone, _Lane]
"""In the order in which the zones take turns: the one that was used goes to the end."""


class EnvironmentPool:
    """A bucket queue: `_levels[n]` holds those with n in flight, by zone; bit n of `_filled`: there are any.

    `in_flight` are the slots taken here and not yet released, also of environments that were removed meanwhile.
    """

    __slots__ = ("_environments", "_filled", "_levels", "_peak", "_resting", "in_flight")

    def __init__(self) -> None:
        self.in_flight = 0
        self._peak = 0
        self._environments: dict[RoutedEnvironment, None] = {}
        self._levels: list[_Level] = []
        self._filled = 0
        self._resting: dict[RoutedEnvironment, None] = {}

    def __iter__(self) -> Iterator[RoutedEnvironment]:
        return iter(self._environments)

    def __len__(self) -> int:
        return len(self._environments)

    def add(self, environment: RoutedEnvironment) -> None:
        assert not environment.pooled
        environment.pooled = True
        environment.settle()
        self._environments[environment] = None
        self._make_levels(environment.slots)
        self._queue(environment)

    def remove(self, environment: RoutedEnvironment) -> None:
        """It gets nothing more. Slots taken from it may still be released."""
        self._unqueue(environment)
        environment.pooled = False
        environment.settle()
        self._resting.pop(environment, None)
        del self._environments[environment]

    def change(
        self,
        environment: RoutedEnvironment,
        *,
        slots: int | None = None,
        draining: bool | None = None,
        reachable: bool | None = None,
    ) -> None:
        """Fewer slots than are taken is possible (runtime workers died): it gets nothing until enough are released."""
        self._unqueue(environment)
        if slots is not None:
            environment.slots = slots
            self._make_levels(slots)
        if draining is not None:
            environment.draining = draining
        if reachable is not None:
            environment.reachable = reachable
        environment.settle()
        self._queue(environment)

    def take(self) -> RoutedEnvironment | None:
        """Take a slot of the least loaded environment; None when there is none to take."""
        filled = self._filled
        if not filled:
            return None
        in_flight = (filled & -filled).bit_length() - 1
        level = self._levels[in_flight]
        zone = next(iter(level))
        lane = level.pop(zone)
        environment, _ = lane.popitem(last=False)
        if lane:
            level[zone] = lane
        elif not level:
            self._filled = filled & (filled - 1)
        environment.in_flight = in_flight + 1
        self._queue(environment)
        self.in_flight = taken = self.in_flight + 1
        if taken > self._peak:  # noqa: PLR1730 - a call of max costs more than all the rest
            self._peak = taken
        return environment

    def take_other(self, refused: Collection[RoutedEnvironment]) -> RoutedEnvironment | None:
        """As `take`, but none of those that have refused this invocation."""
        filled = self._filled
        while filled:
            in_flight = (filled & -filled).bit_length() - 1
            filled &= filled - 1
            for lane in self._levels[in_flight].values():
                for environment in lane:
                    if environment not in refused:
                        self._unqueue(environment)
                        environment.in_flight += 1
                        self._queue(environment)
                        self._note_taken()
                        return environment
        return None

    def release(self, environment: RoutedEnvironment) -> None:
        """Give a slot back. Exactly once for each one taken."""
        assert environment.in_flight > 0, "a slot was released that nobody had taken"
        self._unqueue(environment)
        environment.in_flight -= 1
        self.in_flight -= 1
        if environment.resting:
            self._wake(environment)
        self._queue(environment)

    def refuse(self, environment: RoutedEnvironment) -> None:
        """Give back a slot that the agent would not fill, and let the environment rest."""
        self.release(environment)
        self._unqueue(environment)
        environment.resting = True
        environment.settle()
        if environment.pooled:
            self._resting[environment] = None

    def take_resting(self, refused: Collection[RoutedEnvironment]) -> RoutedEnvironment | None:
        """For when `take` finds nothing: another router's invocations may have filled it, and may be over by now."""
        for environment in self._resting:
            usable = environment.reachable and not environment.draining and environment.in_flight < environment.slots
            if usable and environment not in refused:
                environment.in_flight += 1
                self._note_taken()
                return environment
        return None

    def wake(self, environment: RoutedEnvironment) -> None:
        """It has rested long enough to be asked again."""
        if environment.resting:
            self._wake(environment)
            self._queue(environment)

    def take_peak(self) -> int:
        """The most slots that were taken at one time since this was asked last."""
        peak, self._peak = self._peak, self.in_flight
        return peak

    def _note_taken(self) -> None:
        self.in_flight += 1
        self._peak = max(self._peak, self.in_flight)

    def _wake(self, environment: RoutedEnvironment) -> None:
        environment.resting = False
        environment.settle()
        self._resting.pop(environment, None)

    def _make_levels(self, slots: int) -> None:
        while len(self._levels) < slots:
            self._levels.append({})

    def _queue(self, environment: RoutedEnvironment) -> None:
        in_flight = environment.in_flight
        if in_flight >= environment.slots or not environment.open:
            return
        level = self._levels[in_flight]
        lane = level.get(environment.zone)
        if lane is None:
            lane = level[environment.zone] = OrderedDict()
            self._filled |= 1 << in_flight
        lane[environment] = None

    def _unqueue(self, environment: RoutedEnvironment) -> None:
        in_flight = environment.in_flight
        if in_flight >= environment.slots or not environment.open:
            return
        level = self._levels[in_flight]
        lane = level[environment.zone]
        del lane[environment]
        if not lane:
            del level[environment.zone]
            if not level:
                self._filled &= ~(1 << in_flight)
