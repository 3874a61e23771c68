"""The one value that planning sees of a provider, made from the store's records and the inventory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from paddock.controlplane.inventory import Inventory
from paddock.controlplane.loads import LoadHistory
from paddock.controlplane.settings import ControlPlaneSettings
from paddock.model.capacity_provider import CapacityProvider
from paddock.model.fleet import FleetSnapshot, LaunchFailure, ManagedInstance, VersionTarget
from paddock.model.function import FunctionVersion
from paddock.model.ids import CapacityProviderName
from paddock.model.states import CapacityProviderState, FunctionState
from paddock.ports.store import Transaction

_WITHOUT_CAPACITY = frozenset({FunctionState.DEACTIVATED, FunctionState.ACTIVE_NON_INVOCABLE})


@dataclass(frozen=True, slots=True)
class StoredFleet:
    """What the store has of one provider at one moment."""

    provider: CapacityProvider
    versions: tuple[FunctionVersion, ...]
    launch_failures: tuple[LaunchFailure, ...]


def stored_fleet(tx: Transaction, provider: CapacityProvider) -> StoredFleet:
    failed = tx.failed_launches.select(provider=provider.name, order_by="at")
    return StoredFleet(
        provider,
        tuple(version for version in versions_of(tx, provider.name) if not version.is_latest),
        tuple(each.failure for each in failed),
    )


def versions_of(tx: Transaction, provider: CapacityProviderName) -> list[FunctionVersion]:
    """Those whose newest publish is on the provider, and those that still serve from it while they move elsewhere."""
    here = tx.versions.select(provider=provider)
    moving = tx.versions.select(serving_provider=provider)
    return [*here, *(version for version in moving if version.configuration.capacity_provider != provider)]


def snapshot(
    stored: StoredFleet, inventory: Inventory, loads: LoadHistory, settings: ControlPlaneSettings, now: datetime
) -> FleetSnapshot:
    provider = stored.provider
    return FleetSnapshot(
        provider=provider.name,
        requirements=provider.instance_requirements,
        scaling=provider.scaling_config,
        zones=settings.network.zones(provider.subnet_ids),
        offered_types=settings.offered_types,
        versions=tuple(_targets(stored, loads)),
        instances=tuple(aged(record.described(), settings, now) for record in inventory.instances.values()),
        environments=(*(record.described() for record in inventory.environments()), *inventory.failed(now)),
        launch_failures=stored.launch_failures,
        deleting=provider.state is CapacityProviderState.DELETING,
    )


def _targets(stored: StoredFleet, loads: LoadHistory) -> Iterable[VersionTarget]:
    for version in stored.versions:
        if version.state in _WITHOUT_CAPACITY:
            continue
        served = version.serving
        if served is not None and served.configuration.capacity_provider != stored.provider.name:
            served = None
        serving = served.revision if served else None
        target = VersionTarget(
            key=version.key,
            revision=version.revision,
            serving=serving,
            shape=version.configuration.shape,
            bounds=version.bounds,
            published_at=version.published_at or version.last_modified,
            loads=loads.of(version.key, serving),
            deleting=version.state is FunctionState.DELETING,
            failed=version.publish_failed and version.revision != serving,
        )
        if served is not None and version.configuration.capacity_provider != stored.provider.name:
            # It is moving to another provider: here it goes on as it is until it is served from there.
            target = replace(target, revision=served.revision, shape=served.configuration.shape, failed=False)
        yield target


def aged(instance: ManagedInstance, settings: ControlPlaneSettings, now: datetime) -> ManagedInstance:
    """Its replacement begins so early that it has ended when its lifetime has."""
    lifetime, planning = settings.instance_lifetime, settings.planning
    lead = min(lifetime * planning.replacement_lead_share, planning.replacement_lead)
    if instance.replace_reason is not None or now - instance.launched_at < lifetime - lead:
        return instance
    return replace(instance, replace_reason=f"its lifetime of {lifetime} is nearly over")
