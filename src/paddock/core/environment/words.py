"""The words of one execution environment: what is in flight in it, and what the shell is told to do.

Connections and callers are the shell's own; here they are only kept and handed back.
"""

from __future__ import annotations

from collections.abc import Hashable
from enum import Enum, IntEnum
from typing import Generic, NamedTuple, TypeVar

from paddock.model.states import StateReasonCode

CallerT = TypeVar("CallerT")
ConnectionT = TypeVar("ConnectionT", bound=Hashable)


class RuntimeWorkers(Enum):
    """How a runtime's workers hold their polls, which decides what an open or closed connection means.

    OWN_CONNECTION: one connection, one poll and one invocation for each worker (Python's processes, Java's threads), so
    a closed connection is a dead worker. MULTIPLEXED: a worker polls again while it still runs earlier events (Node.js,
    .NET), so an open poll is no proof of room. UNKNOWN: a custom runtime; its connections come from a pool and prove
    nothing.
    """

    OWN_CONNECTION = "own connection"
    MULTIPLEXED = "multiplexed"
    UNKNOWN = "unknown"


def runtime_workers(runtime: str) -> RuntimeWorkers:
    if runtime.startswith(("python", "java")):
        return RuntimeWorkers.OWN_CONNECTION
    if runtime.startswith(("nodejs", "dotnet")):
        return RuntimeWorkers.MULTIPLEXED
    return RuntimeWorkers.UNKNOWN


class InvocationPhase(IntEnum):
    """HELD: waits for a poll. RUNNING: a runtime has it. RESPONDING, STREAMING: its answer is coming in. TIMED_OUT: the
    caller was answered and the handler still runs. LINGERING: answered, and extensions still have it. OVER: nothing is
    kept of it.
    """

    HELD = 1
    RUNNING = 2
    RESPONDING = 3
    STREAMING = 4
    TIMED_OUT = 5
    LINGERING = 6
    OVER = 7


class Invocation(Generic[CallerT, ConnectionT]):
    """One event and the slot it takes. Changed by the machine only; `wake_at` is when something must happen to it."""

    __slots__ = (
        "caller",
        "connection",
        "delivered_at",
        "invocation_id",
        "nonce",
        "phase",
        "timeout_seconds",
        "wake_at",
    )

    def __init__(self, invocation_id: str, caller: CallerT, timeout_seconds: float) -> None:
        self.invocation_id = invocation_id
        self.caller = caller
        self.timeout_seconds = timeout_seconds
        self.phase = InvocationPhase.HELD
        self.connection: ConnectionT | None = None
        self.nonce = ""
        self.wake_at = 0.0
        self.delivered_at = 0.0


class Failure(NamedTuple):
    """Why an environment ended without being told to; `init` when it never became ready."""

    error_type: str
    reason_code: StateReasonCode
    text: str
    init: bool


class Deliver(NamedTuple, Generic[CallerT, ConnectionT]):
    """Answer the poll of `connection` with this event."""

    invocation: Invocation[CallerT, ConnectionT]
    connection: ConnectionT


class Hold(NamedTuple):
    """A slot is free and its worker not yet back on its poll: nothing to do but to wait."""


class Refuse(NamedTuple, Generic[CallerT]):
    """Nothing was started; the caller may try another environment."""

    caller: CallerT
    error_type: str


class Fail(NamedTuple, Generic[CallerT, ConnectionT]):
    """Answer the caller with an error of the platform's making. The slot is held on while the phase is TIMED_OUT."""

    invocation: Invocation[CallerT, ConnectionT]
    error_type: str
    message: str


class ReleaseSlot(NamedTuple, Generic[CallerT, ConnectionT]):
    """A slot that outlived its call is free. `error_type` is empty, or how the environment ended."""

    invocation: Invocation[CallerT, ConnectionT]
    error_type: str = ""


class BecomeReady(NamedTuple):
    """The first poll came: init is over."""


class BeginRecycling(NamedTuple):
    """The environment is of no use any more: it finishes what is in flight and is replaced."""


class RefusePoll(NamedTuple, Generic[ConnectionT]):
    """More polls are open than any runtime has reason to open."""

    connection: ConnectionT


class End(NamedTuple):
    """Stop every process of the environment and report it ended."""

    failure: Failure | None


class Rejection(NamedTuple, Generic[CallerT, ConnectionT]):
    """What a runtime's post is answered with when it is not accepted."""

    status: int
    error_type: str
    message: str
    effects: tuple[Effect[CallerT, ConnectionT], ...] = ()


Effect = (
    Deliver[CallerT, ConnectionT]
    | Refuse[CallerT]
    | Fail[CallerT, ConnectionT]
    | ReleaseSlot[CallerT, ConnectionT]
    | BecomeReady
    | BeginRecycling
    | RefusePoll[ConnectionT]
    | End
)
Effects = tuple[Effect[CallerT, ConnectionT], ...]
Verdict = Invocation[CallerT, ConnectionT] | Rejection[CallerT, ConnectionT]
Admission = Deliver[CallerT, ConnectionT] | Hold | Refuse[CallerT]


def unknown_request() -> Rejection[CallerT, ConnectionT]:
    return Rejection(400, "InvalidRequestID", "Invalid request ID")


def gone(effects: Effects[CallerT, ConnectionT] = ()) -> Rejection[CallerT, ConnectionT]:
    """The post comes too late, or belongs to another delivery."""
    return Rejection(410, "InvokeTimeout", "Invoke timeout", effects)
