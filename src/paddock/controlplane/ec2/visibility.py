"""Whether managed resources are shown in lists by default: one switch of the account."""

from __future__ import annotations

from paddock.controlplane.api import Answer, Api, Call, Operation
from paddock.controlplane.ec2.errors import check_dry_run
from paddock.ports.store import StoredValue, Transaction

HIDDEN = "hidden"
"""AWS's default for what was launched since 2026-04-22."""

_NAME = "ec2/managed-resource-visibility"


def default_visibility(tx: Transaction) -> str:
    stored = tx.values.get(_NAME)
    return HIDDEN if stored is None else stored.value


async def get_managed_resource_visibility(api: Api, call: Call) -> Answer:
    check_dry_run(call.params)
    return {"Visibility": {"DefaultVisibility": await api.store.read(default_visibility)}}


async def modify_managed_resource_visibility(api: Api, call: Call) -> Answer:
    check_dry_run(call.params)
    wanted = call.params["DefaultVisibility"]
    await api.store.write(lambda tx: tx.values.put(StoredValue(_NAME, wanted)))
    return {"Visibility": {"DefaultVisibility": wanted}}


OPERATIONS = (
    Operation("ec2", "GetManagedResourceVisibility", get_managed_resource_visibility),
    Operation("ec2", "ModifyManagedResourceVisibility", modify_managed_resource_visibility),
)
