"""The tenant that a caller names, checked: functions with tenant isolation need one, the others take none.

The pattern is that of the public API model. The text for a missing tenant is AWS's; the one for a needless tenant
follows it, as the developer guide ("Troubleshooting tenant isolation") has its type only.
"""

from __future__ import annotations

import re

from paddock.core.routing.refusals import Refusal
from paddock.core.routing.table import Destination
from paddock.model.errors import validation_failed
from paddock.model.ids import NO_TENANT, TenantId

TENANT_ID_PATTERN = r"[a-zA-Z0-9\._:\/=+\-@ ]+"
TENANT_ID_CHARACTERS = 256
_TENANT_ID = re.compile(TENANT_ID_PATTERN)

TENANT_IS_MISSING = Refusal(
    "InvalidParameterValueException",
    "The invoked function is enabled with tenancy configuration. Add a valid tenant ID in your request and try again.",
    400,
)
TENANT_IS_NEEDLESS = Refusal(
    "InvalidParameterValueException",
    "The invoked function is not enabled with tenancy configuration. Remove the tenant ID from your request and try "
    "again.",
    400,
)


def checked_tenant(tenant_id: str | None, destination: Destination) -> TenantId:
    """None means that the caller named nobody. Raises `ApiError`."""
    if tenant_id is not None:
        _check_form(tenant_id)
    if destination.per_tenant and tenant_id is None:
        raise TENANT_IS_MISSING.error()
    if tenant_id is not None and not destination.per_tenant:
        raise TENANT_IS_NEEDLESS.error()
    return NO_TENANT if tenant_id is None else TenantId(tenant_id)


def _check_form(tenant_id: str) -> None:
    constraint = None
    if not tenant_id:
        constraint = "Member must have length greater than or equal to 1"
    elif len(tenant_id) > TENANT_ID_CHARACTERS:
        constraint = f"Member must have length less than or equal to {TENANT_ID_CHARACTERS}"
    elif _TENANT_ID.fullmatch(tenant_id) is None:
        constraint = f"Member must satisfy regular expression pattern: {TENANT_ID_PATTERN}"
    if constraint is not None:
        raise validation_failed(f"Value '{tenant_id}' at 'tenantId' failed to satisfy constraint: {constraint}")
