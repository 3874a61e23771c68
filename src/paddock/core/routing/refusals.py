"""Why a version cannot be invoked whatever the load, in AWS's words where they are known."""

from __future__ import annotations

from typing import NamedTuple

from paddock.model.errors import ApiError
from paddock.model.states import FunctionState


class Refusal(NamedTuple):
    code: str
    text: str
    status: int

    def error(self) -> ApiError:
        return ApiError(self.code, self.text, status=self.status, members={"Type": "User"})


LATEST_IS_NOT_INVOCABLE = Refusal(
    "InvalidParameterValueException",
    "Functions configured with capacity provider configuration can't be invoked with $LATEST qualifier. "
    "To invoke this function, specify a published version qualifier or $LATEST.PUBLISHED.",
    400,
)
NOTHING_IS_PUBLISHED = Refusal(
    "NoPublishedVersionException",
    "The function can't be invoked because no published version exists. For functions with capacity provider "
    "configuration, either publish a version to $LATEST.PUBLISHED, or specify a published version qualifier.",
    400,
)
TAIL_LOGS_ARE_NOT_SUPPORTED = Refusal(
    "InvalidParameterValueException",
    "Tail logs are not supported for functions configured with capacity provider",
    400,
)

_MAY_COME_BACK = frozenset({FunctionState.INACTIVE, FunctionState.DEACTIVATING, FunctionState.DEACTIVATED})


def refusal_of_state(state: FunctionState) -> Refusal | None:
    """What an invoke of a version in this state is told; None when it may be invoked.

    The text is AWS's for a Pending function. What the other states answer on managed instances is not documented: those
    that a change of the scaling config can end are "not ready" (502), the rest a conflict (409).
    """
    if state is FunctionState.ACTIVE:
        return None
    if state is FunctionState.ACTIVE_NON_INVOCABLE:
        return LATEST_IS_NOT_INVOCABLE
    text = (
        "The operation cannot be performed at this time. "
        f"The function is currently in the following state: {state.value}"
    )
    if state in _MAY_COME_BACK:
        return Refusal("ResourceNotReadyException", text, 502)
    return Refusal("ResourceConflictException", text, 409)
