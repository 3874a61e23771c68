"""GetAccountSettings: AWS's default quotas, and what is used of them."""

from __future__ import annotations

from paddock.controlplane.api import Answer, Api, Call, Operation
from paddock.controlplane.packages import MAX_UNZIPPED_BYTES, MAX_ZIPPED_BYTES
from paddock.ports.store import Transaction

TOTAL_CODE_BYTES = 75 * 1024**3
CONCURRENT_EXECUTIONS = 1000


async def get_account_settings(api: Api, call: Call) -> Answer:
    def usage(tx: Transaction) -> dict[str, int]:
        sizes = [version.configuration.code.size_bytes for version in tx.versions.select()]
        return {"TotalCodeSize": sum(sizes), "FunctionCount": tx.functions.count()}

    return {
        "AccountLimit": {
            "TotalCodeSize": TOTAL_CODE_BYTES,
            "CodeSizeUnzipped": MAX_UNZIPPED_BYTES,
            "CodeSizeZipped": MAX_ZIPPED_BYTES,
            "ConcurrentExecutions": CONCURRENT_EXECUTIONS,
            "UnreservedConcurrentExecutions": CONCURRENT_EXECUTIONS,
        },
        "AccountUsage": await api.store.read(usage),
    }


OPERATIONS = (Operation("lambda", "GetAccountSettings", get_account_settings),)
