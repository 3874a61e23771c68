"""CreateAlias, GetAlias, ListAliases, UpdateAlias and DeleteAlias: movable names for versions, with weights.

A change is in force for invokes sent after our answer. Texts in AWS's words where they are known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from paddock.awsapi.pagination import paginate
from paddock.controlplane.api import Answer, Api, Call, Operation
from paddock.controlplane.functions import PAGE_ITEMS
from paddock.controlplane.publishing import check_revision
from paddock.model.errors import conflict, invalid_parameter, not_found
from paddock.model.function import Alias
from paddock.model.ids import LATEST, FunctionVersionKey, VersionName
from paddock.model.states import FunctionState
from paddock.ports.store import Transaction

Weights = tuple[tuple[VersionName, float], ...]


async def create_alias(api: Api, call: Call) -> Answer:
    params = call.params
    function = api.function(call).name
    name = params["Name"]

    def create(tx: Transaction) -> Alias:
        api.version(tx, function, None)
        if tx.aliases.get((function, name)) is not None:
            raise conflict(f"Alias already exists: {api.place.function_arn(function, name)}")
        version = VersionName(params["FunctionVersion"])
        alias = Alias(
            function_name=function,
            name=name,
            function_version=version,
            revision_id=api.ids.uuid(),
            description=params.get("Description") or "",
            additional_weights=_weights(params.get("RoutingConfig"), version),
        )
        return _put(api, tx, alias)

    created = await api.store.write(create)
    await api.fleet.function_changed(function)
    return alias_view(api, created)


async def get_alias(api: Api, call: Call) -> Answer:
    function, name = api.function(call).name, call.params["Name"]

    def read(tx: Transaction) -> Alias:
        api.version(tx, function, None)
        found = tx.aliases.get((function, name))
        if found is None:
            raise not_found(f"Cannot find alias arn: {api.place.function_arn(function, name)}")
        return found

    return alias_view(api, await api.store.read(read))


async def list_aliases(api: Api, call: Call) -> Answer:
    function, version = api.function(call).name, call.params.get("FunctionVersion")

    def read(tx: Transaction) -> list[Alias]:
        api.version(tx, function, None)
        return tx.aliases.select(function_name=function)

    found = [alias for alias in await api.store.read(read) if version in (None, alias.function_version)]
    page = paginate(found, call.params.get("Marker"), call.params.get("MaxItems"), PAGE_ITEMS, lambda alias: alias.name)
    return {"Aliases": [alias_view(api, alias) for alias in page.items], "NextMarker": page.next_marker}


async def update_alias(api: Api, call: Call) -> Answer:
    """What is left out stays; an empty `AdditionalVersionWeights` takes the weights away."""
    params = call.params
    function, name = api.function(call).name, params["Name"]

    def update(tx: Transaction) -> Alias:
        api.version(tx, function, None)
        before = tx.aliases.get((function, name))
        if before is None:
            raise not_found(f"Alias not found: {api.place.function_arn(function, name)}")
        check_revision(before, params.get("RevisionId"))
        version = VersionName(params.get("FunctionVersion", before.function_version))
        weights = before.additional_weights
        if "RoutingConfig" in params:
            weights = _weights(params["RoutingConfig"], version)
        alias = replace(
            before,
            function_version=version,
            description=params.get("Description", before.description),
            additional_weights=weights,
            revision_id=api.ids.uuid(),
        )
        return _put(api, tx, alias)

    updated = await api.store.write(update)
    await api.fleet.function_changed(function)
    return alias_view(api, updated)


async def delete_alias(api: Api, call: Call) -> Answer:
    """An alias that is not there is deleted already; a function that is not there is an error."""
    function, name = api.function(call).name, call.params["Name"]

    def delete(tx: Transaction) -> None:
        api.version(tx, function, None)
        tx.aliases.delete((function, name))

    await api.store.write(delete)
    await api.fleet.function_changed(function)
    return {}


def alias_view(api: Api, alias: Alias) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "AliasArn": api.place.function_arn(alias.function_name, alias.name),
        "Name": alias.name,
        "FunctionVersion": alias.function_version,
        "Description": alias.description,
        "RevisionId": alias.revision_id,
    }
    if alias.additional_weights:
        shown["RoutingConfig"] = {"AdditionalVersionWeights": dict(alias.additional_weights)}
    return shown


def _weights(routing: Mapping[str, Any] | None, version: VersionName) -> Weights:
    """Weights of other versions, as shares of 1. Raises `ApiError`."""
    given = (routing or {}).get("AdditionalVersionWeights") or {}
    if len(given) > 1:
        raise invalid_parameter("Number of items in AdditionalVersionWeights cannot be greater than 1")
    for other, weight in given.items():
        if LATEST in (version, other):
            raise invalid_parameter("$LATEST is not supported for an alias pointing to more than 1 version")
        if other == version:
            raise invalid_parameter(
                f"Invalid function version {other}. Function version {other} is already included in "
                "routing configuration."
            )
        if not 0 <= weight <= 1:
            raise invalid_parameter(f"The weight {weight:g} of version {other} is not between 0 and 1.")
    return tuple((VersionName(other), float(weight)) for other, weight in given.items())


def _put(api: Api, tx: Transaction, alias: Alias) -> Alias:
    """Raises `ApiError` when it names a version that is not there."""
    for version in (alias.function_version, *dict(alias.additional_weights)):
        found = tx.versions.get(FunctionVersionKey(alias.function_name, version))
        if found is None or found.state is FunctionState.DELETING:
            raise api.function_not_found(alias.function_name, version)
    tx.aliases.put(alias)
    return alias


OPERATIONS = (
    Operation("lambda", "CreateAlias", create_alias),
    Operation("lambda", "GetAlias", get_alias),
    Operation("lambda", "ListAliases", list_aliases),
    Operation("lambda", "UpdateAlias", update_alias),
    Operation("lambda", "DeleteAlias", delete_alias),
)
