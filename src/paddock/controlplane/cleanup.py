"""Removes deployment packages that no version of a function or a layer needs any more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from paddock.model.function import FunctionConfiguration
from paddock.model.ids import CodeSha256
from paddock.ports.code import CodeStore
from paddock.ports.store import Store, Transaction


async def remove_unneeded_code(
    store: Store, code: CodeStore, arriving: asyncio.Lock, pulled: Callable[[], set[CodeSha256]] = set
) -> int:
    """How many were removed. `arriving` is held by whoever keeps a package that no version names yet, `pulled` is what
    of images must stay.
    """
    async with arriving:
        kept = await code.list()
        # Asked before the versions: an image is named by one before it is let go.
        staying = pulled()
        needed = staying | await store.read(_needed)
        unneeded = [sha256 for sha256 in kept if sha256 not in needed]
        for sha256 in unneeded:
            await code.delete(sha256)
    return len(unneeded)


def _needed(tx: Transaction) -> set[CodeSha256]:
    needed = {layer.code.sha256 for layer in tx.layer_versions.select()}
    for version in tx.versions.select():
        needed |= _needed_by(version.configuration)
        if version.serving is not None:
            needed |= _needed_by(version.serving.configuration)
    return needed


def _needed_by(configuration: FunctionConfiguration) -> set[CodeSha256]:
    blobs = () if configuration.image is None else configuration.image.blobs
    return {configuration.code.sha256, *(layer.code.sha256 for layer in configuration.layers), *blobs}
