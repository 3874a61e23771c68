"""`sts get-caller-identity`: what every AWS tool asks first to see whether its keys work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paddock.awsapi.operations import Call, Declaration

CALLER_IDENTITY = Declaration("sts", "GetCallerIdentity")


async def caller_identity(call: Call) -> Mapping[str, Any]:
    """There is one user, the operator; AWS's shape for the root of an account."""
    account = call.account_id
    return {"UserId": account, "Account": account, "Arn": f"arn:aws:iam::{account}:root"}
