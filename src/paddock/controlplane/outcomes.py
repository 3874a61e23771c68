"""What a plan's outcomes make of the stored versions. Within a transaction; a second time they change nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import assert_never

from paddock.core.lifecycle import FUNCTION_VERSION, FunctionVersionEvent
from paddock.model.fleet import RevisionFailed, RevisionServed, VersionDeactivated, VersionOutcome, VersionRemoved
from paddock.model.function import NOTHING_TO_TELL, FunctionVersion, ServedRevision, Status
from paddock.model.ids import FunctionName
from paddock.model.states import FunctionState, LastUpdateStatus
from paddock.ports.clock import IdSource
from paddock.ports.store import Transaction


def take_outcome(tx: Transaction, outcome: VersionOutcome, *, ids: IdSource, now: datetime) -> FunctionName | None:
    """The function whose version changed; None when the outcome is of yesterday (republished or deleted since)."""
    version = tx.versions.get(outcome.key)
    if version is None:
        return None
    match outcome:
        case RevisionServed():
            changed = _served(version) if version.revision == outcome.revision else None
        case RevisionFailed():
            changed = _failed(version, outcome) if version.revision == outcome.revision else None
        case VersionDeactivated():
            changed = _deactivated(version)
        case VersionRemoved():
            return _removed(tx, version)
        case _:
            assert_never(outcome)
    if changed is None:
        return None
    tx.versions.put(replace(changed, revision_id=ids.uuid(), last_modified=now))
    return version.function_name


def settled_scaling(version: FunctionVersion, ready_environments: int) -> FunctionVersion | None:
    """The version with its requested scaling applied, once the fleet is within it; else None."""
    bounds = version.requested_scaling
    if bounds is None or version.state is not FunctionState.ACTIVE or bounds.deactivates:
        return None
    if ready_environments < bounds.minimum or (bounds.maximum is not None and ready_environments > bounds.maximum):
        return None
    return replace(version, requested_scaling=None, applied_scaling=bounds)


def _served(version: FunctionVersion) -> FunctionVersion | None:
    state = _next(version, FunctionVersionEvent.REVISION_SERVED)
    serving = ServedRevision(version.revision, version.configuration)
    if state is None or (version.serving == serving and version.last_update_status is LastUpdateStatus.SUCCESSFUL):
        return None
    return replace(
        version,
        state=state,
        state_status=NOTHING_TO_TELL,
        last_update_status=LastUpdateStatus.SUCCESSFUL,
        last_update=NOTHING_TO_TELL,
        serving=serving,
    )


def _failed(version: FunctionVersion, outcome: RevisionFailed) -> FunctionVersion | None:
    state = _next(version, FunctionVersionEvent.REVISION_FAILED)
    if state is None or version.publish_failed:
        return None
    status = Status(outcome.text, outcome.reason_code)
    return replace(
        version,
        state=state,
        state_status=status if state is FunctionState.FAILED else NOTHING_TO_TELL,
        last_update_status=LastUpdateStatus.FAILED,
        last_update=status,
    )


def _deactivated(version: FunctionVersion) -> FunctionVersion | None:
    if version.state is not FunctionState.DEACTIVATING:
        return None
    return replace(
        version,
        state=FunctionState.DEACTIVATED,
        state_status=NOTHING_TO_TELL,
        last_update_status=LastUpdateStatus.SUCCESSFUL,
        last_update=NOTHING_TO_TELL,
        serving=None,
        requested_scaling=None,
        applied_scaling=version.bounds,
    )


def _removed(tx: Transaction, version: FunctionVersion) -> FunctionName | None:
    if version.state is not FunctionState.DELETING:
        return None
    tx.versions.delete(version.key)
    name = version.function_name
    function = tx.functions.get(name)
    left = tx.versions.select(function_name=name)
    if function is not None and function.deleting and all(each.is_latest for each in left):
        tx.versions.delete_many([each.key for each in left])
        tx.functions.delete(name)
    return name


def _next(version: FunctionVersion, event: FunctionVersionEvent) -> FunctionState | None:
    return FUNCTION_VERSION.next(version.state, event) if FUNCTION_VERSION.allows(version.state, event) else None
