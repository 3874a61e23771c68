"""A patch: every running instance of a fleet is asked to be replaced. The planner takes turns; here it is written down.

The intention is stored with each instance, so that a restarted server carries it on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from paddock.controlplane.fleet_records import InstanceRecord
from paddock.controlplane.reconciler import ProviderReconciler
from paddock.model.errors import conflict
from paddock.model.ids import DEFAULT_LAMBDA, CapacityProviderName, InstanceId
from paddock.model.states import InstancePhase
from paddock.ports.store import Store, StoreError, Transaction

PATCHED = "it is patched: a new runtime or agent"


async def patch(
    reconcilers: Sequence[ProviderReconciler], store: Store
) -> dict[CapacityProviderName, tuple[InstanceId, ...]]:
    """The instances it was asked of. Raises `ApiError`, and asks nobody, where an earlier patch still goes on."""
    for each in reconcilers:
        if any(record.intent.replace_reason is not None for record in each.inventory.instances.values()):
            name = "default Lambda" if each.name == DEFAULT_LAMBDA else each.name
            raise conflict(f"A patch of {name} is under way; `paddock status` shows how far it is.")
    begun: dict[CapacityProviderName, tuple[InstanceId, ...]] = {}
    marked: list[InstanceRecord] = []
    for each in reconcilers:
        records = [one for one in each.inventory.instances.values() if one.phase is InstancePhase.RUNNING]
        for record in records:
            # Here first: a reconciler that stores the record meanwhile stores the mark too.
            record.intent = replace(record.intent, replace_reason=PATCHED)
        begun[each.name] = tuple(record.instance_id for record in records)
        marked += records

    def mark(tx: Transaction) -> None:
        found = [tx.instances.get(record.instance_id) for record in marked]
        tx.instances.put_many([replace(intent, replace_reason=PATCHED) for intent in found if intent is not None])

    try:
        await store.write(mark)
    except StoreError:
        for record in marked:
            record.intent = replace(record.intent, replace_reason=None)
        raise
    for each in reconcilers:
        each.wake()
    return begun
