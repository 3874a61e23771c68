"""The images of one instance: fetched from the server blob by blob, each layer unpacked once, each image laid together
once, shared by environments.

Named by content. What is here of a layer is known by this process alone: an instance does not outlive its agent.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import shutil
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from paddock.agent.limits import BLOB_WAIT_SECONDS, IDLE_IMAGE_BYTES
from paddock.agent.packages import build_in_place
from paddock.agent.runtime_process import CannotStart
from paddock.core.environment.errors import INVALID_IMAGE, PLATFORM_FAILURE
from paddock.images.budget import Budget
from paddock.images.compression import decompressed
from paddock.images.documents import (
    Descriptor,
    ImageConfiguration,
    Manifest,
    digest_of,
    read_configuration,
    read_manifest,
)
from paddock.images.errors import ImageError, ImageInvalid
from paddock.images.layers import UnpackedLayer, unpack_layer
from paddock.images.limits import MAX_ENTRIES, MAX_MANIFEST_BYTES, MAX_UNPACKED_BYTES
from paddock.images.tar import file_pieces
from paddock.images.tree import assemble

Fetch = Callable[[str, Path, int, float], Awaitable[None]]
"""`CodeStore.fetch`."""


_LAYERS_AT_ONCE = 2
"""Of one image: one comes in or is unpacked beside the other."""


@dataclass(frozen=True, slots=True)
class AssembledImage:
    """`root` is the tree on this machine's disk, which nobody changes."""

    root: Path
    configuration: ImageConfiguration


@dataclass(frozen=True, slots=True)
class _Kept:
    image: AssembledImage
    layers: frozenset[str]


