"""Tenant isolation as CreateFunction says it: what it is chosen with, and what cannot be had beside it.

Chosen for good: no update has a parameter for it. AWS documents that SnapStart, provisioned concurrency and function
URLs do not go with it, not in which words it refuses them; of managed instances it says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from paddock.model.errors import ApiError, invalid_parameter

PER_TENANT = "PER_TENANT"


def asks_for_tenants(params: Mapping[str, Any]) -> bool:
    """The mode is required, and there is only one."""
    return bool(params.get("TenancyConfig"))


def not_with_tenants(what: str) -> ApiError:
    """`what` was asked for, of a function with tenant isolation."""
    return invalid_parameter(f"{what} is not supported for functions with tenant isolation.")


def refuse_tenants_on_managed_instances(params: Mapping[str, Any]) -> None:
    """An environment there works on many requests at once, whoever they are for. Raises `ApiError`."""
    if asks_for_tenants(params):
        raise invalid_parameter(
            "Tenant isolation is not supported for functions configured with capacity provider: their execution "
            "environments are shared by concurrent requests. Remove TenancyConfig or CapacityProviderConfig from your "
            "request."
        )
