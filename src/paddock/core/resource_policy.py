"""Policies of functions and of layer versions: how statements come to them and go, and how AWS writes them.

Pure: who may do what is not decided here, nor anywhere. Refusals are raised as AWS's errors.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from paddock.model.arns import Place
from paddock.model.errors import ApiError, conflict, invalid_parameter, not_found
from paddock.model.resource_policy import Permission

MAX_POLICY_BYTES = 20_480
"""Of a resource-based policy (Lambda quotas: 20 KB)."""

INVOKE = "lambda:InvokeFunction"
INVOKE_URL = "lambda:InvokeFunctionUrl"

_EVERYONE = "*"
_ACCOUNT = re.compile(r"[0-9]{12}")
_ARN = re.compile(r"arn:aws[a-zA-Z-]*:(iam|sts)::[0-9]{12}:.+")
_SERVICE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9.-]*\.(amazonaws\.com(\.cn)?|amazon\.com)")
"""Which services there are, AWS knows: any name of the form is taken. Alexa's end with `amazon.com`."""


def with_permission(
    permissions: tuple[Permission, ...], permission: Permission, resource_arn: str, place: Place
) -> tuple[Permission, ...]:
    """Raises `ApiError` when the statement id is taken or the policy would be too long."""
    if any(each.statement_id == permission.statement_id for each in permissions):
        raise conflict(
            f"The statement id ({permission.statement_id}) provided already exists. "
            "Please provide a new statement id, or remove the existing statement."
        )
    grown = (*permissions, permission)
    size = len(policy_text(grown, resource_arn, place).encode())
    if size > MAX_POLICY_BYTES:
        raise ApiError(
            "PolicyLengthExceededException",
            f"The final policy size ({size}) is bigger than the limit ({MAX_POLICY_BYTES}).",
            members={"Type": "User"},
        )
    return grown


def without_permission(permissions: tuple[Permission, ...], statement_id: str) -> tuple[Permission, ...]:
    """Raises `ApiError` when there is no such statement."""
    left = tuple(each for each in permissions if each.statement_id != statement_id)
    if len(left) == len(permissions):
        raise not_found(f"Statement {statement_id} is not found in resource policy.")
    return left


def check_permission(permission: Permission) -> None:
    """Of a function: a principal that AWS could mean, and conditions that the action has. Raises `ApiError`."""
    principal = permission.principal
    if principal != _EVERYONE and not any(form.fullmatch(principal) for form in (_ACCOUNT, _ARN, _SERVICE)):
        raise invalid_parameter("The provided principal was invalid. Please check the principal and try again.")
    if permission.function_url_auth_type is not None and permission.action != INVOKE_URL:
        raise invalid_parameter(f"FunctionUrlAuthType is only supported for {INVOKE_URL} action")
    if permission.invoked_via_function_url is not None and permission.action != INVOKE:
        raise invalid_parameter(f"InvokedViaFunctionUrl is only supported for {INVOKE} action")


def policy_text(permissions: tuple[Permission, ...], resource_arn: str, place: Place) -> str:
    statements = [_statement(permission, resource_arn, place) for permission in permissions]
    return _text({"Version": "2012-10-17", "Id": "default", "Statement": statements})


def statement_text(permission: Permission, resource_arn: str, place: Place) -> str:
    return _text(_statement(permission, resource_arn, place))


def _text(document: Mapping[str, object]) -> str:
    return json.dumps(document, separators=(",", ":"))


def _statement(permission: Permission, resource_arn: str, place: Place) -> dict[str, object]:
    statement: dict[str, object] = {
        "Sid": permission.statement_id,
        "Effect": "Allow",
        "Principal": _principal(permission.principal, place),
        "Action": permission.action,
        "Resource": resource_arn,
    }
    condition = _condition(permission)
    return statement | {"Condition": condition} if condition else statement


def _principal(principal: str, place: Place) -> str | dict[str, str]:
    """An account is its root, in AWS's words."""
    if principal == _EVERYONE:
        return principal
    if _SERVICE.fullmatch(principal):
        return {"Service": principal}
    if _ACCOUNT.fullmatch(principal):
        principal = place.root_arn(principal)
    return {"AWS": principal}


def _condition(permission: Permission) -> dict[str, dict[str, str]]:
    via_url = permission.invoked_via_function_url
    operators: dict[str, dict[str, str | None]] = {
        "StringEquals": {
            "AWS:SourceAccount": permission.source_account,
            "aws:PrincipalOrgID": permission.organization_id,
            "lambda:EventSourceToken": permission.event_source_token,
            "lambda:FunctionUrlAuthType": permission.function_url_auth_type,
        },
        "ArnLike": {"AWS:SourceArn": permission.source_arn},
        "Bool": {"lambda:InvokedViaFunctionUrl": None if via_url is None else str(via_url).lower()},
    }
    said = {
        operator: {key: value for key, value in values.items() if value is not None}
        for operator, values in operators.items()
    }
    return {operator: values for operator, values in said.items() if values}
