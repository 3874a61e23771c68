from __future__ import annotations

from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.core.lifecycle import (
    CAPACITY_PROVIDER,
    ENVIRONMENT,
    FUNCTION_VERSION,
    INSTANCE,
    MACHINES,
    CapacityProviderEvent,
    EnvironmentEvent,
    FunctionVersionEvent,
    InstanceEvent,
    Machine,
    TransitionRefused,
)
from paddock.model.states import CapacityProviderState, EnvironmentPhase, FunctionState, InstancePhase

AnyMachine = Machine[StrEnum, StrEnum]

VOCABULARY: dict[str, tuple[type[StrEnum], type[StrEnum]]] = {
    "capacity provider": (CapacityProviderState, CapacityProviderEvent),
    "function version": (FunctionState, FunctionVersionEvent),
    "instance": (InstancePhase, InstanceEvent),
    "execution environment": (EnvironmentPhase, EnvironmentEvent),
}
# States that these events never lead to: `$LATEST` is always ActiveNonInvocable, and only
# default Lambda falls idle.
ELSEWHERE = {FunctionState.INACTIVE, FunctionState.ACTIVE_NON_INVOCABLE}

each_machine = pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)


@pytest.mark.parametrize(
    ("machine", "state", "event", "following"),
    [
        (CAPACITY_PROVIDER, CapacityProviderState.ACTIVE, CapacityProviderEvent.UPDATE_REQUESTED, "Pending"),
        (CAPACITY_PROVIDER, CapacityProviderState.DELETING, CapacityProviderEvent.INSTANCES_GONE, None),
        (FUNCTION_VERSION, FunctionState.PENDING, FunctionVersionEvent.REVISION_SERVED, "Active"),
        (FUNCTION_VERSION, FunctionState.ACTIVE, FunctionVersionEvent.REVISION_FAILED, "Active"),
        (FUNCTION_VERSION, FunctionState.PENDING, FunctionVersionEvent.REVISION_FAILED, "Failed"),
        (FUNCTION_VERSION, FunctionState.DEACTIVATING, FunctionVersionEvent.DRAINED, "Deactivated"),
        (FUNCTION_VERSION, FunctionState.DEACTIVATED, FunctionVersionEvent.REACTIVATION_REQUESTED, "Pending"),
        (FUNCTION_VERSION, FunctionState.DELETING, FunctionVersionEvent.DRAINED, None),
        (INSTANCE, InstancePhase.LOST, InstanceEvent.AGENT_REPORTED, "lost"),
        (INSTANCE, InstancePhase.STOPPING, InstanceEvent.CONFIRMED_GONE, "terminated"),
        (ENVIRONMENT, EnvironmentPhase.ASSIGNED, EnvironmentEvent.INIT_COMPLETED, "ready"),
        (ENVIRONMENT, EnvironmentPhase.DRAINING, EnvironmentEvent.INIT_COMPLETED, "draining"),
    ],
)
def test_a_listed_transition_is_taken(
    machine: AnyMachine, state: StrEnum, event: StrEnum, following: str | None
) -> None:
    assert machine.allows(state, event)
    assert machine.next(state, event) == following


@each_machine
def test_what_is_not_listed_is_refused_with_what_it_was(machine: AnyMachine) -> None:
    states, events = VOCABULARY[machine.name]
    unlisted = [(s, e) for s in states for e in events if (s, e) not in machine.transitions]
    for state, event in unlisted:
        assert not machine.allows(state, event)
        with pytest.raises(TransitionRefused) as refused:
            machine.next(state, event)
        assert (refused.value.machine, refused.value.state, refused.value.event) == (machine.name, state, event)
        assert event.value in str(refused.value)


@each_machine
def test_every_state_can_be_reached_and_every_event_is_used(machine: AnyMachine) -> None:
    states, events = VOCABULARY[machine.name]
    reached: set[StrEnum] = {machine.initial}
    for _ in states:
        reached |= {to for (source, _), to in machine.transitions.items() if source in reached and to is not None}

    assert reached == set(states) - ELSEWHERE
    assert {event for _, event in machine.transitions} == set(events)


@each_machine
def test_from_every_state_there_is_a_way_to_an_end(machine: AnyMachine) -> None:
    """An end is nothing at all, or a state that no event leaves."""
    ending: set[StrEnum | None] = {None}
    ending |= {
        state
        for state in VOCABULARY[machine.name][0]
        if all(to == state for (source, _), to in machine.transitions.items() if source == state)
    }
    for _ in machine.transitions:
        ending |= {source for (source, _), to in machine.transitions.items() if to in ending}

    assert {source for source, _ in machine.transitions} <= ending


@given(events=st.lists(st.sampled_from(list(InstanceEvent)), max_size=12))
def test_an_instance_that_was_lost_or_stopped_never_runs_again(events: list[InstanceEvent]) -> None:
    phase: InstancePhase = INSTANCE.initial
    gone = False
    for event in events:
        following = INSTANCE.next(phase, event) if INSTANCE.allows(phase, event) else phase
        assert following is not None
        phase = following
        gone = gone or phase in {InstancePhase.LOST, InstancePhase.STOPPING, InstancePhase.TERMINATED}
        assert not (gone and phase is InstancePhase.RUNNING)


@each_machine
def test_a_diagram_shows_every_transition_once(machine: AnyMachine) -> None:
    drawn = machine.diagram()

    assert drawn.startswith(f"stateDiagram-v2\n    [*] --> {machine.initial}\n")
    shown = [event.strip() for line in drawn.splitlines()[2:] for event in line.partition(": ")[2].split(",")]
    assert sorted(shown) == sorted(event.value for _, event in machine.transitions)


def test_there_is_a_vocabulary_for_each_machine() -> None:
    assert [machine.name for machine in MACHINES] == list(VOCABULARY)
