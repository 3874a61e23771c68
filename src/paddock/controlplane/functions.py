"""CreateFunction, GetFunction, ListFunctions and DeleteFunction, on managed instances and as default Lambda."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from paddock.awsapi.pagination import paginate
from paddock.controlplane.api import Answer, Api, Call, Operation
from paddock.controlplane.code_signatures import check_signatures, signing_config_of
from paddock.controlplane.code_storage import check_code_storage
from paddock.controlplane.configuration import managed_instances_params, new_configuration
from paddock.controlplane.function_layers import with_layers
from paddock.controlplane.function_view import described
from paddock.controlplane.on_demand.configuration import new_default_configuration
from paddock.controlplane.package_types import Arrival, arriving, check_creation, with_image
from paddock.controlplane.publishing import CREATING, Publish, publish
from paddock.controlplane.tags import check_tags, delete_tags, put_tags, tags_of
from paddock.core.lifecycle import FUNCTION_VERSION, FunctionVersionEvent
from paddock.model.capacity_provider import Architecture, CapacityProvider
from paddock.model.errors import conflict, invalid_parameter
from paddock.model.function import NOTHING_TO_TELL, Function, FunctionConfiguration, FunctionVersion
from paddock.model.ids import DEFAULT_LAMBDA, LATEST, CapacityProviderName, FunctionName, FunctionVersionKey, RevisionId
from paddock.model.states import FunctionState, LastUpdateStatus
from paddock.ports.store import Transaction
from paddock.runtimes.errors import RuntimeUnavailable

PAGE_ITEMS = 50
_MOST_FUNCTIONS_PER_PAGE = 10_000


async def create_function(api: Api, call: Call) -> Answer:
    params = call.params
    name = api.function(call).name
    is_image = check_creation(params)
    check_tags(params.get("Tags", {}))
    provider = await api.store.read(lambda tx: _expected_provider(api, tx, name, params))
    architecture = params.get("Architectures", [Architecture.X86_64])[0]
    async with arriving(api, params["Code"], "CreateFunction", architecture, is_image=is_image) as arrival:
        created = await _create(api, call, name, provider, arrival)
    await tell(api, created)
    return await view(api, created, qualified=not created.is_latest)


async def _create(
    api: Api, call: Call, name: FunctionName, provider: CapacityProvider | None, arrival: Arrival
) -> FunctionVersion:
    params = call.params
    if provider is None:
        refuse_published_latest(params)
        plain = new_default_configuration(name, params, arrival.code)
    else:
        plain = new_configuration(name, params, provider, arrival.code)
    configuration = with_image(plain, arrival.image, params)
    await require_runtime(api, configuration)

    def create(tx: Transaction) -> FunctionVersion:
        _expected_provider(api, tx, name, params)
        layered = with_layers(api, tx, configuration, params)
        signing = signing_config_of(api, tx, params)
        check_signatures(tx, signing, (name, *(layer.arn for layer in layered.layers)))
        tx.functions.put(Function(name, call.now, code_signing_config=signing))
        latest = _latest(api, name, layered, call.now)
        tx.versions.put(latest)
        put_tags(tx, api.place.function_arn(name), params.get("Tags", {}))
        if params.get("Publish"):
            request = replace(Publish.of(params), description=None)
            latest = publish(tx, name, request, arn=api.place.function_arn(name), ids=api.ids, now=call.now)
        check_code_storage(api, tx)
        return latest

    async with arrival.kept():
        return await api.store.write(create)


async def get_function(api: Api, call: Call) -> Answer:
    name, qualifier = api.function(call, qualifier=call.params.get("Qualifier"))
    arn = api.place.function_arn(name)
    version, tags, function = await api.store.read(
        lambda tx: (api.version(tx, name, qualifier), tags_of(tx, arn), tx.functions.get(name))
    )
    answer: dict[str, Any] = {
        "Configuration": await view(api, version, qualified=qualifier is not None),
        "Code": _code_location(api, version.configuration, call.now),
    }
    if tags:
        answer["Tags"] = tags
    if function is not None and function.reserved_concurrency is not None:
        answer["Concurrency"] = {"ReservedConcurrentExecutions": function.reserved_concurrency}
    return answer


def _code_location(api: Api, configuration: FunctionConfiguration, now: datetime) -> dict[str, str]:
    image = configuration.image
    if image is None:
        return {"RepositoryType": "S3", "Location": api.links.link(configuration.code.sha256, now)}
    return {"RepositoryType": "ECR", "ImageUri": image.uri, "ResolvedImageUri": image.resolved_uri}


async def list_functions(api: Api, call: Call) -> Answer:
    """`MasterRegion` is for Lambda@Edge replicas, which there are none of."""
    every_version = call.params.get("FunctionVersion") == "ALL"
    versions = await api.store.read(lambda tx: tx.versions.select())
    page = paginate(
        [version for version in versions if every_version or version.is_latest],
        call.params.get("Marker"),
        min(call.params.get("MaxItems") or PAGE_ITEMS, _MOST_FUNCTIONS_PER_PAGE),
        PAGE_ITEMS,
        lambda version: f"{version.function_name}\n{order_of(version):020d}",
    )
    shown = [await view(api, version, qualified=every_version) for version in page.items]
    return {"Functions": shown, "NextMarker": page.next_marker}


async def delete_function(api: Api, call: Call) -> Answer:
    """A function on managed instances is gone when its environments are: 202. A default one is gone at once: 204."""
    name, qualifier = api.function(call, qualifier=call.params.get("Qualifier"))
    if qualifier == LATEST:
        raise invalid_parameter("$LATEST version cannot be deleted without deleting the function.")

    def delete(tx: Transaction) -> set[CapacityProviderName]:
        function = tx.functions.get(name)
        if function is None:
            raise api.function_not_found(name, qualifier)
        if qualifier is None:
            return _delete_whole(api, tx, function, call.now)
        version = api.version(tx, name, qualifier)
        if version.version != qualifier:
            raise invalid_parameter("Deletion of aliases is not currently supported.")
        _refuse_if_aliased(tx, version)
        return {_marked_deleting(tx, version, api, call.now)}

    providers = await api.store.write(delete)
    for provider in providers:
        api.fleet.provider_changed(provider)
    await api.fleet.function_changed(name)
    return {"StatusCode": 204 if providers == {DEFAULT_LAMBDA} else 202}


def order_of(version: FunctionVersion) -> int:
    """`$LATEST`, `$LATEST.PUBLISHED`, then the numbers in their order."""
    if version.version.isdecimal():
        return int(version.version) + 1
    return 0 if version.is_latest else 1


async def view(api: Api, version: FunctionVersion, *, qualified: bool) -> dict[str, Any]:
    if version.configuration.image is not None:
        return described(version, api.place, None, qualified=qualified)
    try:
        runtime = await api.runtimes.resolve(version.configuration.runtime)
    except RuntimeUnavailable:
        return described(version, api.place, None, qualified=qualified)
    return described(version, api.place, runtime, qualified=qualified)


async def require_runtime(api: Api, configuration: FunctionConfiguration) -> None:
    """Raises `ApiError` when it cannot run here: said now, not by a version that fails minutes later."""
    if configuration.image is not None:
        return
    try:
        await api.runtimes.resolve(configuration.runtime)
    except RuntimeUnavailable as unavailable:
        raise invalid_parameter(str(unavailable)) from unavailable


async def tell(api: Api, changed: FunctionVersion) -> None:
    api.fleet.provider_changed(changed.configuration.capacity_provider)
    await api.fleet.function_changed(changed.function_name)


def refuse_published_latest(params: Any) -> None:
    if params.get("PublishTo") is not None:
        raise invalid_parameter("PublishTo is only supported for functions configured with capacity provider.")


def _expected_provider(api: Api, tx: Transaction, name: FunctionName, params: Any) -> CapacityProvider | None:
    """The provider that the parameters name, None for default Lambda. Raises `ApiError` when it cannot be created."""
    existing = tx.functions.get(name)
    if existing is not None:
        raise conflict(
            f"The function is being deleted: {api.place.function_arn(name)}"
            if existing.deleting
            else f"Function already exist: {name}"
        )
    managed = managed_instances_params(params)
    if managed is None:
        return None
    return api.usable_provider(tx, api.provider_name(managed["CapacityProviderArn"]))


def _latest(api: Api, name: FunctionName, configuration: FunctionConfiguration, now: datetime) -> FunctionVersion:
    """What nothing runs of, or, as default Lambda, what is invoked unless a version is named."""
    on_demand = configuration.on_demand
    return FunctionVersion(
        key=FunctionVersionKey(name, LATEST),
        configuration=configuration,
        revision=RevisionId(api.ids.hex(16)),
        revision_id=api.ids.uuid(),
        state=FunctionState.PENDING if on_demand else FunctionState.ACTIVE_NON_INVOCABLE,
        state_status=CREATING if on_demand else NOTHING_TO_TELL,
        last_update_status=LastUpdateStatus.SUCCESSFUL,
        last_modified=now,
    )


def _delete_whole(api: Api, tx: Transaction, function: Function, now: datetime) -> set[CapacityProviderName]:
    """What serves nothing is gone at once; the rest when it has drained."""
    delete_tags(tx, api.place.function_arn(function.name))
    aliases = tx.aliases.select(function_name=function.name)
    tx.aliases.delete_many([(alias.function_name, alias.name) for alias in aliases])
    versions = tx.versions.select(function_name=function.name)
    published = [version for version in versions if not version.is_latest]
    if not published or all(version.configuration.on_demand for version in versions):
        tx.versions.delete_many([version.key for version in versions])
        tx.functions.delete(function.name)
        return {version.configuration.capacity_provider for version in versions}
    tx.functions.put(replace(function, deleting=True, url=None))
    tx.versions.put_many(
        [replace(version, state=FunctionState.DELETING, last_modified=now) for version in versions if version.is_latest]
    )
    return {_marked_deleting(tx, version, api, now) for version in published}


def _refuse_if_aliased(tx: Transaction, version: FunctionVersion) -> None:
    aliases = [
        alias.name
        for alias in tx.aliases.select(function_name=version.function_name)
        if version.version == alias.function_version or version.version in dict(alias.additional_weights)
    ]
    if aliases:
        raise conflict(f"Unable to delete version because the following aliases reference it: [{', '.join(aliases)}]")


def _marked_deleting(tx: Transaction, version: FunctionVersion, api: Api, now: datetime) -> CapacityProviderName:
    if version.configuration.on_demand:
        tx.versions.delete(version.key)
        return DEFAULT_LAMBDA
    if FUNCTION_VERSION.allows(version.state, FunctionVersionEvent.DELETE_REQUESTED):
        state = FUNCTION_VERSION.next(version.state, FunctionVersionEvent.DELETE_REQUESTED)
        assert state is not None
        tx.versions.put(replace(version, state=state, revision_id=api.ids.uuid(), last_modified=now))
    return version.configuration.capacity_provider


OPERATIONS = (
    Operation(
        "lambda",
        "CreateFunction",
        create_function,
        "partial",
        "no durable functions and file systems yet: both are refused; KMSKeyArn and DeadLetterConfig are kept and "
        "shown, and do nothing",
    ),
    Operation("lambda", "GetFunction", get_function),
    Operation("lambda", "ListFunctions", list_functions),
    Operation("lambda", "DeleteFunction", delete_function),
)
