"""PutFunctionScalingConfig and GetFunctionScalingConfig: what a version's minimum and maximum should be, and are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from paddock.controlplane.api import Answer, Api, Call, Operation
from paddock.controlplane.functions import tell
from paddock.controlplane.publishing import CREATING
from paddock.core.lifecycle import FUNCTION_VERSION, FunctionVersionEvent
from paddock.model.errors import access_denied, conflict, invalid_parameter
from paddock.model.fleet import ScalingBounds
from paddock.model.function import NOTHING_TO_TELL, FunctionVersion
from paddock.model.ids import LATEST, FunctionVersionKey
from paddock.model.states import FunctionState, LastUpdateStatus
from paddock.ports.store import Transaction

_SETTLED = frozenset({FunctionState.ACTIVE, FunctionState.DEACTIVATING, FunctionState.DEACTIVATED})


async def put_function_scaling_config(api: Api, call: Call) -> Answer:
    name, qualifier = api.function(call, qualifier=call.params["Qualifier"])
    bounds = _bounds(call.params.get("FunctionScalingConfig"))

    def put(tx: Transaction) -> FunctionVersion:
        # asked before which version it is: default Lambda has no `$LATEST.PUBLISHED` that could be looked for
        latest = tx.versions.get(FunctionVersionKey(name, LATEST))
        if latest is not None and latest.configuration.on_demand:
            raise access_denied("The function provided by the arn does not contain a capacity provider configuration")
        version = api.version(tx, name, qualifier)
        if version.state not in _SETTLED or version.publish_is_under_way:
            raise conflict(
                "The operation cannot be performed at this time. "
                f"The function is currently in the following state: {_shown_state(version)}"
            )
        changed = replace(
            _moved(version, bounds or ScalingBounds(), call.now), revision_id=api.ids.uuid(), last_modified=call.now
        )
        changed = replace(
            changed,
            requested_scaling=bounds,
            applied_scaling=None if bounds is None else version.applied_scaling,
        )
        tx.versions.put(changed)
        return changed

    changed = await api.store.write(put)
    await tell(api, changed)
    return {"FunctionState": changed.state.value}


async def get_function_scaling_config(api: Api, call: Call) -> Answer:
    name, qualifier = api.function(call, qualifier=call.params["Qualifier"])
    version = await api.store.read(lambda tx: api.version(tx, name, qualifier))
    answer: dict[str, Any] = {"FunctionArn": api.place.function_arn(name, version.version)}
    if version.applied_scaling is not None:
        answer["AppliedFunctionScalingConfig"] = _shown(version.applied_scaling)
    if version.requested_scaling is not None:
        answer["RequestedFunctionScalingConfig"] = _shown(version.requested_scaling)
    return answer


def _bounds(given: Mapping[str, Any] | None) -> ScalingBounds | None:
    """None for a reset. What is left out of a config returns to its default."""
    if not given or all(value is None for value in given.values()):
        return None
    default = ScalingBounds()
    minimum = given.get("MinExecutionEnvironments")
    bounds = ScalingBounds(default.minimum if minimum is None else minimum, given.get("MaxExecutionEnvironments"))
    if bounds.maximum is not None and bounds.minimum > bounds.maximum:
        raise invalid_parameter(
            f"MinExecutionEnvironments ({bounds.minimum}) must not be greater than MaxExecutionEnvironments "
            f"({bounds.maximum})."
            + (" MinExecutionEnvironments is 3 where it is not specified." if minimum is None else "")
        )
    if bounds.minimum == 0 and bounds.maximum != 0:
        raise invalid_parameter(
            "MinExecutionEnvironments can be 0 only when MaxExecutionEnvironments is 0, which deactivates the version."
        )
    return bounds


def _moved(version: FunctionVersion, bounds: ScalingBounds, now: datetime) -> FunctionVersion:
    """Min = Max = 0 deactivates; anything else brings a deactivated version back."""
    if bounds.deactivates:
        if not FUNCTION_VERSION.allows(version.state, FunctionVersionEvent.DEACTIVATION_REQUESTED):
            return version
        state = FUNCTION_VERSION.next(version.state, FunctionVersionEvent.DEACTIVATION_REQUESTED)
        assert state is not None
        return replace(version, state=state, state_status=NOTHING_TO_TELL)
    if not FUNCTION_VERSION.allows(version.state, FunctionVersionEvent.REACTIVATION_REQUESTED):
        return version
    state = FUNCTION_VERSION.next(version.state, FunctionVersionEvent.REACTIVATION_REQUESTED)
    assert state is not None
    return replace(version, state=state, state_status=CREATING, serving=None, published_at=now)


def _shown_state(version: FunctionVersion) -> str:
    if version.last_update_status is LastUpdateStatus.IN_PROGRESS:
        return "Updating"
    return version.state.value


def _shown(bounds: ScalingBounds) -> dict[str, int]:
    shown = {"MinExecutionEnvironments": bounds.minimum}
    if bounds.maximum is not None:
        shown["MaxExecutionEnvironments"] = bounds.maximum
    return shown


OPERATIONS = (
    Operation("lambda", "PutFunctionScalingConfig", put_function_scaling_config),
    Operation("lambda", "GetFunctionScalingConfig", get_function_scaling_config),
)