class ImageStore:
    def __init__(self, directory: Path, fetch: Fetch, idle_bytes: int | None = None) -> None:
        self._directory = directory
        self._fetch = fetch
        self._idle_bytes = IDLE_IMAGE_BYTES if idle_bytes is None else idle_bytes
        self._idle: OrderedDict[str, None] = OrderedDict()
        self._images: dict[str, _Kept] = {}
        self._layers: dict[str, UnpackedLayer] = {}
        self._used: Counter[str] = Counter()
        # The first environment makes what it needs, the others wait for it; layers belong to several images.
        self._locks: dict[str, asyncio.Lock] = {}

    async def assembled(self, manifest_sha256: str) -> AssembledImage:
        """`manifest_sha256` is what the code store calls the manifest. Raises `CannotStart`."""
        async with self._lock(manifest_sha256):
            kept = self._images.get(manifest_sha256)
            if kept is None:
                try:
                    kept = await self._make(manifest_sha256)
                except ImageError as error:
                    raise CannotStart(INVALID_IMAGE, str(error)) from error
                except OSError as error:
                    raise CannotStart(PLATFORM_FAILURE, f"The image could not be stored: {error.strerror}") from error
                self._images[manifest_sha256] = kept
            self._idle.pop(manifest_sha256, None)
            return kept.image

    async def discard(self, manifest_sha256: str, is_wanted: Callable[[str], bool]) -> None:
        """An image that is not wanted (again) by then stays as long as there is room for such, in case it comes back.
        With the last image that has it a layer goes too.
        """
        async with self._lock(manifest_sha256):
            if manifest_sha256 not in self._images or is_wanted(manifest_sha256):
                return
            self._idle[manifest_sha256] = None
            self._idle.move_to_end(manifest_sha256)
        while self._idle and self._bytes_idle() > self._idle_bytes:
            await self._remove_idle(next(iter(self._idle)))

    def _bytes_idle(self) -> int:
        """Of layers that two of them have, once."""
        layers = {layer for name in self._idle for layer in self._images[name].layers}
        return sum(self._layers[layer].bytes_unpacked for layer in layers)

    async def _remove_idle(self, manifest_sha256: str) -> None:
        async with self._lock(manifest_sha256):
            if manifest_sha256 not in self._idle:
                return
            del self._idle[manifest_sha256]
            kept = self._images.pop(manifest_sha256)
            await asyncio.to_thread(_remove, kept.image.root)
            await self._let_go(kept.layers)

    async def _let_go(self, layers: frozenset[str]) -> None:
        self._used.subtract(layers)
        for layer in layers:
            async with self._lock(layer):
                if not self._used[layer] and self._layers.pop(layer, None) is not None:
                    await asyncio.to_thread(_remove, self._layer_place(layer))

    def _lock(self, name: str) -> asyncio.Lock:
        return self._locks.setdefault(name, asyncio.Lock())

    async def _make(self, manifest_sha256: str) -> _Kept:
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        manifest_digest = f"sha256:{base64.b64decode(manifest_sha256).hex()}"
        manifest = read_manifest(await self._small(Descriptor(manifest_digest, MAX_MANIFEST_BYTES)), "")
        if not isinstance(manifest, Manifest):
            raise ImageInvalid("The manifest is an index.")
        configuration = read_configuration(await self._small(manifest.config), manifest, None)
        names = frozenset(layer.hexadecimal for layer in manifest.layers)
        self._used.update(names)
        try:
            layers = await self._all_unpacked(manifest, configuration)
            root = self._directory / "roots" / manifest_digest.removeprefix("sha256:")
            await asyncio.to_thread(_built, root, lambda building: assemble(layers, building))
        except BaseException:
            await self._let_go(names)
            raise
        return _Kept(AssembledImage(root, configuration), names)

    async def _all_unpacked(
        self, manifest: Manifest, configuration: ImageConfiguration
    ) -> list[tuple[Path, UnpackedLayer]]:
        """From the bottom up; while one is unpacked, the next is fetched."""
        budget = Budget(MAX_UNPACKED_BYTES, MAX_ENTRIES)
        at_once = asyncio.Semaphore(_LAYERS_AT_ONCE)

        async def one(layer: Descriptor, diff_id: str) -> tuple[Path, UnpackedLayer]:
            async with at_once, self._lock(layer.hexadecimal):
                return self._layer_place(layer.hexadecimal), await self._unpacked(layer, diff_id, budget)

        try:
            async with asyncio.TaskGroup() as group:
                pairs = zip(manifest.layers, configuration.diff_ids, strict=True)
                tasks = [group.create_task(one(layer, diff_id)) for layer, diff_id in pairs]
        except BaseExceptionGroup as errors:
            # Whichever failed first; the others were cancelled over it.
            raise errors.exceptions[0] from errors
        return [task.result() for task in tasks]

    async def _small(self, blob: Descriptor) -> bytes:
        place = self._directory / f"{blob.hexadecimal}.blob"
        try:
            await self._fetch(_code_name(blob), place, blob.size_bytes, BLOB_WAIT_SECONDS)
            content = await asyncio.to_thread(place.read_bytes)
        finally:
            place.unlink(missing_ok=True)
        if digest_of(content) != blob.digest:
            raise ImageInvalid(f"{blob.digest} is not what it is called.")
        return content

    async def _unpacked(self, layer: Descriptor, diff_id: str, budget: Budget) -> UnpackedLayer:
        known = self._layers.get(layer.hexadecimal)
        if known is not None:
            budget.take(size_bytes=known.bytes_unpacked, entries=known.entries)
            return known
        place = self._directory / f"{layer.hexadecimal}.blob"
        try:
            await self._fetch(_code_name(layer), place, layer.size_bytes, BLOB_WAIT_SECONDS)
            target = self._layer_place(layer.hexadecimal)
            unpacked = await asyncio.to_thread(_unpack, place, target, diff_id, budget)
        finally:
            place.unlink(missing_ok=True)
        self._layers[layer.hexadecimal] = unpacked
        return unpacked

    def _layer_place(self, hexadecimal: str) -> Path:
        return self._directory / "layers" / hexadecimal


def _code_name(blob: Descriptor) -> str:
    return base64.b64encode(bytes.fromhex(blob.hexadecimal)).decode()


def _unpack(archive: Path, target: Path, diff_id: str, budget: Budget) -> UnpackedLayer:
    found: list[UnpackedLayer] = []

    def build(building: Path) -> None:
        with archive.open("rb") as file:
            found.append(unpack_layer(decompressed(file_pieces(file)), building, diff_id, budget))

    _built(target, build)
    return found[0]


def _built(target: Path, build: Callable[[Path], object]) -> None:
    """`target` is whole or not there. Who does the same at the same time, because an environment was given up in the
    middle of it and another needs the same, is not disturbed: the content is the same.
    """

    def fill(building: Path) -> None:
        building.chmod(0o755)
        build(building)

    target.parent.mkdir(parents=True, exist_ok=True)
    build_in_place(target, fill)


def _remove(place: Path) -> None:
    """In one step for those who look for it, then file by file."""
    leaving = place.with_name(f"{place.name}.leaving")
    with contextlib.suppress(OSError):
        place.rename(leaving)
        shutil.rmtree(leaving, ignore_errors=True)
