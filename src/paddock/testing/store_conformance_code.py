"""What every code store must do, as tests. A store's own test file subclasses `CodeStoreConformance`."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path

from paddock.model.ids import CodeSha256
from paddock.ports.code import CodeMissingError, CodeStore
from paddock.ports.store import StoreError

MIB = 1024 * 1024


async def read_whole(store: CodeStore, sha256: CodeSha256) -> bytes:
    return b"".join([piece async for piece in store.chunks(sha256)])


class CodeStoreConformance:
    def open_store(self, directory: Path) -> CodeStore:
        """The store to be tested, in `directory`."""
        raise NotImplementedError

    def test_a_package_comes_back_whole_whatever_its_size(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            store = self.open_store(tmp_path)
            for size in (1, MIB - 1, MIB, MIB + 1, 3 * MIB + 17):
                package = bytes(size % 251 for _ in range(256)) * (size // 256) + b"x" * (size % 256)
                sha256 = await store.put(package)
                assert sha256 == base64.b64encode(hashlib.sha256(package).digest()).decode()
                assert await read_whole(store, sha256) == package

        asyncio.run(scenario())

    def test_no_piece_is_longer_than_a_mebibyte(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            store = self.open_store(tmp_path)
            sha256 = await store.put(b"z" * (2 * MIB + 5))
            assert [len(piece) async for piece in store.chunks(sha256)] == [MIB, MIB, 5]

        asyncio.run(scenario())

    def test_the_same_content_is_kept_once(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            store = self.open_store(tmp_path)
            assert await store.put(b"same") == await store.put(b"same")
            assert len(await store.list()) == 1

        asyncio.run(scenario())

    def test_unknown_and_impossible_names_are_missing(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            store = self.open_store(tmp_path)
            for name in ("", "../../etc/passwd", base64.b64encode(bytes(32)).decode()):
                try:
                    await read_whole(store, CodeSha256(name))
                except CodeMissingError:
                    continue
                raise AssertionError(f"{name!r} must be missing")

        asyncio.run(scenario())

    def test_deleted_packages_are_gone_and_the_others_stay(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            store = self.open_store(tmp_path)
            first, second = await store.put(b"first"), await store.put(b"second")
            await store.delete(first)
            await store.delete(first)
            assert await store.list() == (second,)
            assert await read_whole(store, second) == b"second"

        asyncio.run(scenario())

    def test_what_comes_in_pieces_is_kept_as_what_comes_whole(self, tmp_path: Path) -> None:
        async def scenario() -> None:
            store = self.open_store(tmp_path)
            for size in (1, MIB - 1, MIB, 3 * MIB + 17):
                for step in (1000, MIB, 5 * MIB):
                    package = bytes((size + step) % 251 for _ in range(256)) * (size // 256) + b"y" * (size % 256)
                    sha256 = store.name_of(package)
                    assert not await store.has(sha256)
                    pieces = (package[at : at + step] for at in range(0, size, step))
                    await store.put_pieces(sha256, size, pieces)
                    assert await store.has(sha256)
                    assert await read_whole(store, sha256) == package
                    await store.delete(sha256)

        asyncio.run(scenario())

    def test_nothing_is_kept_of_pieces_that_end_badly(self, tmp_path: Path) -> None:
        class Broken(Exception):
            pass

        def pieces() -> Iterator[bytes]:
            yield b"some"
            raise Broken

        async def scenario() -> None:
            store = self.open_store(tmp_path)
            sha256 = store.name_of(b"something")
            for given, error in ((pieces(), Broken), (iter([b"some"]), StoreError)):
                try:
                    await store.put_pieces(sha256, 9, given)
                except error:
                    assert not await store.has(sha256)
                    assert await store.list() == ()
                    continue
                raise AssertionError("what ends badly must not be kept")

        asyncio.run(scenario())
