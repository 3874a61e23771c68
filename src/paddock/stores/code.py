"""Deployment packages on disk: named by content, encrypted with a key of their own, in chunks that can be streamed.

    magic   8 bytes
    length  u32, bytes of the header
    header  JSON: total size and the data key, wrapped by the keyring
    chunks  1 MiB each (the last is shorter), AES-256-GCM; nonce = chunk number, used once because the key is

What is authenticated with each chunk is the package's name and the chunk's number, with the wrapped key its name and
size: a chunk cannot be moved, left out or come from another package.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import struct
import threading
from collections.abc import AsyncGenerator, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from paddock.model.ids import CodeSha256
from paddock.ports.code import CodeMissingError
from paddock.ports.store import StoreError
from paddock.stores.files import remove_unfinished, write_whole
from paddock.stores.keyring import KEY_BITS, NONCE_BYTES, Keyring, UnwrapError, WrappedKey

CHUNK_BYTES = 1024 * 1024
_TAG_BYTES = 16
_MAGIC = b"PADDOCK1"
_LENGTH = struct.Struct("<I")
_THREADS = 2
"""Packages are few; one being written must not hold up one being read."""
_SLOW_THREADS = 6
"""For what comes piece by piece from elsewhere; nothing else waits for these."""


class _Header(msgspec.Struct, frozen=True):
    size_bytes: int
    key: WrappedKey


class EncryptedCodeStore:
    def __init__(self, directory: Path, keyring: Keyring) -> None:
        self._directory = directory
        self._keyring = keyring
        self._threads = ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="code-store")
        self._closing = threading.Event()
        self._slow_threads = ThreadPoolExecutor(max_workers=_SLOW_THREADS, thread_name_prefix="code-arrival")
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        remove_unfinished(directory)

    def close(self) -> None:
        self._threads.shutdown()
        self._closing.set()
        self._slow_threads.shutdown(cancel_futures=True)

    def name_of(self, package: bytes) -> CodeSha256:
        return sha256_of(package)

    async def put(self, package: bytes) -> CodeSha256:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._put, package)

    async def put_pieces(self, sha256: CodeSha256, size_bytes: int, pieces: Iterator[bytes]) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._slow_threads, self._put_pieces, sha256, size_bytes, pieces)

    async def has(self, sha256: CodeSha256) -> bool:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._path(sha256).exists)

    async def chunks(self, sha256: CodeSha256) -> AsyncGenerator[bytes, None]:
        loop = asyncio.get_running_loop()
        pieces = self._pieces(sha256)
        try:
            while (piece := await loop.run_in_executor(self._threads, next, pieces, None)) is not None:
                yield piece
        finally:
            # The file it has open is closed with it, also when the reader stops midway.
            await loop.run_in_executor(self._threads, pieces.close)

    async def delete(self, sha256: CodeSha256) -> None:
        path = self._path(sha256)
        await asyncio.get_running_loop().run_in_executor(self._threads, lambda: path.unlink(missing_ok=True))

    async def list(self) -> tuple[CodeSha256, ...]:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._list)

    def _list(self) -> tuple[CodeSha256, ...]:
        names = sorted(path.stem for path in self._directory.glob("*.code"))
        return tuple(CodeSha256(base64.b64encode(bytes.fromhex(name)).decode()) for name in names)

    def _path(self, sha256: CodeSha256) -> Path:
        """Raises `CodeMissingError` for what is not a SHA-256: names come from other processes too."""
        try:
            digest = base64.b64decode(sha256, validate=True)
        except ValueError as error:
            raise CodeMissingError(f"{sha256!r} is not the name of a package") from error
        if len(digest) != hashlib.sha256().digest_size:
            raise CodeMissingError(f"{sha256!r} is not the name of a package")
        return self._directory / f"{digest.hex()}.code"

    def _put(self, package: bytes) -> CodeSha256:
        sha256 = sha256_of(package)
        path = self._path(sha256)
        if path.exists():
            return sha256
        try:
            write_whole(path, self._sealed(sha256, package))
        except OSError as error:
            raise StoreError(f"the package cannot be kept in {self._directory}: {error.strerror}") from error
        return sha256

    def _put_pieces(self, sha256: CodeSha256, size_bytes: int, pieces: Iterator[bytes]) -> None:
        path = self._path(sha256)
        if not path.exists():
            write_whole(path, self._sealed_pieces(sha256, size_bytes, pieces))

    def _sealed(self, sha256: CodeSha256, package: bytes) -> Iterator[bytes]:
        return self._sealed_pieces(sha256, len(package), iter([package]))

    def _sealed_pieces(self, sha256: CodeSha256, size_bytes: int, pieces: Iterator[bytes]) -> Iterator[bytes]:
        data_key = AESGCM.generate_key(KEY_BITS)
        header = msgspec.json.encode(_Header(size_bytes, self._keyring.wrap(data_key, _context(sha256, size_bytes))))
        yield _MAGIC + _LENGTH.pack(len(header)) + header
        cipher = AESGCM(data_key)
        left = size_bytes
        for number, chunk in enumerate(_chunked(pieces)):
            if self._closing.is_set():
                raise StoreError("the store was closed before the package was there")
            left -= len(chunk)
            yield cipher.encrypt(_nonce(number), chunk, _context(sha256, number))
        if left:
            raise StoreError(f"the package {sha256} has another size than was said")

    def _pieces(self, sha256: CodeSha256) -> Generator[bytes, None, None]:
        try:
            with self._path(sha256).open("rb") as file:
                yield from self._opened(sha256, file)
        except FileNotFoundError as error:
            raise CodeMissingError(f"the package {sha256} is not here") from error
        except (InvalidTag, UnwrapError, ValueError, OSError, struct.error) as error:
            raise CodeMissingError(f"the package {sha256} cannot be read: its file was damaged") from error

    def _opened(self, sha256: CodeSha256, file: BinaryIO) -> Iterator[bytes]:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise ValueError("not a package")
        (length,) = _LENGTH.unpack(file.read(_LENGTH.size))
        header = msgspec.json.decode(file.read(length), type=_Header)
        cipher = AESGCM(self._keyring.unwrap(header.key, _context(sha256, header.size_bytes)))
        for number, at in enumerate(range(0, header.size_bytes, CHUNK_BYTES)):
            sealed = file.read(min(CHUNK_BYTES, header.size_bytes - at) + _TAG_BYTES)
            yield cipher.decrypt(_nonce(number), sealed, _context(sha256, number))


class MemoryCodeStore:
    """For tests and the simulator."""

    def __init__(self) -> None:
        self._packages: dict[CodeSha256, bytes] = {}

    def name_of(self, package: bytes) -> CodeSha256:
        return sha256_of(package)

    async def put(self, package: bytes) -> CodeSha256:
        sha256 = sha256_of(package)
        self._packages[sha256] = package
        return sha256

    async def put_pieces(self, sha256: CodeSha256, size_bytes: int, pieces: Iterator[bytes]) -> None:
        package = await asyncio.to_thread(b"".join, pieces)
        if len(package) != size_bytes:
            raise StoreError(f"the package {sha256} has another size than was said")
        self._packages[sha256] = package

    async def has(self, sha256: CodeSha256) -> bool:
        return sha256 in self._packages

    async def chunks(self, sha256: CodeSha256) -> AsyncGenerator[bytes, None]:
        package = self._packages.get(sha256)
        if package is None:
            raise CodeMissingError(f"the package {sha256} is not here")
        for at in range(0, len(package), CHUNK_BYTES):
            yield package[at : at + CHUNK_BYTES]

    async def delete(self, sha256: CodeSha256) -> None:
        self._packages.pop(sha256, None)

    async def list(self) -> tuple[CodeSha256, ...]:
        return tuple(sorted(self._packages))


def sha256_of(package: bytes) -> CodeSha256:
    return CodeSha256(base64.b64encode(hashlib.sha256(package).digest()).decode())


def _chunked(pieces: Iterator[bytes]) -> Iterator[memoryview | bytes]:
    """In pieces of a chunk's size but for the last, however they come."""
    waiting = bytearray()
    for piece in pieces:
        view = memoryview(piece)
        if not waiting and len(view) >= CHUNK_BYTES:
            whole = len(view) - len(view) % CHUNK_BYTES
            yield from (view[at : at + CHUNK_BYTES] for at in range(0, whole, CHUNK_BYTES))
            view = view[whole:]
        waiting += view
        while len(waiting) >= CHUNK_BYTES:
            yield bytes(waiting[:CHUNK_BYTES])
            del waiting[:CHUNK_BYTES]
    if waiting:
        yield bytes(waiting)


def _nonce(number: int) -> bytes:
    return number.to_bytes(NONCE_BYTES, "big")


def _context(sha256: CodeSha256, number: int) -> bytes:
    return f"{sha256}/{number}".encode()
