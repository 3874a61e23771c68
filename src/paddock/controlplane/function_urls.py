"""CreateFunctionUrlConfig, GetFunctionUrlConfig, UpdateFunctionUrlConfig, DeleteFunctionUrlConfig and
ListFunctionUrlConfigs.

A URL belongs to a function or to an alias, is kept with it and goes with it. Texts in AWS's words where they are known.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from paddock.awsapi.pagination import paginate
from paddock.controlplane.api import Answer, Api, Call, Operation
from paddock.controlplane.functions import PAGE_ITEMS
from paddock.controlplane.on_demand.tenancy import not_with_tenants
from paddock.core.function_urls.cors import complaint_about
from paddock.core.routing.names import Named
from paddock.model.errors import ApiError, conflict, invalid_parameter, not_found
from paddock.model.function import Alias, Function
from paddock.model.function_url import Cors, FunctionUrl, FunctionUrlAuthType, FunctionUrlId, InvokeMode, url_name
from paddock.ports.store import Transaction

NO_FUNCTION = "Function does not exist"
NO_URL = "The resource you requested does not exist."
URL_ID_BYTES = 20
"""Come to 32 characters of base32, and to an address that nobody guesses."""


class Owner(NamedTuple):
    """Whose the URL is: `alias` is None for the function itself."""

    function: Function
    alias: Alias | None

    @property
    def qualifier(self) -> str | None:
        return None if self.alias is None else self.alias.name

    @property
    def url(self) -> FunctionUrl | None:
        return self.function.url if self.alias is None else self.alias.url

    def put(self, tx: Transaction, url: FunctionUrl | None) -> None:
        if self.alias is None:
            tx.functions.put(replace(self.function, url=url))
        else:
            tx.aliases.put(replace(self.alias, url=url))


async def create_function_url_config(api: Api, call: Call) -> Answer:
    params = call.params
    name = _named(api, call)

    def create(tx: Transaction) -> FunctionUrl:
        owner = _owner(tx, name, NO_FUNCTION)
        if owner.function.deleting:
            raise conflict(f"The function is being deleted: {_arn(api, name)}")
        if api.version(tx, name.name, None).configuration.per_tenant:
            raise not_with_tenants("A function URL")
        if owner.url is not None:
            raise conflict(
                f"Failed to create function url config for [functionArn = {_arn(api, name)}]. "
                "Error message:  FunctionUrlConfig exists for this Lambda function"
            )
        url = FunctionUrl(
            url_id=_new_id(api),
            auth_type=FunctionUrlAuthType(params["AuthType"]),
            invoke_mode=InvokeMode(params.get("InvokeMode") or InvokeMode.BUFFERED),
            cors=_cors(params.get("Cors")),
            created_at=call.now,
            last_modified=call.now,
        )
        owner.put(tx, url)
        return url

    created = await api.store.write(create)
    await api.fleet.function_changed(name.name)
    shown = view(api, name, created)
    del shown["LastModifiedTime"]
    return shown


async def get_function_url_config(api: Api, call: Call) -> Answer:
    name = _named(api, call)
    return view(api, name, await api.store.read(lambda tx: _url(_owner(tx, name, NO_URL))))


async def update_function_url_config(api: Api, call: Call) -> Answer:
    """What is left out stays; `Cors` is replaced as a whole."""
    params = call.params
    name = _named(api, call)

    def update(tx: Transaction) -> FunctionUrl:
        owner = _owner(tx, name, NO_FUNCTION)
        before = _url(owner)
        url = replace(
            before,
            auth_type=FunctionUrlAuthType(params.get("AuthType") or before.auth_type),
            invoke_mode=InvokeMode(params.get("InvokeMode") or before.invoke_mode),
            cors=_cors(params["Cors"]) if params.get("Cors") is not None else before.cors,
            last_modified=call.now,
        )
        owner.put(tx, url)
        return url

    updated = await api.store.write(update)
    await api.fleet.function_changed(name.name)
    return view(api, name, updated)


async def delete_function_url_config(api: Api, call: Call) -> Answer:
    name = _named(api, call)

    def delete(tx: Transaction) -> None:
        owner = _owner(tx, name, NO_URL)
        _url(owner)
        owner.put(tx, None)

    await api.store.write(delete)
    await api.fleet.function_changed(name.name)
    return {}


async def list_function_url_configs(api: Api, call: Call) -> Answer:
    name = api.function(call).name

    def read(tx: Transaction) -> list[Owner]:
        own = _owner(tx, Named(name, None), NO_FUNCTION)
        aliases = tx.aliases.select(function_name=name)
        return [each for each in (own, *(Owner(own.function, alias) for alias in aliases)) if each.url is not None]

    page = paginate(
        await api.store.read(read),
        call.params.get("Marker"),
        call.params.get("MaxItems"),
        PAGE_ITEMS,
        lambda owner: owner.qualifier or "",
    )
    shown = [view(api, Named(name, each.qualifier), _url(each)) for each in page.items]
    return {"FunctionUrlConfigs": shown, "NextMarker": page.next_marker}


def view(api: Api, name: Named, url: FunctionUrl) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "FunctionUrl": address(api, url.url_id),
        "FunctionArn": _arn(api, name),
        "AuthType": url.auth_type.value,
        "CreationTime": _timestamp(url.created_at),
        "LastModifiedTime": _timestamp(url.last_modified),
        "InvokeMode": url.invoke_mode.value,
    }
    if url.cors is not None:
        shown["Cors"] = _cors_view(url.cors)
    return shown


def address(api: Api, url_id: FunctionUrlId) -> str:
    """Made anew each time: the port of the endpoint may be another after a restart."""
    endpoint = urlsplit(api.endpoint())
    name = url_name(url_id, api.place.region, api.function_url_domain)
    return f"{endpoint.scheme}://{name}:{endpoint.port}/" if endpoint.port else f"{endpoint.scheme}://{name}/"


def _named(api: Api, call: Call) -> Named:
    """Raises `ApiError`. Which qualifiers there may be, the service model's patterns say: aliases only."""
    return api.function(call, qualifier=call.params.get("Qualifier"))


