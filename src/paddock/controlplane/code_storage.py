"""How much code the account keeps: every version of every function and layer by its own size, as AWS counts it.

Images lie in a registry and count nothing.
"""

from __future__ import annotations

from paddock.controlplane.api import Api
from paddock.controlplane.packages import MAX_UNZIPPED_BYTES
from paddock.model.errors import ApiError
from paddock.ports.store import Transaction


def stored_code_bytes(tx: Transaction) -> int:
    of_functions = sum(version.configuration.code.size_bytes for version in tx.versions.select())
    return of_functions + sum(layer.code.size_bytes for layer in tx.layer_versions.select())


def check_code_storage(api: Api, tx: Transaction) -> None:
    """What this transaction has stored counts already. Raises `ApiError`, which undoes it."""
    packages = tx.versions.count() + tx.layer_versions.count()
    # Few packages cannot be too much however large they are; only many have to be looked at one by one.
    if packages * MAX_UNZIPPED_BYTES > api.code_storage_bytes and stored_code_bytes(tx) > api.code_storage_bytes:
        raise ApiError("CodeStorageExceededException", "Code storage limit exceeded.", members={"Type": "User"})
