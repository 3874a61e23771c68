"""Which state may follow which: one table each for capacity provider, function version, instance and environment.

A transition that is not listed is refused. The diagrams in docs/reference/states.md are made from these tables.
Nothing here knows when an event happens or what it causes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from paddock.model.states import CapacityProviderState, EnvironmentPhase, FunctionState, InstancePhase

StateT = TypeVar("StateT", bound=StrEnum)
EventT = TypeVar("EventT", bound=StrEnum)


class CapacityProviderEvent(StrEnum):
    VALIDATED = "validated"
    REFUSED = "refused"
    UPDATE_REQUESTED = "update requested"
    DELETE_REQUESTED = "delete requested"
    INSTANCES_GONE = "instances gone"


class FunctionVersionEvent(StrEnum):
    REVISION_SERVED = "revision served"
    REVISION_FAILED = "revision failed"
    REPUBLISHED = "republished"
    DEACTIVATION_REQUESTED = "Min = Max = 0 put"
    DRAINED = "drained"
    REACTIVATION_REQUESTED = "non-zero scaling put"
    DELETE_REQUESTED = "delete requested"


class InstanceEvent(StrEnum):
    AGENT_REPORTED = "agent reported"
    LEASE_EXPIRED = "lease expired"
    LAUNCH_FAILED = "launch failed"
    TERMINATION_REQUESTED = "termination requested"
    CONFIRMED_GONE = "confirmed gone"


class EnvironmentEvent(StrEnum):
    INIT_BEGAN = "init began"
    INIT_COMPLETED = "init completed"
    DRAIN_REQUESTED = "drain requested"
    PROCESSES_GONE = "processes gone"


class TransitionRefused(Exception):
    """An event that the state does not allow. `machine`, `state` and `event` are for the caller's own error."""

    def __init__(self, machine: str, state: StrEnum, event: StrEnum) -> None:
        super().__init__(f"{machine}: {event.value!r} is not possible in state {state.value!r}")
        self.machine = machine
        self.state = state
        self.event = event


@dataclass(frozen=True, slots=True)
class Machine(Generic[StateT, EventT]):
    """`transitions` to None end the thing's life: nothing is stored of it any more."""

    name: str
    initial: StateT
    transitions: Mapping[tuple[StateT, EventT], StateT | None]

    def next(self, state: StateT, event: EventT) -> StateT | None:
        """Raises `TransitionRefused` for what the table does not list."""
        if (state, event) not in self.transitions:
            raise TransitionRefused(self.name, state, event)
        return self.transitions[state, event]

    def allows(self, state: StateT, event: EventT) -> bool:
        return (state, event) in self.transitions

    def diagram(self) -> str:
        """A mermaid state diagram; transitions between the same two states share an arrow."""
        arrows: dict[tuple[str, str], list[str]] = {}
        for (state, event), following in self.transitions.items():
            arrows.setdefault((state.value, _END if following is None else following.value), []).append(event.value)
        lines = ["stateDiagram-v2", f"    [*] --> {self.initial.value}"]
        lines += [f"    {source} --> {target}: {', '.join(events)}" for (source, target), events in arrows.items()]
        return "\n".join(lines) + "\n"


_END = "[*]"

_CP = CapacityProviderState
_CPE = CapacityProviderEvent
CAPACITY_PROVIDER = Machine(
    name="capacity provider",
    initial=_CP.PENDING,
    transitions={
        (_CP.PENDING, _CPE.VALIDATED): _CP.ACTIVE,
        (_CP.PENDING, _CPE.REFUSED): _CP.FAILED,
        (_CP.PENDING, _CPE.DELETE_REQUESTED): _CP.DELETING,
        # Seen on AWS: an update passes through Pending again (Terraform waits for it).
        (_CP.ACTIVE, _CPE.UPDATE_REQUESTED): _CP.PENDING,
        (_CP.ACTIVE, _CPE.DELETE_REQUESTED): _CP.DELETING,
        (_CP.FAILED, _CPE.DELETE_REQUESTED): _CP.DELETING,
        (_CP.DELETING, _CPE.INSTANCES_GONE): None,
    },
)

