"""What the simulated parts say of one another: a function's behaviour, an invocation, what an agent reports."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from paddock.model.fleet import EnvironmentAssignment, EnvironmentFailure
from paddock.model.ids import EnvironmentId, FunctionVersionKey, InstanceId
from paddock.model.states import EnvironmentPhase


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How one publish of a function behaves. Times in seconds; a pair is a range.

    `hangs` and `crashes` are shares of the invocations: handlers that never return or that end their environment.
    `cpu_share` is how much of a vCPU an invocation uses while it runs.
    """

    init: tuple[float, float] = (0.5, 3.0)
    duration: tuple[float, float] = (0.5, 8.0)
    timeout: float = 30.0
    init_fails: bool = False
    hangs: float = 0.0
    crashes: float = 0.0
    cpu_share: float = 0.05


class Outcome(StrEnum):
    """How a call ended for its caller. LOST: the environment, its instance or the server went away under it."""

    ANSWERED = "answered"
    FUNCTION_ERROR = "function error"
    TIMED_OUT = "timed out"
    THROTTLED = "throttled"
    LOST = "lost"


@dataclass(slots=True)
class SimulatedInvocation:
    """`started` counts the environments it was ever given to; a synchronous one is given to one at most."""

    invocation_id: str
    key: FunctionVersionKey
    asynchronous: bool
    at: float
    outcome: Outcome | None = None
    environment_id: EnvironmentId | None = None
    started: int = 0
    answers: int = 0
    ran_on: list[EnvironmentId] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class EnvironmentState:
    """One environment in an agent's report."""

    environment_id: EnvironmentId
    phase: EnvironmentPhase
    in_flight: int = 0
    slots: int = 0
    cpu_utilization: float = 0.0
    failure: EnvironmentFailure | None = None


@dataclass(frozen=True, slots=True)
class AgentReport:
    instance_id: InstanceId
    generation: int
    environments: tuple[EnvironmentState, ...]


@dataclass(frozen=True, slots=True)
class Configuration:
    """The whole of what an instance should run."""

    generation: int
    environments: tuple[EnvironmentAssignment, ...]
