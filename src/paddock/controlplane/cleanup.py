"""Removes deployment packages that no version needs any more."""

from __future__ import annotations

import asyncio

from paddock.model.ids import CodeSha256
from paddock.ports.code import CodeStore
from paddock.ports.store import Store, Transaction


async def remove_unneeded_code(store: Store, code: CodeStore, arriving: asyncio.Lock) -> int:
    """How many were removed. `arriving` is held by whoever keeps a package that no version names yet."""
    async with arriving:
        kept = await code.list()
        needed = await store.read(_needed)
        unneeded = [sha256 for sha256 in kept if sha256 not in needed]
        for sha256 in unneeded:
            await code.delete(sha256)
    return len(unneeded)


def _needed(tx: Transaction) -> set[CodeSha256]:
    needed: set[CodeSha256] = set()
    for version in tx.versions.select():
        needed.add(version.configuration.code.sha256)
        if version.serving is not None:
            needed.add(version.serving.configuration.code.sha256)
    return needed
