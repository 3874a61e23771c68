"""AddPermission, GetPolicy and RemovePermission: the policies of functions, their versions and aliases.

Kept and shown as on AWS, with what they are of, and gone with it; invocations and function URLs ask nobody's leave.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from paddock.controlplane.api import Answer, Api, Call, Operation
from paddock.controlplane.publishing import check_revision
from paddock.core.resource_policy import (
    check_permission,
    policy_text,
    statement_text,
    with_permission,
    without_permission,
)
from paddock.core.routing.names import Named
from paddock.model.errors import ApiError, conflict, invalid_parameter, not_found
from paddock.model.function import Alias, FunctionVersion
from paddock.model.function_url import FunctionUrlAuthType
from paddock.model.ids import LATEST, FunctionVersionKey, VersionName
from paddock.model.resource_policy import Permission
from paddock.model.states import FunctionState
from paddock.ports.store import Transaction

Owner: TypeAlias = "FunctionVersion | Alias"
"""Whose the policy is. Its revision is the policy's too: a change of either is a change of both, as on AWS."""


async def add_permission(api: Api, call: Call) -> Answer:
    params = call.params
    name = _named(api, call)
    if name.qualifier == LATEST:
        raise invalid_parameter("We currently do not support adding policies for $LATEST.")
    permission = _permission(params)
    check_permission(permission)
    arn = _arn(api, name)

    def add(tx: Transaction) -> None:
        api.version(tx, name.name, None)
        owner = _owner(tx, name)
        if owner is None:
            raise _not_there(api, name)
        if isinstance(owner, FunctionVersion) and owner.state is FunctionState.DELETING:
            raise conflict(f"The function is being deleted: {arn}")
        check_revision(owner, params.get("RevisionId"))
        _put(api, tx, owner, with_permission(owner.permissions, permission, arn, api.place))

    await api.store.write(add)
    return {"Statement": statement_text(permission, arn, api.place)}


async def get_policy(api: Api, call: Call) -> Answer:
    name = _named(api, call)

    def read(tx: Transaction) -> Owner:
        api.version(tx, name.name, None)
        owner = _owner(tx, name)
        if owner is None or not owner.permissions:
            raise not_found("The resource you requested does not exist.")
        return owner

    owner = await api.store.read(read)
    return {"Policy": policy_text(owner.permissions, _arn(api, name), api.place), "RevisionId": owner.revision_id}


async def remove_permission(api: Api, call: Call) -> Answer:
    params = call.params
    name = _named(api, call)

    def remove(tx: Transaction) -> None:
        if tx.functions.get(name.name) is None:
            raise not_found(f"No policy found for: {_arn(api, name)}")
        owner = _owner(tx, name)
        if owner is None and name.qualifier != LATEST:
            raise _not_there(api, name)
        if owner is None or not owner.permissions:
            raise not_found("No policy is associated with the given resource.")
        left = without_permission(owner.permissions, params["StatementId"])
        check_revision(owner, params.get("RevisionId"))
        _put(api, tx, owner, left)

    await api.store.write(remove)
    return {}


def _named(api: Api, call: Call) -> Named:
    return api.function(call, qualifier=call.params.get("Qualifier"))


def _arn(api: Api, name: Named) -> str:
    return api.place.function_arn(name.name, name.qualifier)


def _owner(tx: Transaction, name: Named) -> Owner | None:
    """None too for `$LATEST` by its name: its record keeps the policy of the function without a qualifier."""
    if name.qualifier is None:
        return tx.versions.get(FunctionVersionKey(name.name, LATEST))
    if name.qualifier == LATEST:
        return None
    alias = tx.aliases.get((name.name, name.qualifier))
    return alias or tx.versions.get(FunctionVersionKey(name.name, VersionName(name.qualifier)))


def _not_there(api: Api, name: Named) -> ApiError:
    qualifier = name.qualifier or LATEST
    if qualifier.isdecimal() or qualifier.startswith("$"):
        return api.function_not_found(name.name, name.qualifier)
    return not_found(f"Cannot find alias arn: {_arn(api, name)}")


def _put(api: Api, tx: Transaction, owner: Owner, permissions: tuple[Permission, ...]) -> None:
    if isinstance(owner, Alias):
        tx.aliases.put(replace(owner, permissions=permissions, revision_id=api.ids.uuid()))
    else:
        tx.versions.put(replace(owner, permissions=permissions, revision_id=api.ids.uuid()))


def _permission(params: Mapping[str, Any]) -> Permission:
    auth_type = params.get("FunctionUrlAuthType")
    return Permission(
        statement_id=params["StatementId"],
        action=params["Action"],
        principal=params["Principal"],
        organization_id=params.get("PrincipalOrgID"),
        source_arn=params.get("SourceArn"),
        source_account=params.get("SourceAccount"),
        event_source_token=params.get("EventSourceToken"),
        function_url_auth_type=None if auth_type is None else FunctionUrlAuthType(auth_type),
        invoked_via_function_url=params.get("InvokedViaFunctionUrl"),
    )


OPERATIONS = (
    Operation("lambda", "AddPermission", add_permission),
    Operation("lambda", "GetPolicy", get_policy),
    Operation("lambda", "RemovePermission", remove_permission),
)
