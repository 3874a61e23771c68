"""`sts get-caller-identity`: what every AWS tool asks first to see whether its keys work."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paddock.awsapi.operations import Call, Declaration
from paddock.model.arns import Place
from paddock.model.ids import Region

CALLER_IDENTITY = Declaration("sts", "GetCallerIdentity")


async def caller_identity(call: Call) -> Mapping[str, Any]:
    """There is one user, the operator; AWS's shape for the root of an account."""
    account = call.account_id
    return {"UserId": account, "Account": account, "Arn": Place(Region(call.region), account).root_arn()}
