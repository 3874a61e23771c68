"""Removes the code of an environment that has ended, unless another one needs it."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from paddock.agent.code_store import CodeStore
from paddock.agent.images import ImageStore
from paddock.wire.agent import EnvironmentSpec


async def discard_code(
    code: CodeStore, images: ImageStore, ended: EnvironmentSpec, needed: Callable[[], Iterable[EnvironmentSpec]]
) -> None:
    """`needed` is what lives or is to live on the instance, at the moment it is asked."""

    def is_needed(code_sha256: str) -> bool:
        return any(code_sha256 in (spec.code_sha256, *spec.layers) for spec in needed())

    if ended.image is not None:
        await images.discard(ended.code_sha256, is_needed)
        return
    for package in {ended.code_sha256, *ended.layers}:
        await code.discard(package, is_needed)
    await code.discard_merged(ended.layers, lambda: any(spec.layers == ended.layers for spec in needed()))