_FS = FunctionState
_FE = FunctionVersionEvent
FUNCTION_VERSION = Machine(
    name="function version",
    initial=_FS.PENDING,
    transitions={
        (_FS.PENDING, _FE.REVISION_SERVED): _FS.ACTIVE,
        (_FS.PENDING, _FE.REVISION_FAILED): _FS.FAILED,
        (_FS.PENDING, _FE.REPUBLISHED): _FS.PENDING,
        (_FS.PENDING, _FE.DEACTIVATION_REQUESTED): _FS.DEACTIVATING,
        (_FS.PENDING, _FE.DELETE_REQUESTED): _FS.DELETING,
        # A republish leaves the version Active; its progress is LastUpdateStatus.
        (_FS.ACTIVE, _FE.REPUBLISHED): _FS.ACTIVE,
        (_FS.ACTIVE, _FE.REVISION_SERVED): _FS.ACTIVE,
        (_FS.ACTIVE, _FE.REVISION_FAILED): _FS.ACTIVE,
        (_FS.ACTIVE, _FE.DEACTIVATION_REQUESTED): _FS.DEACTIVATING,
        (_FS.ACTIVE, _FE.DELETE_REQUESTED): _FS.DELETING,
        (_FS.FAILED, _FE.REPUBLISHED): _FS.PENDING,
        (_FS.FAILED, _FE.DELETE_REQUESTED): _FS.DELETING,
        (_FS.DEACTIVATING, _FE.DRAINED): _FS.DEACTIVATED,
        (_FS.DEACTIVATING, _FE.REACTIVATION_REQUESTED): _FS.PENDING,
        (_FS.DEACTIVATING, _FE.DELETE_REQUESTED): _FS.DELETING,
        (_FS.DEACTIVATED, _FE.REACTIVATION_REQUESTED): _FS.PENDING,
        (_FS.DEACTIVATED, _FE.REPUBLISHED): _FS.DEACTIVATED,
        (_FS.DEACTIVATED, _FE.DELETE_REQUESTED): _FS.DELETING,
        (_FS.DELETING, _FE.DRAINED): None,
    },
)

_IP = InstancePhase
_IE = InstanceEvent
INSTANCE = Machine(
    name="instance",
    initial=_IP.PENDING,
    transitions={
        (_IP.PENDING, _IE.AGENT_REPORTED): _IP.RUNNING,
        # A launcher may say "failed" of a launch that went through after all: it is ended like any other.
        (_IP.PENDING, _IE.LAUNCH_FAILED): _IP.STOPPING,
        (_IP.PENDING, _IE.LEASE_EXPIRED): _IP.LOST,
        (_IP.PENDING, _IE.TERMINATION_REQUESTED): _IP.STOPPING,
        (_IP.PENDING, _IE.CONFIRMED_GONE): _IP.TERMINATED,
        (_IP.RUNNING, _IE.AGENT_REPORTED): _IP.RUNNING,
        (_IP.RUNNING, _IE.LEASE_EXPIRED): _IP.LOST,
        (_IP.RUNNING, _IE.TERMINATION_REQUESTED): _IP.STOPPING,
        (_IP.RUNNING, _IE.CONFIRMED_GONE): _IP.TERMINATED,
        # Late reports come from processes that are about to end; they bring nothing back.
        (_IP.STOPPING, _IE.AGENT_REPORTED): _IP.STOPPING,
        (_IP.STOPPING, _IE.LEASE_EXPIRED): _IP.STOPPING,
        (_IP.STOPPING, _IE.TERMINATION_REQUESTED): _IP.STOPPING,
        (_IP.STOPPING, _IE.CONFIRMED_GONE): _IP.TERMINATED,
        # The agent fences itself when its lease is gone, so a lost instance is never taken back.
        (_IP.LOST, _IE.AGENT_REPORTED): _IP.LOST,
        (_IP.LOST, _IE.LEASE_EXPIRED): _IP.LOST,
        (_IP.LOST, _IE.TERMINATION_REQUESTED): _IP.STOPPING,
        (_IP.LOST, _IE.CONFIRMED_GONE): _IP.TERMINATED,
        (_IP.TERMINATED, _IE.AGENT_REPORTED): _IP.TERMINATED,
        (_IP.TERMINATED, _IE.LEASE_EXPIRED): _IP.TERMINATED,
        (_IP.TERMINATED, _IE.TERMINATION_REQUESTED): _IP.TERMINATED,
        (_IP.TERMINATED, _IE.CONFIRMED_GONE): _IP.TERMINATED,
    },
)

_EP = EnvironmentPhase
_EE = EnvironmentEvent
ENVIRONMENT = Machine(
    name="execution environment",
    initial=_EP.ASSIGNED,
    transitions={
        (_EP.ASSIGNED, _EE.INIT_BEGAN): _EP.STARTING,
        # Reports may be missed in between: what is seen last is what is.
        (_EP.ASSIGNED, _EE.INIT_COMPLETED): _EP.READY,
        (_EP.ASSIGNED, _EE.DRAIN_REQUESTED): _EP.DRAINING,
        (_EP.ASSIGNED, _EE.PROCESSES_GONE): _EP.ENDED,
        (_EP.STARTING, _EE.INIT_COMPLETED): _EP.READY,
        (_EP.STARTING, _EE.DRAIN_REQUESTED): _EP.DRAINING,
        (_EP.STARTING, _EE.PROCESSES_GONE): _EP.ENDED,
        (_EP.READY, _EE.DRAIN_REQUESTED): _EP.DRAINING,
        (_EP.READY, _EE.PROCESSES_GONE): _EP.ENDED,
        # A drained environment takes no more work, whatever is reported late.
        (_EP.DRAINING, _EE.INIT_COMPLETED): _EP.DRAINING,
        (_EP.DRAINING, _EE.DRAIN_REQUESTED): _EP.DRAINING,
        (_EP.DRAINING, _EE.PROCESSES_GONE): _EP.ENDED,
    },
)

MACHINES = (CAPACITY_PROVIDER, FUNCTION_VERSION, INSTANCE, ENVIRONMENT)