def _owner(tx: Transaction, name: Named, missing: str) -> Owner:
    function = tx.functions.get(name.name)
    if function is None:
        raise not_found(missing)
    if name.qualifier is None:
        return Owner(function, None)
    alias = tx.aliases.get((name.name, name.qualifier))
    if alias is None:
        raise not_found(missing)
    return Owner(function, alias)


def _url(owner: Owner) -> FunctionUrl:
    if owner.url is None:
        raise _no_url()
    return owner.url


def _no_url() -> ApiError:
    return not_found(NO_URL)


def _arn(api: Api, name: Named) -> str:
    return api.place.function_arn(name.name, name.qualifier)


def _new_id(api: Api) -> FunctionUrlId:
    drawn = bytes.fromhex(api.ids.hex(2 * URL_ID_BYTES))
    return FunctionUrlId(base64.b32encode(drawn).decode().lower())


_LISTS = {
    "AllowHeaders": "allow_headers",
    "AllowMethods": "allow_methods",
    "AllowOrigins": "allow_origins",
    "ExposeHeaders": "expose_headers",
}


def _cors(given: Mapping[str, Any] | None) -> Cors | None:
    """An empty one takes the settings away. Raises `ApiError`."""
    if not given:
        return None
    lists = {ours: tuple(given[theirs]) for theirs, ours in _LISTS.items() if given.get(theirs) is not None}
    cors = Cors(allow_credentials=given.get("AllowCredentials"), max_age_seconds=given.get("MaxAge"), **lists)
    complaint = complaint_about(cors)
    if complaint is not None:
        raise invalid_parameter(complaint)
    return cors


def _cors_view(cors: Cors) -> dict[str, Any]:
    shown: dict[str, Any] = {theirs: getattr(cors, ours) for theirs, ours in _LISTS.items()}
    shown |= {"AllowCredentials": cors.allow_credentials, "MaxAge": cors.max_age_seconds}
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in shown.items() if value is not None
    }


def _timestamp(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S.%f}Z"


OPERATIONS = (
    Operation("lambda", "CreateFunctionUrlConfig", create_function_url_config),
    Operation("lambda", "GetFunctionUrlConfig", get_function_url_config),
    Operation("lambda", "UpdateFunctionUrlConfig", update_function_url_config),
    Operation("lambda", "DeleteFunctionUrlConfig", delete_function_url_config),
    Operation("lambda", "ListFunctionUrlConfigs", list_function_url_configs),
)
