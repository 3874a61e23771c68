"""AWS's words are held against AWS's own service model, so that a new botocore tells what has changed."""

from __future__ import annotations

from enum import StrEnum

import botocore.session
import pytest

from paddock.model.states import (
    CapacityProviderState,
    EnvironmentPhase,
    FunctionState,
    InstancePhase,
    LastUpdateStatus,
    StateReasonCode,
)

LAMBDA = botocore.session.get_session().get_service_model("lambda")

# AWS was recorded to answer it while a version is republished; no botocore lists it.
SEEN_BUT_NOT_MODELLED = {"Updating"}


def modelled(shape: str) -> set[str]:
    return set(LAMBDA.shape_for(shape).enum)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("ours", "shape"),
    [
        (CapacityProviderState, "CapacityProviderState"),
        (FunctionState, "State"),
        (LastUpdateStatus, "LastUpdateStatus"),
    ],
)
def test_states_are_those_of_the_service_model_no_more_and_no_fewer(ours: type[StrEnum], shape: str) -> None:
    assert {state.value for state in ours} == modelled(shape)


def test_every_reason_code_we_give_is_one_of_awss() -> None:
    assert {code.value for code in StateReasonCode} - modelled("StateReasonCode") == SEEN_BUT_NOT_MODELLED


def test_codes_of_a_failed_update_are_known_for_updates_too() -> None:
    only_of_states = {StateReasonCode.IDLE, StateReasonCode.CREATING, StateReasonCode.RESTORING}

    unknown = {code.value for code in StateReasonCode} - modelled("LastUpdateStatusReasonCode")
    assert unknown == only_of_states | SEEN_BUT_NOT_MODELLED


@pytest.mark.parametrize("phases", [InstancePhase, EnvironmentPhase])
def test_phases_are_our_own_words_in_lower_case(phases: type[StrEnum]) -> None:
    assert all(phase.value == phase.name.lower() for phase in phases)
