"""Layers and their versions: publish, get, list, delete.

A version is never changed. Functions keep what they need of one, so that deleting it takes it from nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from paddock.awsapi.pagination import paginate
from paddock.awsapi.timestamps import to_lambda_string
from paddock.controlplane.api import Answer, Api, Call, Operation
from paddock.controlplane.code_storage import check_code_storage
from paddock.controlplane.packages import package_of
from paddock.model.arns import LayerReference, parse_layer
from paddock.model.errors import ApiError, access_denied, invalid_parameter, not_found
from paddock.model.ids import LayerName
from paddock.model.layer import Layer, LayerVersion
from paddock.ports.store import Transaction

PAGE_ITEMS = 50


async def publish_layer_version(api: Api, call: Call) -> Answer:
    params = call.params
    name = own_layer(api, parse_layer(params["LayerName"]), "PublishLayerVersion")
    package, code = await package_of(api, params["Content"], "PublishLayerVersion")

    def publish(tx: Transaction) -> LayerVersion:
        layer = tx.layers.get(name) or Layer(name)
        tx.layers.put(replace(layer, next_version=layer.next_version + 1))
        version = LayerVersion(
            layer_name=name,
            version=layer.next_version,
            code=code,
            created_at=call.now,
            description=params.get("Description", ""),
            license_info=params.get("LicenseInfo"),
            compatible_runtimes=tuple(params.get("CompatibleRuntimes", ())),
            compatible_architectures=tuple(params.get("CompatibleArchitectures", ())),
        )
        tx.layer_versions.put(version)
        check_code_storage(api, tx)
        return version

    async with api.arriving_code:
        await api.code.put(package)
        published = await api.store.write(publish)
    return _whole_view(api, call, published)


async def get_layer_version(api: Api, call: Call) -> Answer:
    name, number = layer_version_asked_for(api, call, "GetLayerVersion")
    return _whole_view(api, call, await api.store.read(lambda tx: _version(tx, name, number)))


async def get_layer_version_by_arn(api: Api, call: Call) -> Answer:
    reference = parse_layer(call.params["Arn"])
    name = own_layer(api, reference, "GetLayerVersion")
    if reference.version is None:  # AWS's own layers have ARNs without one
        raise _unknown()
    number = reference.version
    return _whole_view(api, call, await api.store.read(lambda tx: _version(tx, name, number)))


async def list_layer_versions(api: Api, call: Call) -> Answer:
    """The newest first; a layer that is not there has none."""
    name = own_layer(api, parse_layer(call.params["LayerName"]), "ListLayerVersions")
    versions = await api.store.read(lambda tx: tx.layer_versions.select(layer_name=name))
    page = paginate(
        [version for version in versions if _is_asked_for(version, call.params)],
        call.params.get("Marker"),
        call.params.get("MaxItems"),
        PAGE_ITEMS,
        lambda version: -version.version,
    )
    return {"LayerVersions": [_view(api, version) for version in page.items], "NextMarker": page.next_marker}


async def list_layers(api: Api, call: Call) -> Answer:
    """Those that have a version that is asked for, each with the newest of them."""
    newest: dict[LayerName, LayerVersion] = {}
    for version in await api.store.read(lambda tx: tx.layer_versions.select()):
        if _is_asked_for(version, call.params):
            newest[version.layer_name] = version
    page = paginate(
        newest.values(),
        call.params.get("Marker"),
        call.params.get("MaxItems"),
        PAGE_ITEMS,
        lambda version: version.layer_name,
    )
    shown = [
        {
            "LayerName": version.layer_name,
            "LayerArn": api.place.layer_arn(version.layer_name),
            "LatestMatchingVersion": _view(api, version),
        }
        for version in page.items
    ]
    return {"Layers": shown, "NextMarker": page.next_marker}


async def delete_layer_version(api: Api, call: Call) -> Answer:
    """A version that is not there is deleted already. Its number is not given out again."""
    name, number = layer_version_asked_for(api, call, "DeleteLayerVersion")
    await api.store.write(lambda tx: tx.layer_versions.delete((name, number)))
    return {}


def own_layer(api: Api, reference: LayerReference, action: str) -> LayerName:
    """Raises `ApiError` for a layer of another account or region: there are none but ours."""
    if reference.account_id not in (None, api.place.account_id):
        arn = f"arn:{api.place.partition}:lambda:{reference.region}:{reference.account_id}:layer:{reference.name}"
        raise no_permission(api, arn if reference.version is None else f"{arn}:{reference.version}", action)
    if reference.region not in (None, api.place.region):
        raise _unknown()
    return reference.name


def no_permission(api: Api, arn: str, action: str = "GetLayerVersion") -> ApiError:
    return access_denied(
        f"User: {api.place.root_arn()} is not authorized to perform: "
        f"lambda:{action} on resource: {arn} because no resource-based policy allows the lambda:{action} action"
    )


def layer_version_asked_for(api: Api, call: Call, action: str) -> tuple[LayerName, int]:
    """Raises `ApiError` for a number that no version has."""
    if call.params["VersionNumber"] < 1:
        raise invalid_parameter("Layer Version Cannot be less than 1.")
    return own_layer(api, parse_layer(call.params["LayerName"]), action), call.params["VersionNumber"]


def _version(tx: Transaction, name: LayerName, number: int) -> LayerVersion:
    found = tx.layer_versions.get((name, number))
    if found is None:
        raise _unknown()
    return found


def _unknown() -> ApiError:
    return not_found("The resource you requested does not exist.")


def _is_asked_for(version: LayerVersion, asked: Mapping[str, Any]) -> bool:
    return version.is_compatible(asked.get("CompatibleRuntime"), asked.get("CompatibleArchitecture"))


def _view(api: Api, version: LayerVersion) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "LayerVersionArn": api.place.layer_version_arn(version.layer_name, version.version),
        "Version": version.version,
        "Description": version.description,
        "CreatedDate": to_lambda_string(version.created_at),
    }
    if version.compatible_runtimes:
        shown["CompatibleRuntimes"] = list(version.compatible_runtimes)
    if version.compatible_architectures:
        shown["CompatibleArchitectures"] = list(version.compatible_architectures)
    if version.license_info is not None:
        shown["LicenseInfo"] = version.license_info
    return shown


def _whole_view(api: Api, call: Call, version: LayerVersion) -> dict[str, Any]:
    content = {
        "Location": api.links.link(version.code.sha256, call.now),
        "CodeSha256": version.code.sha256,
        "CodeSize": version.code.size_bytes,
    }
    return {"Content": content, "LayerArn": api.place.layer_arn(version.layer_name), **_view(api, version)}


OPERATIONS = (
    Operation("lambda", "PublishLayerVersion", publish_layer_version),
    Operation("lambda", "GetLayerVersion", get_layer_version),
    Operation("lambda", "GetLayerVersionByArn", get_layer_version_by_arn),
    Operation("lambda", "ListLayerVersions", list_layer_versions),
    Operation("lambda", "ListLayers", list_layers),
    Operation("lambda", "DeleteLayerVersion", delete_layer_version),
)
