"""A publish: freezes what `$LATEST` is under a number or as `$LATEST.PUBLISHED`. The fleet then follows on its own.

Runs within a transaction; raises `ApiError` and changes nothing when it may not be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from paddock.controlplane.function_view import code_sha256
from paddock.core.lifecycle import FUNCTION_VERSION, FunctionVersionEvent
from paddock.model.errors import ApiError, conflict, invalid_parameter, stale_revision
from paddock.model.function import NOTHING_TO_TELL, Alias, FunctionConfiguration, FunctionVersion, Status
from paddock.model.ids import (
    DEFAULT_LAMBDA,
    LATEST,
    LATEST_PUBLISHED,
    CapacityProviderName,
    FunctionName,
    FunctionVersionKey,
    RevisionId,
    VersionName,
)
from paddock.model.states import FunctionState, LastUpdateStatus, StateReasonCode
from paddock.ports.clock import IdSource
from paddock.ports.store import Transaction

MAX_VERSIONS_PER_PROVIDER = 100
"""Quota of AWS, not adjustable."""
CREATING = Status("The function is being created.", StateReasonCode.CREATING)
UPDATING = Status("The function is being updated.", StateReasonCode.UPDATING)
UNDER_WAY = "The operation cannot be performed at this time. An update is in progress for resource: {arn}"


@dataclass(frozen=True, slots=True)
class Publish:
    """What is asked for. `to_latest` overwrites `$LATEST.PUBLISHED` instead of making a number."""

    to_latest: bool
    description: str | None = None

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Publish:
        return cls(params.get("PublishTo") is not None, params.get("Description"))


def publish(
    tx: Transaction, name: FunctionName, request: Publish, *, arn: str, ids: IdSource, now: datetime
) -> FunctionVersion:
    """The published version; the one that is there already when nothing has changed since it was published."""
    latest = tx.versions.get(FunctionVersionKey(name, LATEST))
    assert latest is not None
    configuration = latest.configuration
    if request.description is not None:
        configuration = replace(configuration, description=request.description)
    if request.to_latest:
        if configuration.on_demand:
            raise invalid_parameter("PublishTo is only supported for functions configured with capacity provider.")
        return _publish_latest(tx, name, configuration, arn=arn, ids=ids, now=now)
    newest = newest_number(tx, name)
    if newest is not None and same_content(newest.configuration, configuration) and not newest.publish_failed:
        return newest
    _check_provider(tx, configuration.capacity_provider)
    return _publish_number(tx, name, configuration, ids=ids, now=now)


def _publish_latest(
    tx: Transaction, name: FunctionName, configuration: FunctionConfiguration, *, arn: str, ids: IdSource, now: datetime
) -> FunctionVersion:
    key = FunctionVersionKey(name, LATEST_PUBLISHED)
    before = tx.versions.get(key)
    if before is None:
        _check_provider(tx, configuration.capacity_provider)
        return _put(tx, _first(key, configuration, ids=ids, now=now))
    if same_content(before.configuration, configuration) and not before.publish_failed:
        return before
    if before.publish_is_under_way or not FUNCTION_VERSION.allows(before.state, FunctionVersionEvent.REPUBLISHED):
        raise conflict(UNDER_WAY.format(arn=f"{arn}:{LATEST_PUBLISHED}"))
    if before.configuration.capacity_provider != configuration.capacity_provider:
        _check_provider(tx, configuration.capacity_provider)
    state = FUNCTION_VERSION.next(before.state, FunctionVersionEvent.REPUBLISHED) or before.state
    waits = state is not FunctionState.DEACTIVATED
    return _put(
        tx,
        replace(
            before,
            configuration=configuration,
            revision=RevisionId(ids.hex(16)),
            revision_id=ids.uuid(),
            state=state,
            state_status=CREATING if state is FunctionState.PENDING else NOTHING_TO_TELL,
            last_update_status=LastUpdateStatus.IN_PROGRESS if waits else LastUpdateStatus.SUCCESSFUL,
            last_update=UPDATING if waits else NOTHING_TO_TELL,
            last_modified=now,
            published_at=now,
        ),
    )


def _publish_number(
    tx: Transaction, name: FunctionName, configuration: FunctionConfiguration, *, ids: IdSource, now: datetime
) -> FunctionVersion:
    function = tx.functions.get(name)
    assert function is not None
    tx.functions.put(replace(function, next_version=function.next_version + 1))
    key = FunctionVersionKey(name, VersionName(str(function.next_version)))
    return _put(tx, _first(key, configuration, ids=ids, now=now))


def _first(
    key: FunctionVersionKey, configuration: FunctionConfiguration, *, ids: IdSource, now: datetime
) -> FunctionVersion:
    return FunctionVersion(
        key=key,
        configuration=configuration,
        revision=RevisionId(ids.hex(16)),
        revision_id=ids.uuid(),
        state=FunctionState.PENDING,
        state_status=CREATING,
        last_update_status=LastUpdateStatus.SUCCESSFUL,
        last_modified=now,
        published_at=now,
    )


def newest_number(tx: Transaction, name: FunctionName) -> FunctionVersion | None:
    numbered = [version for version in tx.versions.select(function_name=name) if version.version.isdecimal()]
    alive = [version for version in numbered if version.state is not FunctionState.DELETING]
    return max(alive, key=lambda version: int(version.version), default=None)


def same_content(one: FunctionConfiguration, other: FunctionConfiguration) -> bool:
    """A description alone makes no new version."""
    return replace(one, description="") == replace(other, description="")


def check_code_sha256(latest: FunctionVersion, expected: str | None) -> None:
    actual = code_sha256(latest.configuration)
    if expected is not None and expected != actual:
        raise invalid_parameter(
            f"CodeSHA256 ({expected}) is different from current CodeSHA256 in $LATEST ({actual}). "
            "Please try again with the CodeSHA256 in $LATEST."
        )


def check_revision(changed: FunctionVersion | Alias, expected: str | None) -> None:
    if expected is not None and expected != changed.revision_id:
        raise stale_revision("GetFunction/GetAlias")


def _check_provider(tx: Transaction, name: CapacityProviderName) -> None:
    if name == DEFAULT_LAMBDA:
        return
    published = sum(not version.is_latest for version in tx.versions.select(provider=name))
    if published >= MAX_VERSIONS_PER_PROVIDER:
        raise ApiError(
            "FunctionVersionsPerCapacityProviderLimitExceededException",
            f"The capacity provider has {MAX_VERSIONS_PER_PROVIDER} function versions, which is the limit. "
            "Delete versions that are not used, then try again.",
            members={"Type": "User"},
        )


def _put(tx: Transaction, version: FunctionVersion) -> FunctionVersion:
    tx.versions.put(version)
    return version
