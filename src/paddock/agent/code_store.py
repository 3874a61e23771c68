"""The deployment packages and layers of one instance: fetched from the server once, verified, unpacked once, shared
by environments.

Named by content, so that nothing here is ever changed, only added and removed.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import contextlib
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, TypeVar

from paddock.agent.layers import merge
from paddock.agent.limits import CODE_WAIT_SECONDS, MAX_PACKAGE_BYTES
from paddock.agent.packages import PackageRefused, remove_package, unpack
from paddock.agent.runtime_process import CannotStart
from paddock.core.environment.errors import INVALID_ZIP, PLATFORM_FAILURE
from paddock.wire.agent import CodeChunk

T = TypeVar("T")


@dataclass(slots=True)
class _Transfer:
    """A package, or a part of an image, on its way; `done` gets None, or what went wrong."""

    path: Path
    file: BinaryIO
    done: asyncio.Future[str | None]
    most_bytes: int
    received: int = 0
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)


class CodeStore:
    """`request` asks the server for a package; it may be asked again when another server connects."""

    def __init__(self, directory: Path, request: Callable[[str], None]) -> None:
        self._directory = directory
        self._request = request
        self._transfers: dict[str, _Transfer] = {}
        # One lock for each package: the first environment fetches and unpacks, the others wait for it.
        self._locks: dict[str, asyncio.Lock] = {}
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)

    async def unpacked(self, code_sha256: str) -> Path:
        """The directory that holds the code. Raises `CannotStart`."""
        name = _directory_name(code_sha256)
        directory = self._directory / name
        async with self._lock(name):
            if not directory.is_dir():
                archive = self._directory / f"{name}.zip"
                try:
                    await self._fetch(code_sha256, archive)
                    await _built(unpack, archive, directory)
                finally:
                    archive.unlink(missing_ok=True)
        return directory

    async def merged(self, layers: Sequence[str]) -> Path | None:
        """The directory that stands at `/opt`: the layers in their order, a later one over an earlier one; None
        without layers. Raises `CannotStart`.
        """
        unpacked = [await self.unpacked(layer) for layer in layers]
        if len(unpacked) <= 1:
            return unpacked[0] if unpacked else None
        name = _merged_name(layers)
        directory = self._directory / name
        async with self._lock(name):
            if not directory.is_dir():
                await _built(merge, unpacked, directory)
        return directory

    async def fetch(self, sha256: str, place: Path, most_bytes: int, wait_seconds: float) -> None:
        """A file of the server's code store as it is. Raises `CannotStart`, and then `place` means nothing."""
        try:
            await self._fetch(sha256, place, most_bytes, wait_seconds)
        except OSError as error:
            raise CannotStart(PLATFORM_FAILURE, f"The code could not be stored: {error.strerror}") from error

    def _lock(self, name: str) -> asyncio.Lock:
        return self._locks.setdefault(name, asyncio.Lock())

    async def _fetch(
        self,
        code_sha256: str,
        archive: Path,
        most_bytes: int = MAX_PACKAGE_BYTES,
        wait_seconds: float = CODE_WAIT_SECONDS,
    ) -> None:
        with archive.open("wb") as file:
            done: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
            self._transfers[code_sha256] = _Transfer(archive, file, done, most_bytes)
            try:
                self._request(code_sha256)
                async with asyncio.timeout(wait_seconds):
                    error = await done
            except TimeoutError:
                error = "the deployment package did not arrive in time"
            finally:
                del self._transfers[code_sha256]
        if error is not None:
            raise CannotStart(PLATFORM_FAILURE, error)

    def server_connected(self) -> None:
        """Whatever the last server left unfinished is asked for anew."""
        for code_sha256 in self._transfers:
            self._request(code_sha256)

    def receive(self, chunk: CodeChunk) -> None:
        transfer = self._transfers.get(chunk.code_sha256)
        if transfer is None or transfer.done.done():
            return
        try:
            error = _take(transfer, chunk)
        except OSError as failed:
            error = f"the deployment package could not be stored: {failed.strerror}"
        if error is not None or chunk.last:
            transfer.done.set_result(error)

    async def discard(self, code_sha256: str, is_wanted: Callable[[str], bool]) -> None:
        """Remove a package unless it is wanted (again) by the time it can be removed."""
        await self._remove(_directory_name(code_sha256), lambda: is_wanted(code_sha256))

    async def discard_merged(self, layers: Sequence[str], are_wanted: Callable[[], bool]) -> None:
        """The same of layers over each other; what is unpacked of each is a package of its own."""
        if len(layers) > 1:
            await self._remove(_merged_name(layers), are_wanted)

    async def _remove(self, name: str, is_wanted: Callable[[], bool]) -> None:
        async with self._lock(name):
            if not is_wanted():
                with contextlib.suppress(OSError):
                    await asyncio.to_thread(remove_package, self._directory / name)


async def _built(build: Callable[[T, Path], None], source: T, directory: Path) -> None:
    """In a thread, to its end also when nobody wants it any more: else it would be there after it was discarded.
    Raises `CannotStart`.
    """
    building = asyncio.get_running_loop().run_in_executor(None, build, source, directory)
    try:
        await asyncio.shield(building)
    except asyncio.CancelledError:
        with contextlib.suppress(Exception):
            await building
        raise
    except PackageRefused as refused:
        raise CannotStart(INVALID_ZIP, str(refused)) from refused
    except OSError as error:
        text = f"The deployment package could not be stored: {error.strerror}"
        raise CannotStart(PLATFORM_FAILURE, text) from error


def _take(transfer: _Transfer, chunk: CodeChunk) -> str | None:
    """What is wrong with the transfer now, if anything."""
    if chunk.error is not None:
        return chunk.error
    if chunk.offset == 0 and transfer.received:
        transfer.file.seek(0)
        transfer.file.truncate()
        transfer.received = 0
        transfer.digest = hashlib.sha256()
    if chunk.offset != transfer.received:
        return "a piece of the deployment package is missing"
    transfer.received += len(chunk.data)
    if transfer.received > transfer.most_bytes:
        return "the deployment package is too large"
    transfer.digest.update(chunk.data)
    transfer.file.write(chunk.data)
    if not chunk.last:
        return None
    transfer.file.flush()
    sent = base64.b64encode(transfer.digest.digest()).decode()
    return None if sent == chunk.code_sha256 else "the deployment package is not what was asked for"


def _directory_name(code_sha256: str) -> str:
    """Base64 may hold slashes."""
    try:
        return base64.b64decode(code_sha256, validate=True).hex()
    except (binascii.Error, ValueError):
        return hashlib.sha256(code_sha256.encode()).hexdigest()


def _merged_name(layers: Sequence[str]) -> str:
    return "opt-" + hashlib.sha256("\n".join(layers).encode()).hexdigest()
