"""Put, Get, List and DeleteProvisionedConcurrencyConfig: environments of default Lambda that are kept ready.

Set on a version or on an alias without weights; what is ready serves the version, by whichever of its names it is
invoked.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from paddock.awsapi.pagination import paginate
from paddock.awsapi.timestamps import to_lambda_string
from paddock.controlplane.api import Answer, Api, Call, Operation
from paddock.controlplane.functions import PAGE_ITEMS
from paddock.controlplane.on_demand.reserved_concurrency import (
    least_unreserved,
    provisioned_concurrency,
    unreserved_beside,
)
from paddock.controlplane.on_demand.tenancy import not_with_tenants
from paddock.model.errors import ApiError, conflict, invalid_parameter
from paddock.model.function import Alias, FunctionVersion, ProvisionedConcurrency
from paddock.model.ids import DEFAULT_LAMBDA, LATEST, FunctionName, FunctionVersionKey
from paddock.ports.store import Transaction

Holder = FunctionVersion | Alias
"""What provisioned concurrency is set on."""


async def put_provisioned_concurrency_config(api: Api, call: Call) -> Answer:
    name, qualifier = api.function(call, qualifier=call.params["Qualifier"])
    asked = call.params["ProvisionedConcurrentExecutions"]
    wanted = ProvisionedConcurrency(asked, call.now)

    def put(tx: Transaction) -> Holder:
        holder = _holder(api, tx, name, qualifier)
        _check(tx, holder, name)
        _check_room(api, tx, holder, asked)
        return _put(tx, holder, wanted)

    holder = await api.store.write(put)
    api.fleet.provider_changed(DEFAULT_LAMBDA)
    return _shown(api, holder, wanted)


async def get_provisioned_concurrency_config(api: Api, call: Call) -> Answer:
    name, qualifier = api.function(call, qualifier=call.params["Qualifier"])
    holder = await api.store.read(lambda tx: _holder(api, tx, name, qualifier))
    if holder.provisioned is None:
        raise ApiError(
            "ProvisionedConcurrencyConfigNotFoundException",
            "No Provisioned Concurrency Config found for this function",
            members={"Type": "User"},
        )
    return _shown(api, holder, holder.provisioned)


async def list_provisioned_concurrency_configs(api: Api, call: Call) -> Answer:
    name = api.function(call).name

    def read(tx: Transaction) -> list[Holder]:
        api.version(tx, name, None)
        holders: list[Holder] = [*tx.versions.select(function_name=name), *tx.aliases.select(function_name=name)]
        return [holder for holder in holders if holder.provisioned is not None]

    page = paginate(
        await api.store.read(read), call.params.get("Marker"), call.params.get("MaxItems"), PAGE_ITEMS, _qualifier
    )
    shown = [
        {"FunctionArn": api.place.function_arn(name, _qualifier(holder)), **_shown(api, holder, holder.provisioned)}
        for holder in page.items
        if holder.provisioned is not None
    ]
    return {"ProvisionedConcurrencyConfigs": shown, "NextMarker": page.next_marker}


async def delete_provisioned_concurrency_config(api: Api, call: Call) -> Answer:
    name, qualifier = api.function(call, qualifier=call.params["Qualifier"])
    await api.store.write(lambda tx: _put(tx, _holder(api, tx, name, qualifier), None))
    api.fleet.provider_changed(DEFAULT_LAMBDA)
    return {}


def _holder(api: Api, tx: Transaction, name: FunctionName, qualifier: str | None) -> Holder:
    if qualifier is not None and (alias := tx.aliases.get((name, qualifier))) is not None:
        return alias
    version = api.version(tx, name, qualifier)
    if version.version == LATEST:
        raise invalid_parameter("Provisioned Concurrency Configs cannot be applied to unpublished function versions.")
    return version


def _check(tx: Transaction, holder: Holder, name: FunctionName) -> None:
    """Raises `ApiError` for what cannot have it, and where a name of the same version has it already."""
    if isinstance(holder, FunctionVersion):
        version = holder
        aliases = [alias for alias in tx.aliases.select(function_name=name) if alias.provisioned is not None]
        if any(alias.function_version == holder.version for alias in aliases):
            raise conflict("Version is pointed by a Provisioned Concurrency alias")
    else:
        if holder.additional_weights:
            raise invalid_parameter("Alias with weights can not be used with Provisioned Concurrency")
        found = tx.versions.get(FunctionVersionKey(name, holder.function_version))
        assert found is not None
        version = found
        if version.version == LATEST:
            raise invalid_parameter(
                "Provisioned Concurrency Configs cannot be applied to unpublished function versions."
            )
        if version.provisioned is not None:
            raise conflict(
                "Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version"
            )
    if not version.configuration.on_demand:
        raise invalid_parameter(
            "Provisioned Concurrency is not supported for functions configured with capacity provider. "
            "Set MinExecutionEnvironments with PutFunctionScalingConfig instead."
        )
    if version.configuration.per_tenant:
        raise not_with_tenants("Provisioned Concurrency")


def _check_room(api: Api, tx: Transaction, holder: Holder, asked: int) -> None:
    """All that a function has provisioned fits in what it reserves, or else in what the account has left for others.

    Raises `ApiError`.
    """
    name = holder.function_name
    function = tx.functions.get(name)
    assert function is not None
    beside = provisioned_concurrency(tx, name) - (0 if holder.provisioned is None else holder.provisioned.environments)
    if function.reserved_concurrency is not None:
        if beside + asked > function.reserved_concurrency:
            raise invalid_parameter(
                "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution "
                "for function"
            )
        return
    unreserved = unreserved_beside(api, tx, name) - beside
    if asked > unreserved:
        raise invalid_parameter(
            "Specified ConcurrentExecutions for function is greater than account's unreserved concurrency "
            f"[{unreserved}]."
        )
    least = least_unreserved(api)
    if unreserved - asked < least:
        raise invalid_parameter(
            "Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its "
            f"minimum value of [{least}]."
        )


def _put(tx: Transaction, holder: Holder, wanted: ProvisionedConcurrency | None) -> Holder:
    if isinstance(holder, FunctionVersion):
        version = replace(holder, provisioned=wanted)
        tx.versions.put(version)
        return version
    alias = replace(holder, provisioned=wanted)
    tx.aliases.put(alias)
    return alias


def _qualifier(holder: Holder) -> str:
    return holder.version if isinstance(holder, FunctionVersion) else holder.name


def _shown(api: Api, holder: Holder, wanted: ProvisionedConcurrency) -> dict[str, Any]:
    version = holder.version if isinstance(holder, FunctionVersion) else holder.function_version
    now = api.provisioned(FunctionVersionKey(holder.function_name, version))
    available = min(now.available, wanted.environments)
    shown: dict[str, Any] = {
        "RequestedProvisionedConcurrentExecutions": wanted.environments,
        "AvailableProvisionedConcurrentExecutions": available,
        "AllocatedProvisionedConcurrentExecutions": min(now.allocated, wanted.environments),
        "Status": "READY" if available == wanted.environments else "IN_PROGRESS",
        "LastModified": to_lambda_string(wanted.requested_at),
    }
    if shown["Status"] == "IN_PROGRESS" and now.failure is not None:
        shown |= {"Status": "FAILED", "StatusReason": now.failure}
    return shown


OPERATIONS = (
    Operation("lambda", "PutProvisionedConcurrencyConfig", put_provisioned_concurrency_config),
    Operation("lambda", "GetProvisionedConcurrencyConfig", get_provisioned_concurrency_config),
    Operation("lambda", "ListProvisionedConcurrencyConfigs", list_provisioned_concurrency_configs),
    Operation("lambda", "DeleteProvisionedConcurrencyConfig", delete_provisioned_concurrency_config),
)
