"""UpdateFunctionCode, UpdateFunctionConfiguration and GetFunctionConfiguration.

An update changes `$LATEST` only, at once. On managed instances nothing runs of it: what runs changes with the next
publish. Default Lambda invokes it, so there a new revision is under way until the routers send to it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from paddock.controlplane.api import Answer, Api, Call, Operation
from paddock.controlplane.code_signatures import check_signatures
from paddock.controlplane.code_storage import check_code_storage
from paddock.controlplane.configuration import changed_configuration, managed_instances_params
from paddock.controlplane.function_layers import with_layers
from paddock.controlplane.functions import refuse_published_latest, require_runtime, tell, view
from paddock.controlplane.on_demand.configuration import changed_default_configuration
from paddock.controlplane.package_types import (
    Arrival,
    arriving,
    check_code_update,
    check_settings_update,
    with_image,
)
from paddock.controlplane.publishing import UNDER_WAY, UPDATING, Publish, check_revision, publish
from paddock.model.capacity_provider import Architecture
from paddock.model.errors import ApiError, conflict, invalid_parameter
from paddock.model.function import FunctionConfiguration, FunctionVersion
from paddock.model.ids import LATEST, CodeSigningConfigId, FunctionName, RevisionId
from paddock.model.states import FunctionState, LastUpdateStatus
from paddock.ports.store import Transaction


async def get_function_configuration(api: Api, call: Call) -> Answer:
    name, qualifier = api.function(call, qualifier=call.params.get("Qualifier"))
    version = await api.store.read(lambda tx: api.version(tx, name, qualifier))
    return await view(api, version, qualified=qualifier is not None)


async def update_function_code(api: Api, call: Call) -> Answer:
    params = call.params
    name = _updatable_name(api, call)
    before = (await api.store.read(lambda tx: _latest(api, tx, name, params.get("RevisionId")))).configuration
    is_image = check_code_update(params, before)
    architecture = params.get("Architectures", [before.architecture])[0]
    async with arriving(api, params, "UpdateFunctionCode", architecture, is_image=is_image) as arrival:
        updated = await _update_code(api, call, name, arrival)
    if not params.get("DryRun"):
        await tell(api, updated)
    return await view(api, updated, qualified=not updated.is_latest)


async def _update_code(api: Api, call: Call, name: FunctionName, arrival: Arrival) -> FunctionVersion:
    """As it is afterwards; in a dry run, as it would be."""
    params = call.params

    def changed(tx: Transaction, before: FunctionVersion) -> FunctionConfiguration:
        check_signatures(tx, signing_config(tx, name), [name])
        return with_layers(api, tx, with_code(before), {})

    def with_code(before: FunctionVersion) -> FunctionConfiguration:
        configuration = before.configuration
        wanted = Architecture(params.get("Architectures", [configuration.architecture])[0])
        if wanted is not configuration.architecture and not configuration.on_demand:
            raise invalid_parameter(
                f"The architecture {wanted.value} does not match the architecture "
                f"{configuration.architecture.value} of the function's capacity provider."
            )
        return with_image(replace(configuration, architecture=wanted, code=arrival.code), arrival.image, {})

    def tried_in(tx: Transaction) -> FunctionVersion:
        latest = _latest(api, tx, name, params.get("RevisionId"))
        return replace(latest, configuration=changed(tx, latest))

    if params.get("DryRun"):
        return await api.store.read(tried_in)

    def update(tx: Transaction) -> FunctionVersion:
        latest = _latest(api, tx, name, params.get("RevisionId"))
        if latest.configuration.on_demand:
            refuse_published_latest(params)
        latest = put_latest(api, tx, latest, changed(tx, latest), call.now)
        if params.get("Publish"):
            arn = api.place.function_arn(name)
            latest = publish(tx, name, Publish.of(params), arn=arn, ids=api.ids, now=call.now)
        check_code_storage(api, tx)
        return latest

    async with arrival.kept():
        return await api.store.write(update)


async def update_function_configuration(api: Api, call: Call) -> Answer:
    params = call.params
    name = _updatable_name(api, call)
    managed = managed_instances_params(params)

    def changed(tx: Transaction) -> tuple[FunctionVersion, FunctionConfiguration]:
        latest = _latest(api, tx, name, params.get("RevisionId"))
        configuration = with_layers(api, tx, with_settings(tx, latest), params)
        if "Layers" in params:
            check_signatures(tx, signing_config(tx, name), [layer.arn for layer in configuration.layers])
        return latest, configuration

    def with_settings(tx: Transaction, latest: FunctionVersion) -> FunctionConfiguration:
        check_settings_update(params, latest.configuration)
        settled = with_plain_settings(tx, latest)
        return with_image(settled, settled.image, params)

    def with_plain_settings(tx: Transaction, latest: FunctionVersion) -> FunctionConfiguration:
        if latest.configuration.on_demand:
            return changed_default_configuration(latest.configuration, params)
        provider = (
            api.provider(tx, latest.configuration.capacity_provider)
            if managed is None
            else api.usable_provider(tx, api.provider_name(managed["CapacityProviderArn"]))
        )
        return changed_configuration(latest.configuration, params, provider)

    def update(tx: Transaction) -> FunctionVersion:
        return put_latest(api, tx, *changed(tx), call.now)

    _, configuration = await api.store.read(changed)
    await require_runtime(api, configuration)
    updated = await api.store.write(update)
    await tell(api, updated)
    return await view(api, updated, qualified=False)


def _updatable_name(api: Api, call: Call) -> FunctionName:
    name, qualifier = api.function(call)
    if qualifier not in (None, LATEST):
        raise invalid_parameter(
            f"The version {qualifier} cannot be changed: published versions are immutable. "
            "Update $LATEST and publish it."
        )
    return name


def _latest(api: Api, tx: Transaction, name: FunctionName, revision_id: str | None) -> FunctionVersion:
    latest = api.version(tx, name, None)
    if latest.state is FunctionState.DELETING:
        raise _is_being_deleted(api, name)
    check_revision(latest, revision_id)
    if latest.configuration.on_demand and latest.publish_is_under_way:
        raise conflict(UNDER_WAY.format(arn=api.place.function_arn(name)))
    return latest


def signing_config(tx: Transaction, name: FunctionName) -> CodeSigningConfigId | None:
    function = tx.functions.get(name)
    return None if function is None else function.code_signing_config


def _is_being_deleted(api: Api, name: FunctionName) -> ApiError:
    return conflict(
        f"The operation cannot be performed at this time. The function is being deleted: {api.place.function_arn(name)}"
    )


def put_latest(
    api: Api, tx: Transaction, latest: FunctionVersion, configuration: FunctionConfiguration, now: datetime
) -> FunctionVersion:
    """`$LATEST` with other code or settings. As default Lambda, it is under way until the routers have heard of it."""
    updated = replace(
        latest,
        configuration=configuration,
        revision=RevisionId(api.ids.hex(16)),
        revision_id=api.ids.uuid(),
        last_modified=now,
    )
    if configuration.on_demand:
        updated = replace(updated, last_update_status=LastUpdateStatus.IN_PROGRESS, last_update=UPDATING)
    tx.versions.put(updated)
    return updated


OPERATIONS = (
    Operation("lambda", "GetFunctionConfiguration", get_function_configuration),
    Operation("lambda", "UpdateFunctionCode", update_function_code),
    Operation("lambda", "UpdateFunctionConfiguration", update_function_configuration, "partial", "as CreateFunction"),
)
