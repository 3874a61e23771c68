"""Callers and the router: calls arrive, the real `core.routing` picks environments, and each call is accounted for.

A synchronous call gets one answer, whatever happens; an asynchronous one is on disk once accepted and is tried until it
has run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from paddock.core.routing.pool import RoutedEnvironment
from paddock.core.routing.table import (
    Destination,
    EnvironmentPlacement,
    FunctionRules,
    RevisionKey,
    RoutingTable,
    VersionRules,
)
from paddock.model.arns import Place
from paddock.model.errors import ApiError
from paddock.model.ids import (
    AccountId,
    AvailabilityZone,
    EnvironmentId,
    FunctionVersionKey,
    InstanceId,
    Region,
    RevisionId,
)
from paddock.simulator.kernel import Kernel
from paddock.simulator.words import Outcome, SimulatedInvocation

REST_SECONDS = 0.02
RETRY_SECONDS = 2.0


class Reach(Protocol):
    """How the router reaches an agent."""

    def invoke(self, instance_id: InstanceId, environment_id: EnvironmentId, invocation: SimulatedInvocation) -> bool:
        """False when the agent refuses it."""
        ...


class SimulatedRouter:
    """Loses its table and its calls when the server dies; asynchronous calls are on disk."""

    def __init__(self, kernel: Kernel, reach: Reach) -> None:
        self.table = _new_table()
        self.calls: dict[str, tuple[SimulatedInvocation, Destination, RoutedEnvironment]] = {}
        self.held: dict[tuple[EnvironmentId, str], tuple[Destination, RoutedEnvironment]] = {}
        self.throttles: dict[FunctionVersionKey, int] = {}
        self.up = True
        self.done: list[SimulatedInvocation] = []
        self.waiting: dict[str, SimulatedInvocation] = {}
        self.accepted = 0
        self.forgotten = 0
        """Asynchronous calls that were accepted, and those of them whose version went away."""
        self.on_outcome: Callable[[SimulatedInvocation], None] = lambda _: None
        self._kernel = kernel
        self._reach = reach

    # Routes, from the control plane

    def serve(self, key: FunctionVersionKey, revision: RevisionId, timeout_seconds: float) -> None:
        rules = VersionRules(key.version, revision, int(timeout_seconds))
        self.table.set_function(FunctionRules(key.function_name, key.version, (rules,)))

    def withdraw(self, key: FunctionVersionKey) -> None:
        self.table.remove_function(key.function_name)

    def place(
        self,
        environment_id: EnvironmentId,
        instance_id: InstanceId,
        zone: AvailabilityZone,
        key: RevisionKey,
        *,
        slots: int,
        draining: bool,
    ) -> None:
        self.table.place(EnvironmentPlacement(environment_id, instance_id, zone, key, slots, draining))

    def remove(self, environment_id: EnvironmentId) -> None:
        self.table.remove(environment_id)

    # Calls

    def call(self, key: FunctionVersionKey, *, asynchronous: bool) -> None:
        invocation = SimulatedInvocation(self._kernel.ids.hex(8), key, asynchronous, self._kernel.now)
        if asynchronous:
            self.waiting[invocation.invocation_id] = invocation
            self.accepted += 1
        self._start(invocation)

    def _start(self, invocation: SimulatedInvocation) -> None:
        destination = self._destination(invocation.key)
        if destination is None:
            self._finish(invocation, Outcome.LOST if not self.up else Outcome.THROTTLED)
            return
        refused: list[RoutedEnvironment] = []
        environment = destination.pool.take()
        while environment is not None:
            if self._reach.invoke(environment.instance_id, environment.environment_id, invocation):
                invocation.started += 1
                invocation.environment_id = environment.environment_id
                invocation.ran_on.append(environment.environment_id)
                self.calls[invocation.invocation_id] = (invocation, destination, environment)
                return
            destination.pool.refuse(environment)
            self._wake_later(destination, environment)
            refused.append(environment)
            environment = destination.pool.take_other(refused)
        self.throttles[invocation.key] = self.throttles.get(invocation.key, 0) + 1
        self._finish(invocation, Outcome.THROTTLED)

    def _wake_later(self, destination: Destination, environment: RoutedEnvironment) -> None:
        self._kernel.after(REST_SECONDS, lambda: destination.pool.wake(environment))

    def _destination(self, key: FunctionVersionKey) -> Destination | None:
        if not self.up:
            return None
        try:
            return self.table.resolve(key.function_name, None).choose(self._kernel.dice.random)
        except ApiError:
            return None

    def forget(self, key: FunctionVersionKey) -> None:
        """Nobody waits any more for what was asked of a version that is going."""
        for invocation_id in [each.invocation_id for each in self.waiting.values() if each.key == key]:
            self.waiting.pop(invocation_id).outcome = Outcome.THROTTLED
            self.forgotten += 1

    # What agents say

    def answered(
        self, environment_id: EnvironmentId, invocation: SimulatedInvocation, outcome: Outcome, *, slot_held: bool
    ) -> None:
        """An answer from an environment that the call is no longer waiting for comes too late."""
        found = self.calls.get(invocation.invocation_id)
        if found is None or found[2].environment_id != environment_id:
            return
        del self.calls[invocation.invocation_id]
        _, destination, environment = found
        if slot_held:
            self.held[environment_id, invocation.invocation_id] = (destination, environment)
        else:
            destination.pool.release(environment)
        self._finish(invocation, outcome)

    def slot_released(self, environment_id: EnvironmentId, invocation_id: str) -> None:
        found = self.held.pop((environment_id, invocation_id), None)
        if found is not None:
            found[0].pool.release(found[1])

    def reachable(self, instance_id: InstanceId, *, reachable: bool) -> None:
        self.table.set_reachable(instance_id, reachable)
        if reachable:
            return
        for name, (_, environment) in list(self.held.items()):
            if environment.instance_id == instance_id:
                self.slot_released(*name)
        for invocation, _, environment in list(self.calls.values()):
            if environment.instance_id == instance_id:
                self.answered(environment.environment_id, invocation, Outcome.LOST, slot_held=False)

    # The server's death and return

    def crash(self) -> None:
        self.up = False
        lost = [invocation for invocation, _, _ in self.calls.values()]
        self.calls.clear()
        self.held.clear()
        self.throttles.clear()
        self.table = _new_table()
        for invocation in lost:
            self._finish(invocation, Outcome.LOST)

    def start(self) -> None:
        self.up = True

    def _finish(self, invocation: SimulatedInvocation, outcome: Outcome) -> None:
        """Timeouts and function errors of asynchronous calls would be retried and dropped in time: they have run.

        One that nobody waits for any more (its version went away, or an earlier try answered late) is over already.
        """
        if invocation.asynchronous and invocation.invocation_id not in self.waiting:
            return
        ran = outcome in (Outcome.ANSWERED, Outcome.TIMED_OUT, Outcome.FUNCTION_ERROR)
        if invocation.asynchronous and not ran:
            self._kernel.after(RETRY_SECONDS, lambda: self._retry(invocation))
            return
        self.waiting.pop(invocation.invocation_id, None)
        invocation.outcome = outcome
        invocation.answers += 1
        self.done.append(invocation)
        self.on_outcome(invocation)

    def _retry(self, invocation: SimulatedInvocation) -> None:
        if invocation.outcome is None:
            self._start(invocation)


def _new_table() -> RoutingTable:
    return RoutingTable(Place(Region("us-east-1"), AccountId("123456789012")))
