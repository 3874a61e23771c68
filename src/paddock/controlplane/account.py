"""GetAccountSettings: AWS's default quotas, and what is used of them."""

from __future__ import annotations

from paddock.controlplane.api import Answer, Api, Call, Operation
from paddock.controlplane.code_storage import stored_code_bytes
from paddock.controlplane.packages import MAX_UNZIPPED_BYTES, MAX_ZIPPED_BYTES
from paddock.ports.store import Transaction


async def get_account_settings(api: Api, call: Call) -> Answer:
    def usage(tx: Transaction) -> tuple[dict[str, int], int]:
        reserved = sum(function.reserved_concurrency or 0 for function in tx.functions.select())
        return {"TotalCodeSize": stored_code_bytes(tx), "FunctionCount": tx.functions.count()}, reserved

    used, reserved = await api.store.read(usage)
    return {
        "AccountLimit": {
            "TotalCodeSize": api.code_storage_bytes,
            "CodeSizeUnzipped": MAX_UNZIPPED_BYTES,
            "CodeSizeZipped": MAX_ZIPPED_BYTES,
            "ConcurrentExecutions": api.account_concurrency,
            "UnreservedConcurrentExecutions": api.account_concurrency - reserved,
        },
        "AccountUsage": used,
    }


OPERATIONS = (Operation("lambda", "GetAccountSettings", get_account_settings),)
