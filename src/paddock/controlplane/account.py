"""GetAccountSettings: AWS's default quotas, and what is used of them."""

from __future__ import annotations

from paddock.controlplane.api import Answer, Api, Call, Operation
from paddock.controlplane.packages import MAX_UNZIPPED_BYTES, MAX_ZIPPED_BYTES
from paddock.ports.store import Transaction

TOTAL_CODE_BYTES = 75 * 1024**3


async def get_account_settings(api: Api, call: Call) -> Answer:
    def usage(tx: Transaction) -> tuple[dict[str, int], int]:
        reserved = sum(function.reserved_concurrency or 0 for function in tx.functions.select())
        sizes = [version.configuration.code.size_bytes for version in tx.versions.select()]
        sizes += [layer.code.size_bytes for layer in tx.layer_versions.select()]
        return {"TotalCodeSize": sum(sizes), "FunctionCount": tx.functions.count()}, reserved

    used, reserved = await api.store.read(usage)
    return {
        "AccountLimit": {
            "TotalCodeSize": TOTAL_CODE_BYTES,
            "CodeSizeUnzipped": MAX_UNZIPPED_BYTES,
            "CodeSizeZipped": MAX_ZIPPED_BYTES,
            "ConcurrentExecutions": api.account_concurrency,
            "UnreservedConcurrentExecutions": api.account_concurrency - reserved,
        },
        "AccountUsage": used,
    }


OPERATIONS = (Operation("lambda", "GetAccountSettings", get_account_settings),)
