"""Each state that cannot be invoked has its error."""

from __future__ import annotations

import pytest

from paddock.core.routing.refusals import NOTHING_IS_PUBLISHED, refusal_of_state
from paddock.model.states import FunctionState


@pytest.mark.parametrize(
    ("state", "code", "status"),
    [
        (FunctionState.PENDING, "ResourceConflictException", 409),
        (FunctionState.FAILED, "ResourceConflictException", 409),
        (FunctionState.DELETING, "ResourceConflictException", 409),
        (FunctionState.INACTIVE, "ResourceNotReadyException", 502),
        (FunctionState.DEACTIVATING, "ResourceNotReadyException", 502),
        (FunctionState.DEACTIVATED, "ResourceNotReadyException", 502),
        (FunctionState.ACTIVE_NON_INVOCABLE, "InvalidParameterValueException", 400),
    ],
)
def test_each_state_that_cannot_be_invoked_has_its_error(state: FunctionState, code: str, status: int) -> None:
    refusal = refusal_of_state(state)

    assert refusal is not None
    assert (refusal.code, refusal.status) == (code, status)
    assert refusal.error().code == code


def test_an_active_version_is_not_refused() -> None:
    assert refusal_of_state(FunctionState.ACTIVE) is None


def test_the_text_names_the_state() -> None:
    refusal = refusal_of_state(FunctionState.PENDING)

    assert refusal is not None
    assert refusal.text == (
        "The operation cannot be performed at this time. The function is currently in the following state: Pending"
    )


def test_a_refusal_becomes_an_error_of_the_api() -> None:
    error = NOTHING_IS_PUBLISHED.error()

    assert (error.code, error.status) == ("NoPublishedVersionException", 400)
    assert error.message == NOTHING_IS_PUBLISHED.text
