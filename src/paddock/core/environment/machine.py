"""One execution environment as a machine: what each event of its life leads to.

It knows phases, slots, open polls and invocations in flight; it sees neither bodies nor sockets nor processes. Each
event is a method with the time (`now`, monotonic seconds); what the shell has to do comes back. Called for every
invocation, so its tables change in place.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Container
from typing import Generic

from paddock.core.environment import errors
from paddock.core.environment.answers import at_the_end
from paddock.core.environment.init_phase import TIMEOUT_TEXT, InitPhase
from paddock.core.environment.late import LateInvocations
from paddock.core.environment.slots import DEFAULT_SLOTS, MAX_IDLE_POLLS, Slots, SlotSettings
from paddock.core.environment.words import (
    Admission,
    BecomeReady,
    BeginRecycling,
    CallerT,
    ConnectionT,
    Deliver,
    Effect,
    Effects,
    End,
    Fail,
    Failure,
    Hold,
    Invocation,
    InvocationPhase,
    Refuse,
    RefusePoll,
    Rejection,
    ReleaseSlot,
    RuntimeWorkers,
    Verdict,
    gone,
    unknown_request,
)
from paddock.model.states import EnvironmentPhase

_HOLD = Hold()
_new = tuple.__new__  # makes a named tuple without a call of the function that a class of such goes through
_STARTING, _READY = EnvironmentPhase.STARTING, EnvironmentPhase.READY
_DRAINING, _ENDED = EnvironmentPhase.DRAINING, EnvironmentPhase.ENDED
_HELD, _RUNNING, _RESPONDING, _STREAMING, _TIMED_OUT, _LINGERING, _OVER = InvocationPhase


class EnvironmentMachine(Generic[CallerT, ConnectionT]):
    """`nonce_prefix` makes this environment's nonces unlike any other's. `ends_on_timeout`: as default Lambda does.
    `lingers`: an answered invocation keeps its slot until `conclude`, because extensions heard of it too.
    """

    def __init__(
        self,
        *,
        max_concurrency: int,
        workers: RuntimeWorkers,
        nonce_prefix: str,
        settings: SlotSettings = DEFAULT_SLOTS,
    ) -> None:
        assert max_concurrency >= 1
        self.ends_on_timeout = False
        self.settings = settings
        self.lingers = False
        self.phase = _STARTING
        self.failure: Failure | None = None
        self.peak_in_flight = 0
        self.workers_are(workers, max_concurrency)
        self._nonce_prefix = nonce_prefix
        self._deliveries = 0
        self.init = InitPhase()
        self._invocations: dict[str, Invocation[CallerT, ConnectionT]] = {}
        self._held: deque[Invocation[CallerT, ConnectionT]] = deque()
        self._idle: OrderedDict[ConnectionT, None] = OrderedDict()
        self._running_on: dict[ConnectionT, Invocation[CallerT, ConnectionT]] = {}
        self._late = LateInvocations()

    def workers_are(self, workers: RuntimeWorkers, max_concurrency: int) -> None:
        """Before the first poll: which kind they are may be known only from the code."""
        self._slots: Slots[ConnectionT] = Slots(max_concurrency, workers, self.settings)
        self._own_connection = workers is RuntimeWorkers.OWN_CONNECTION
        self._counts_units = workers is RuntimeWorkers.UNKNOWN
        # Last polled first keeps the warm workers busy; Node.js takes many events per worker, so there they go round.
        self._last_polled_first = workers is not RuntimeWorkers.MULTIPLEXED

    # What it is now

    @property
    def in_flight(self) -> int:
        return len(self._invocations)

    @property
    def slots(self) -> int:
        """How many invocations it can hold at present: when not ready, no more than it has."""
        return self._slots.count if self.phase is _READY else self.in_flight

    @property
    def open_polls(self) -> int:
        return len(self._idle)

    def take_peak(self) -> int:
        """The most in flight at once since the last call."""
        peak, self.peak_in_flight = self.peak_in_flight, len(self._invocations)
        return peak

    def running_on(self, connection: ConnectionT) -> Invocation[CallerT, ConnectionT] | None:
        """Which invocation a worker has, where a connection is a worker."""
        return self._running_on.get(connection)

    def next_wake(self) -> float | None:
        """When `expire` must be called at the latest; None when nothing is awaited."""
        wakes = [self.init.deadline if self.phase is _STARTING else None, self._slots.changes_at]
        wakes.extend(invocation.wake_at for invocation in self._invocations.values())
        return min((at for at in wakes if at is not None), default=None)

    # Init

    def runtime_started(self, now: float, init_timeout_seconds: float) -> None:
        self.init.began(now, init_timeout_seconds)

    def init_error(self, error_type: str, text: str) -> Rejection[CallerT, ConnectionT] | None:
        """A runtime's word on its failed init, which itself ends with the process or its timeout."""
        if self.phase is _STARTING and self.init.runtime_failed(error_type, text):
            return None
        return Rejection(403, "InvalidStateTransition", "State transition is not allowed")

    # Invocations

    def invoke(
        self, invocation_id: str, caller: CallerT, timeout_seconds: float, now: float
    ) -> Admission[CallerT, ConnectionT]:
        """Takes a slot at once or refuses at once; within capacity it waits for a poll at most `poll_wait_seconds`."""
        invocations = self._invocations
        if self.phase is not _READY:
            return Refuse(caller, errors.not_ready(self.phase))
        if invocation_id in invocations:
            return Refuse(caller, errors.DUPLICATED)
        in_flight = len(invocations) + 1
        if in_flight > self._slots.count:
            return Refuse(caller, errors.UNAVAILABLE)
        invocation: Invocation[CallerT, ConnectionT] = Invocation(invocation_id, caller, timeout_seconds)
        invocations[invocation_id] = invocation
        self.peak_in_flight = max(self.peak_in_flight, in_flight)
        if self._idle:
            return self._deliver(invocation, self._idle.popitem(self._last_polled_first)[0], now)
        invocation.wake_at = now + self.settings.poll_wait_seconds
        self._held.append(invocation)
        return _HOLD

    def _deliver(
        self, invocation: Invocation[CallerT, ConnectionT], connection: ConnectionT, now: float
    ) -> Deliver[CallerT, ConnectionT]:
        self._deliveries += 1
        invocation.phase = _RUNNING
        invocation.connection = connection
        invocation.nonce = f"{self._nonce_prefix}-{self._deliveries:x}"
        invocation.delivered_at = now
        invocation.wake_at = now + invocation.timeout_seconds
        if self._own_connection:
            self._running_on[connection] = invocation
        return _new(Deliver, (invocation, connection))

    def poll(self, connection: ConnectionT, now: float) -> Effects[CallerT, ConnectionT]:
        """A worker asks for an event."""
        effects: Effects[CallerT, ConnectionT] = ()
        if self.phase is _STARTING:
            self.phase = _READY
            self._slots.runtime_ready(now)
            effects = (BecomeReady(),)
        if self._own_connection:
            if connection not in self._slots.workers:
                self._slots.worker_seen(connection)
            abandoned = self._running_on.pop(connection, None)
            if abandoned is not None:
                effects = (*effects, *self._lose(abandoned))
        if self._held and self.phase is not _ENDED:
            return (*effects, self._deliver(self._held.popleft(), connection, now))
        if len(self._idle) >= MAX_IDLE_POLLS:
            return (*effects, RefusePoll(connection))
        self._idle[connection] = None
        if self._counts_units:
            self._slots.units_seen(len(self._idle) + len(self._invocations) - len(self._held))
        return effects

    def undelivered(self, invocation: Invocation[CallerT, ConnectionT], now: float) -> Effects[CallerT, ConnectionT]:
        """The poll that `Deliver` named had gone before a byte was written: the event finds another."""
        connection = invocation.connection
        assert connection is not None
        self._running_on.pop(connection, None)
        invocation.phase = _HELD
        effects = list(self.connection_lost(connection, now))
        if invocation.phase is _HELD:
            if self._idle:
                effects.append(self._deliver(invocation, self._idle.popitem(self._last_polled_first)[0], now))
            else:
                invocation.wake_at = now + self.settings.poll_wait_seconds
                self._held.appendleft(invocation)
        return tuple(effects)

    def connection_lost(self, connection: ConnectionT, now: float) -> Effects[CallerT, ConnectionT]:
        """A runtime's connection closed. Where a connection is a worker, its invocation has nobody any more."""
        was_polling = self._idle.pop(connection, False) is None
        if not self._own_connection:
            return ()
        invocation = self._running_on.pop(connection, None)
        self._slots.worker_lost(connection, now, may_return=not was_polling and invocation is None)
        if invocation is None:
            return ()
        if self.lingers:
            return self.fail(errors.EXIT_ERROR, errors.WITHOUT_A_REASON)
        return (*self._lose(invocation), *self._drained())

    def worker_lost(self, text: str) -> Effects[CallerT, ConnectionT]:
        """A worker is known to be dead whose poll may still be open (Node.js). An event given to that poll would abort
        the whole process, so the environment takes nothing more and is replaced.
        """
        if self.phase is not _READY:
            return ()
        return self._recycle(errors.EXIT_ERROR, text)

    # A runtime's posts

    def begin_response(self, invocation_id: str, nonce: str, *, streaming: bool) -> Verdict[CallerT, ConnectionT]:
        """The head of `/response` came. `nonce` is empty when the runtime does not send it back."""
        return self._begin(invocation_id, nonce, _STREAMING if streaming else _RESPONDING, (_RUNNING,))

    def begin_error(self, invocation_id: str, nonce: str) -> Verdict[CallerT, ConnectionT]:
        """The head of `/error` came. It may cut off an answer that is still streaming."""
        return self._begin(invocation_id, nonce, _RESPONDING, (_RUNNING, _STREAMING))

    def _begin(
        self, invocation_id: str, nonce: str, phase: InvocationPhase, before: Container[InvocationPhase]
    ) -> Verdict[CallerT, ConnectionT]:
        invocation = self._invocations.get(invocation_id)
        if invocation is None or invocation.phase not in before or (nonce and nonce != invocation.nonce):
            return self._reject(invocation_id, invocation, nonce)
        invocation.phase = phase
        return invocation

    def complete(self, invocation: Invocation[CallerT, ConnectionT]) -> bool:
        """`begin_response` and `finish`, of an answer that came whole and has no other consequence; else nothing."""
        if invocation.phase is not _RUNNING or self.phase is not _READY or self.lingers:
            return False
        invocation.phase = _OVER
        del self._invocations[invocation.invocation_id]
        self._running_on.pop(invocation.connection, None)  # type: ignore[arg-type]  # it has one
        return True

    def _reject(
        self, invocation_id: str, invocation: Invocation[CallerT, ConnectionT] | None, nonce: str
    ) -> Rejection[CallerT, ConnectionT]:
        if invocation is None:
            if self._late.take(invocation_id):
                return gone()
        elif nonce and nonce != invocation.nonce:
            return gone()
        elif invocation.phase is _TIMED_OUT:
            return self._give_back(invocation)
        return unknown_request()

    def finish(
        self, invocation: Invocation[CallerT, ConnectionT]
    ) -> Effects[CallerT, ConnectionT] | Rejection[CallerT, ConnectionT]:
        """The post that `begin_response` or `begin_error` accepted came to its end, good or bad; the shell answers the
        caller unless this is a `Rejection`: then the caller was answered while the body still came in.
        """
        phase = invocation.phase
        if phase is _TIMED_OUT:
            return self._give_back(invocation)
        if phase is _OVER:
            return unknown_request()
        self._forget(invocation)
        if self.lingers:
            invocation.phase = _LINGERING
            self._invocations[invocation.invocation_id] = invocation
        return () if self.phase is _READY else self._drained()

    def conclude(self) -> Effects[CallerT, ConnectionT]:
        """All extensions are back. The invocation they heard of is over once the runtime is back on its poll, too."""
        if not self._idle:
            return ()
        lingering = [one for one in self._invocations.values() if one.phase is _LINGERING]
        for invocation in lingering:
            self._forget(invocation)
        return (*(ReleaseSlot(invocation) for invocation in lingering), *self._drained())

    def _give_back(self, invocation: Invocation[CallerT, ConnectionT]) -> Rejection[CallerT, ConnectionT]:
        """A handler that outlived its timeout has ended."""
        self._forget(invocation)
        return gone((ReleaseSlot(invocation), *self._drained()))

    def _forget(self, invocation: Invocation[CallerT, ConnectionT]) -> None:
        self._invocations.pop(invocation.invocation_id, None)
        invocation.phase = _OVER
        connection = invocation.connection
        if self._own_connection and connection is not None and self._running_on.get(connection) is invocation:
            del self._running_on[connection]

    def _lose(self, invocation: Invocation[CallerT, ConnectionT]) -> Effects[CallerT, ConnectionT]:
        """The worker that had it is gone or has moved on without a word."""
        answered = invocation.phase is _TIMED_OUT
        self._forget(invocation)
        self._late.remember(invocation.invocation_id)
        if answered:
            return (ReleaseSlot(invocation),)
        return (Fail(invocation, errors.EXIT_ERROR, errors.WITHOUT_A_REASON),)

    # Time

    def expire(self, now: float) -> Effects[CallerT, ConnectionT]:
        """Everything whose time is up."""
        if self.phase is _STARTING:
            return self.fail(errors.TIMED_OUT, TIMEOUT_TEXT) if self.init.is_due(now) else ()
        self._slots.settle(now)
        effects: list[Effect[CallerT, ConnectionT]] = []
        leaking = False
        for invocation in [one for one in self._invocations.values() if one.wake_at <= now]:
            phase = invocation.phase
            if phase is _HELD:
                self._held.remove(invocation)
                self._forget(invocation)
                effects.append(Refuse(invocation.caller, errors.UNAVAILABLE))
            elif phase is _TIMED_OUT:
                invocation.wake_at = now + self.settings.leaked_seconds
                leaking = True
            elif phase is _LINGERING:
                effects.extend(self.fail(errors.TIMED_OUT, errors.timeout_message(invocation.timeout_seconds)))
            else:
                effects.extend(self._time_out(invocation, now))
        effects.extend(self._drained())
        if leaking and self.phase is _READY and self._leaked() >= self._slots.count:
            effects.extend(self._recycle(errors.TIMED_OUT, "Handlers that outlived their timeout hold every slot."))
        return tuple(effects)

    def _time_out(self, invocation: Invocation[CallerT, ConnectionT], now: float) -> Effects[CallerT, ConnectionT]:
        """The caller is answered; the handler keeps its slot until it posts, or ends with its environment."""
        invocation.phase = _TIMED_OUT
        invocation.wake_at = now + self.settings.leaked_seconds
        failed = Fail(invocation, errors.TIMED_OUT, errors.timeout_message(invocation.timeout_seconds))
        return (failed, *self.fail(failed.error_type, failed.message)) if self.ends_on_timeout else (failed,)

    # Ends

    def drain(self) -> Effects[CallerT, ConnectionT]:
        """Finish what is in flight, take nothing more. A drain before init ends the environment at once."""
        if self.phase is _STARTING:
            self.phase = _ENDED
            return (End(None),)
        if self.phase is _READY:
            self.phase = _DRAINING
        return self._drained()

    def _recycle(self, error_type: str, text: str) -> Effects[CallerT, ConnectionT]:
        self.failure = Failure(error_type, errors.reason_code(error_type, init=False), text, init=False)
        self.phase = _DRAINING
        effects: list[Effect[CallerT, ConnectionT]] = [BeginRecycling()]
        while self._held:
            invocation = self._held.popleft()
            self._forget(invocation)
            effects.append(Refuse(invocation.caller, errors.UNHEALTHY))
        return (*effects, *self._drained())

    def _leaked(self) -> int:
        return sum(invocation.phase is _TIMED_OUT for invocation in self._invocations.values())

    def _drained(self) -> Effects[CallerT, ConnectionT]:
        """Draining is over when nobody waits for an answer; handlers that outlived their timeout are not waited for."""
        if self.phase is not _DRAINING or self._leaked() < self.in_flight:
            return ()
        return self._end(errors.SHUT_DOWN, "", self.failure)

    def stop(self) -> Effects[CallerT, ConnectionT]:
        """End at once; whoever waits is answered first."""
        if self.phase is _ENDED:
            return ()
        return self._end(errors.SHUT_DOWN, "The execution environment was shut down", self.failure)

    def fail(self, error_type: str, text: str) -> Effects[CallerT, ConnectionT]:
        """It cannot go on, or could not begin: the process is gone, memory ran out, the code could not be had."""
        if self.phase is _ENDED:
            return ()
        if self.phase is _STARTING:
            failure = self.init.failure(error_type, text)
            return self._end(failure.error_type, failure.text, failure)
        failure = self.failure or Failure(error_type, errors.reason_code(error_type, init=False), text, init=False)
        return self._end(error_type, text, failure)

    def _end(self, error_type: str, text: str, failure: Failure | None) -> Effects[CallerT, ConnectionT]:
        self.phase = _ENDED
        self.failure = failure
        self._held.clear()
        self._idle.clear()
        effects = at_the_end(self._invocations.values(), error_type, text)
        for invocation in list(self._invocations.values()):
            self._forget(invocation)
        return (*effects, End(failure))
