"""States that follow from the inventory alone: a provider becomes Active, a requested scaling is applied."""

from __future__ import annotations

from dataclasses import replace

from paddock.controlplane.inventory import Inventory
from paddock.controlplane.outcomes import settled_scaling
from paddock.controlplane.snapshots import StoredFleet
from paddock.core.lifecycle import CAPACITY_PROVIDER, CapacityProviderEvent
from paddock.model.function import FunctionVersion
from paddock.model.states import CapacityProviderState, EnvironmentPhase
from paddock.ports.store import Store, Transaction


async def advanced(store: Store, stored: StoredFleet, inventory: Inventory) -> bool:
    """True when something of `stored` was changed in the store."""
    provider = stored.provider
    validated = provider.state is CapacityProviderState.PENDING
    settled = [changed for version in stored.versions if (changed := _settled(version, inventory)) is not None]
    if not validated and not settled:
        return False

    def write(tx: Transaction) -> None:
        if validated:
            _validate(tx, stored)
        for version in settled:
            _settle(tx, version)

    await store.write(write)
    return True


def _settled(version: FunctionVersion, inventory: Inventory) -> FunctionVersion | None:
    if version.serving is None or version.requested_scaling is None:
        return None
    serving = version.serving.revision
    ready = sum(
        record.key == version.key
        and record.revision == serving
        and record.phase is EnvironmentPhase.READY
        and not record.spec.draining
        for record in inventory.environments()
    )
    return settled_scaling(version, ready)


def _validate(tx: Transaction, stored: StoredFleet) -> None:
    """Only from the state it was seen in: a handler may have been there since."""
    provider = tx.capacity_providers.get(stored.provider.name)
    if provider is not None and provider.state is stored.provider.state:
        state = CAPACITY_PROVIDER.next(provider.state, CapacityProviderEvent.VALIDATED)
        assert state is not None
        tx.capacity_providers.put(replace(provider, state=state))


def _settle(tx: Transaction, version: FunctionVersion) -> None:
    stored = tx.versions.get(version.key)
    if stored is not None and stored.requested_scaling == version.applied_scaling:
        tx.versions.put(replace(stored, requested_scaling=None, applied_scaling=version.applied_scaling))
