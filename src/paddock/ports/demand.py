"""How a router asks for what default Lambda starts on demand: it says how many invocations wait, never what to do."""

from __future__ import annotations

from typing import Protocol

from paddock.model.ids import NO_TENANT, FunctionVersionKey, TenantId


class EnvironmentDemand(Protocol):
    def want(self, key: FunctionVersionKey, waiting: int, tenant_id: TenantId = NO_TENANT) -> None:
        """So many invocations of the version (for the tenant) have no environment now. Said when the number changes."""
        ...


class NoDemand:
    """For a router without default Lambda."""

    def want(self, key: FunctionVersionKey, waiting: int, tenant_id: TenantId = NO_TENANT) -> None:
        """Nobody starts anything."""
