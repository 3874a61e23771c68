"""A simulated execution environment: the real `core.environment` machine, with a runtime that only takes time.

Tells its owner what the machine's effects come to; it knows neither agents nor routers.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from paddock.core.environment import (
    Deliver,
    EnvironmentMachine,
    Fail,
    Invocation,
    Refuse,
    ReleaseSlot,
    RuntimeWorkers,
)
from paddock.core.environment import Rejection as Rejected
from paddock.core.environment.errors import EXIT_ERROR, TIMED_OUT
from paddock.core.environment.words import BecomeReady, BeginRecycling, Effect, End
from paddock.model.fleet import EnvironmentAssignment, EnvironmentFailure
from paddock.model.ids import EnvironmentId
from paddock.model.states import EnvironmentPhase
from paddock.simulator.kernel import Kernel
from paddock.simulator.words import Behaviour, EnvironmentState, Outcome, SimulatedInvocation

Running = Invocation[SimulatedInvocation, int]


class Owner(Protocol):
    """Who carries out what an environment's machine says."""

    def answered(
        self, environment: SimulatedEnvironment, invocation: SimulatedInvocation, outcome: Outcome, *, slot_held: bool
    ) -> None: ...

    def slot_released(self, environment: SimulatedEnvironment, invocation: SimulatedInvocation) -> None: ...

    def changed(self, environment: SimulatedEnvironment) -> None: ...


class SimulatedEnvironment:
    """A runtime with one connection for each slot, as Python's has."""

    def __init__(self, assignment: EnvironmentAssignment, behaviour: Behaviour, kernel: Kernel, owner: Owner) -> None:
        self.assignment = assignment
        self.behaviour = behaviour
        self.machine: EnvironmentMachine[SimulatedInvocation, int] = EnvironmentMachine(
            max_concurrency=assignment.shape.max_concurrency,
            workers=RuntimeWorkers.OWN_CONNECTION,
            nonce_prefix=assignment.environment_id,
        )
        self._kernel = kernel
        self._owner = owner
        self._killed = False
        kernel.after(kernel.dice.uniform(*behaviour.init), self._init_ends)

    @property
    def environment_id(self) -> EnvironmentId:
        return self.assignment.environment_id

    @property
    def phase(self) -> EnvironmentPhase:
        return self.machine.phase

    @property
    def is_over(self) -> bool:
        return self._killed or self.phase is EnvironmentPhase.ENDED

    def state(self) -> EnvironmentState:
        in_flight = self.machine.in_flight
        use = in_flight * self.behaviour.cpu_share / self.assignment.shape.vcpu
        failure = self.machine.failure
        return EnvironmentState(
            self.environment_id,
            self.phase,
            in_flight,
            self.machine.slots,
            use,
            None if failure is None else EnvironmentFailure(failure.reason_code, failure.text, failure.init),
        )

    def invoke(self, invocation: SimulatedInvocation) -> bool:
        """False when it refuses."""
        machine, now = self.machine, self._kernel.now
        admission = machine.invoke(invocation.invocation_id, invocation, self.behaviour.timeout, now)
        if isinstance(admission, Refuse):
            return False
        if isinstance(admission, Deliver):
            self._run(admission)
        return True

    def drain(self) -> None:
        if self.phase in (EnvironmentPhase.STARTING, EnvironmentPhase.READY):
            self._apply(self.machine.drain())

    def stop(self) -> None:
        self._apply(self.machine.stop())

    def crash(self) -> None:
        if not self.is_over:
            self._apply(self.machine.fail(EXIT_ERROR, "Runtime exited with error: exit status 1"))

    def vanish(self) -> None:
        """Its instance is gone: nothing of it says or does anything more."""
        self._killed = True

    def _init_ends(self) -> None:
        if self._killed or self.phase is not EnvironmentPhase.STARTING:
            return
        if self.behaviour.init_fails:
            self.machine.init_error("Runtime.ImportModuleError", "Unable to import module 'app'")
            self._apply(self.machine.fail(EXIT_ERROR, "Runtime exited with error: exit status 1"))
            return
        for connection in range(self.assignment.shape.max_concurrency):
            self._apply(self.machine.poll(connection, self._kernel.now))

    def _run(self, delivered: Deliver[SimulatedInvocation, int]) -> None:
        """The runtime has the event. What becomes of it, the dice say."""
        running, connection = delivered.invocation, delivered.connection
        dice, behaviour = self._kernel.dice, self.behaviour
        fate = dice.random()
        if fate < behaviour.crashes:
            self._kernel.after(dice.uniform(0, 1), self.crash)
            return
        self._kernel.after(behaviour.timeout, lambda: self._expire(running))
        if fate >= behaviour.crashes + behaviour.hangs:
            self._kernel.after(dice.uniform(*behaviour.duration), lambda: self._post(running, connection))

    def _post(self, running: Running, connection: int) -> None:
        if self.is_over:
            return
        accepted = self.machine.begin_response(running.invocation_id, running.nonce, streaming=False)
        if isinstance(accepted, Rejected):
            self._apply(accepted.effects)
        else:
            finished = self.machine.finish(accepted)
            # The answer goes out before anything that follows from it.
            self._owner.answered(self, running.caller, Outcome.ANSWERED, slot_held=False)
            self._apply(finished.effects if isinstance(finished, Rejected) else finished)
        if not self.is_over:
            self._apply(self.machine.poll(connection, self._kernel.now))

    def _expire(self, running: Running) -> None:
        if self.is_over:
            return
        self._apply(self.machine.expire(self._kernel.now))
        if running.phase.name == "TIMED_OUT":
            self._kernel.after(self.machine.settings.leaked_seconds, lambda: self._expire(running))

    def _apply(self, effects: Iterable[Effect[SimulatedInvocation, int]]) -> None:
        for effect in effects:
            match effect:
                case Deliver():
                    self._run(effect)
                case Fail(invocation, error_type, _):
                    held = invocation.phase.name == "TIMED_OUT"
                    outcome = Outcome.TIMED_OUT if error_type == TIMED_OUT else Outcome.LOST
                    self._owner.answered(self, invocation.caller, outcome, slot_held=held)
                case ReleaseSlot(invocation):
                    self._owner.slot_released(self, invocation.caller)
                case Refuse(caller, _):
                    self._owner.answered(self, caller, Outcome.LOST, slot_held=False)
                case BecomeReady() | BeginRecycling() | End():
                    self._owner.changed(self)
                case _:
                    raise AssertionError(f"the simulated runtime has no use for {effect}")
