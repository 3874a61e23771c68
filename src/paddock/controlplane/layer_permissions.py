"""AddLayerVersionPermission, GetLayerVersionPolicy and RemoveLayerVersionPermission.

Kept and shown as on AWS. There is one account here, which may use its own layers anyway.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from paddock.controlplane.api import Answer, Api, Call, Operation
from paddock.controlplane.layers import layer_version_asked_for
from paddock.model.errors import ApiError, conflict, not_found
from paddock.model.ids import LayerName
from paddock.model.layer import LayerPermission, LayerVersion
from paddock.ports.store import Transaction

MAX_POLICY_BYTES = 20_480
"""Of a resource-based policy (Lambda quotas: 20 KB)."""


async def add_layer_version_permission(api: Api, call: Call) -> Answer:
    params = call.params
    name, number = layer_version_asked_for(api, call, "AddLayerVersionPermission")
    permission = LayerPermission(
        params["StatementId"], params["Action"], params["Principal"], params.get("OrganizationId")
    )

    def add(tx: Transaction) -> LayerVersion:
        version = _version(api, tx, name, number)
        if any(each.statement_id == permission.statement_id for each in version.permissions):
            raise conflict(
                f"The statement id ({permission.statement_id}) provided already exists. "
                "Please provide a new statement id, or remove the existing statement."
            )
        _check_revision(version, params.get("RevisionId"))
        return _put(api, tx, version, (*version.permissions, permission))

    changed = await api.store.write(add)
    statement = json.dumps(_statement(api, changed, permission), separators=(",", ":"))
    return {"Statement": statement, "RevisionId": changed.policy_revision_id}


async def get_layer_version_policy(api: Api, call: Call) -> Answer:
    name, number = layer_version_asked_for(api, call, "GetLayerVersionPolicy")
    version = await api.store.read(lambda tx: _version(api, tx, name, number))
    if not version.permissions:
        raise not_found("No policy is associated with the given resource.")
    return {"Policy": _policy(api, version), "RevisionId": version.policy_revision_id}


async def remove_layer_version_permission(api: Api, call: Call) -> Answer:
    params = call.params
    name, number = layer_version_asked_for(api, call, "RemoveLayerVersionPermission")

    def remove(tx: Transaction) -> None:
        version = _version(api, tx, name, number)
        left = tuple(each for each in version.permissions if each.statement_id != params["StatementId"])
        if len(left) == len(version.permissions):
            raise not_found(f"Statement {params['StatementId']} is not found in resource policy.")
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
        raise ApiError(
            "PreconditionFailedException",
            "The Revision Id provided does not match the latest Revision Id. "
            "Call the GetLayerPolicy API to retrieve the latest Revision Id",
            members={"Type": "User"},
        )


def _put(api: Api, tx: Transaction, version: LayerVersion, permissions: tuple[LayerPermission, ...]) -> LayerVersion:
    changed = replace(version, permissions=permissions, policy_revision_id=api.ids.uuid() if permissions else None)
    size = len(_policy(api, changed).encode())
    if size > MAX_POLICY_BYTES:
        raise ApiError(
            "PolicyLengthExceededException",
            f"The final policy size ({size}) is bigger than the limit ({MAX_POLICY_BYTES}).",
            members={"Type": "User"},
        )
    tx.layer_versions.put(changed)
    return changed


def _policy(api: Api, version: LayerVersion) -> str:
    statements = [_statement(api, version, permission) for permission in version.permissions]
    return json.dumps({"Version": "2012-10-17", "Id": "default", "Statement": statements}, separators=(",", ":"))


def _statement(api: Api, version: LayerVersion, permission: LayerPermission) -> dict[str, Any]:
    principal = permission.principal
    if principal.isdecimal():
        principal = f"arn:{api.place.partition}:iam::{principal}:root"
    statement: dict[str, Any] = {
        "Sid": permission.statement_id,
        "Effect": "Allow",
        "Principal": principal if principal == "*" else {"AWS": principal},
        "Action": permission.action,
        "Resource": api.place.layer_version_arn(version.layer_name, version.version),
    }
    if permission.organization_id is not None:
        statement["Condition"] = {"StringEquals": {"aws:PrincipalOrgID": permission.organization_id}}
    return statement


OPERATIONS = (
    Operation("lambda", "AddLayerVersionPermission", add_layer_version_permission),
    Operation("lambda", "GetLayerVersionPolicy", get_layer_version_policy),
    Operation("lambda", "RemoveLayerVersionPermission", remove_layer_version_permission),
)
