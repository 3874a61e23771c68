"""AddLayerVersionPermission, GetLayerVersionPolicy and RemoveLayerVersionPermission.

Kept and shown as on AWS. There is one account here, which may use its own layers anyway.
"""

from __future__ import annotations

from dataclasses import replace

from paddock.controlplane.api import Answer, Api, Call, Operation
from paddock.controlplane.layers import layer_version_asked_for
from paddock.core.resource_policy import policy_text, statement_text, with_permission, without_permission
from paddock.model.errors import not_found, stale_revision
from paddock.model.ids import LayerName
from paddock.model.layer import LayerVersion
from paddock.model.resource_policy import Permission
from paddock.ports.store import Transaction


async def add_layer_version_permission(api: Api, call: Call) -> Answer:
    params = call.params
    name, number = layer_version_asked_for(api, call, "AddLayerVersionPermission")
    arn = api.place.layer_version_arn(name, number)
    permission = Permission(params["StatementId"], params["Action"], params["Principal"], params.get("OrganizationId"))

    def add(tx: Transaction) -> LayerVersion:
        version = _version(api, tx, name, number)
        permissions = with_permission(version.permissions, permission, arn, api.place)
        _check_revision(version, params.get("RevisionId"))
        return _put(api, tx, version, permissions)

    changed = await api.store.write(add)
    return {"Statement": statement_text(permission, arn, api.place), "RevisionId": changed.policy_revision_id}


async def get_layer_version_policy(api: Api, call: Call) -> Answer:
    name, number = layer_version_asked_for(api, call, "GetLayerVersionPolicy")
    version = await api.store.read(lambda tx: _version(api, tx, name, number))
    if not version.permissions:
        raise not_found("No policy is associated with the given resource.")
    policy = policy_text(version.permissions, api.place.layer_version_arn(name, number), api.place)
    return {"Policy": policy, "RevisionId": version.policy_revision_id}


async def remove_layer_version_permission(api: Api, call: Call) -> Answer:
    params = call.params
    name, number = layer_version_asked_for(api, call, "RemoveLayerVersionPermission")

    def remove(tx: Transaction) -> None:
        version = _version(api, tx, name, number)
        left = without_permission(version.permissions, params["StatementId"])
        _check_revision(version, params.get("RevisionId"))
        _put(api, tx, version, left)

    await api.store.write(remove)
    return {}


def _version(api: Api, tx: Transaction, name: LayerName, number: int) -> LayerVersion:
    found = tx.layer_versions.get((name, number))
    if found is None:
        raise not_found(f"Layer version {api.place.layer_version_arn(name, number)} does not exist.")
    return found


def _check_revision(version: LayerVersion, expected: str | None) -> None:
    if expected is not None and expected != version.policy_revision_id:
        raise stale_revision("GetLayerPolicy")


def _put(api: Api, tx: Transaction, version: LayerVersion, permissions: tuple[Permission, ...]) -> LayerVersion:
    changed = replace(version, permissions=permissions, policy_revision_id=api.ids.uuid() if permissions else None)
    tx.layer_versions.put(changed)
    return changed


OPERATIONS = (
    Operation("lambda", "AddLayerVersionPermission", add_layer_version_permission),
    Operation("lambda", "GetLayerVersionPolicy", get_layer_version_policy),
    Operation("lambda", "RemoveLayerVersionPermission", remove_layer_version_permission),
)
