import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from paddock.model.errors import StartError
from paddock.ports.code import CodeMissingError, CodeStore
from paddock.ports.store import StoreError
from paddock.stores.code import EncryptedCodeStore, MemoryCodeStore, sha256_of
from paddock.stores.keyring import Keyring
from paddock.testing.store_conformance_code import MIB, CodeStoreConformance, read_whole

PACKAGE = b"def handler(event, context): return 'very recognisable'" * 40_000


def opened(directory: Path) -> EncryptedCodeStore:
    return EncryptedCodeStore(directory / "code", Keyring.open(directory / "keyring.json"))


class TestEncryptedCodeStore(CodeStoreConformance):
    def open_store(self, directory: Path) -> CodeStore:
        return opened(directory)


class TestMemoryCodeStore(CodeStoreConformance):
    def open_store(self, directory: Path) -> CodeStore:
        return MemoryCodeStore()


def the_file(directory: Path) -> Path:
    return next((directory / "code").iterdir())


def kept(directory: Path) -> None:
    asyncio.run(opened(directory).put(PACKAGE))


def test_a_store_opened_again_reads_what_was_kept(tmp_path: Path) -> None:
    kept(tmp_path)
    assert asyncio.run(read_whole(opened(tmp_path), sha256_of(PACKAGE))) == PACKAGE


def test_nothing_of_the_code_can_be_read_on_disk(tmp_path: Path) -> None:
    kept(tmp_path)
    on_disk = the_file(tmp_path).read_bytes()
    assert b"recognisable" not in on_disk
    assert len(on_disk) > len(PACKAGE)


def test_keys_and_packages_are_for_their_owner_only(tmp_path: Path) -> None:
    kept(tmp_path)
    assert (tmp_path / "keyring.json").stat().st_mode & 0o777 == 0o600
    assert the_file(tmp_path).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("at", [0, 9, 40, 300, MIB + 1000, -1])
def test_a_changed_byte_is_noticed(tmp_path: Path, at: int) -> None:
    kept(tmp_path)
    sealed = bytearray(the_file(tmp_path).read_bytes())
    sealed[at] ^= 1
    the_file(tmp_path).write_bytes(sealed)
    with pytest.raises(CodeMissingError, match="damaged"):
        asyncio.run(read_whole(opened(tmp_path), sha256_of(PACKAGE)))


@pytest.mark.parametrize("length", [0, 5, 100, MIB, 2 * MIB])
def test_a_file_cut_short_is_noticed(tmp_path: Path, length: int) -> None:
    kept(tmp_path)
    the_file(tmp_path).write_bytes(the_file(tmp_path).read_bytes()[:length])
    with pytest.raises(CodeMissingError, match="damaged"):
        asyncio.run(read_whole(opened(tmp_path), sha256_of(PACKAGE)))


def test_the_file_of_another_package_is_not_taken_for_this_one(tmp_path: Path) -> None:
    kept(tmp_path)
    sealed = the_file(tmp_path).read_bytes()
    other = sha256_of(b"other")
    opened(tmp_path)._path(other).write_bytes(sealed)
    with pytest.raises(CodeMissingError, match="damaged"):
        asyncio.run(read_whole(opened(tmp_path), other))


def test_another_keyring_opens_nothing(tmp_path: Path) -> None:
    kept(tmp_path)
    (tmp_path / "keyring.json").unlink()
    with pytest.raises(CodeMissingError, match="damaged"):
        asyncio.run(read_whole(opened(tmp_path), sha256_of(PACKAGE)))


@pytest.mark.parametrize("content", ["", "{", "[]", '{"keys": {"default": "not base64!"}}'])
def test_a_damaged_keyring_is_never_replaced(tmp_path: Path, content: str) -> None:
    (tmp_path / "keyring.json").write_text(content)
    with pytest.raises(StartError, match=r"keyring\.json is damaged: restore it"):
        opened(tmp_path)
    assert (tmp_path / "keyring.json").read_text() == content


def test_what_a_killed_process_left_half_written_is_removed(tmp_path: Path) -> None:
    kept(tmp_path)
    (tmp_path / "code" / ".new-abc.code.1.2").write_bytes(b"half")
    opened(tmp_path)
    assert [path.suffix for path in (tmp_path / "code").iterdir()] == [".code"]


def test_a_failed_write_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened(tmp_path)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("paddock.stores.files.os.fsync", full)
    with pytest.raises(Exception, match="No space left on device"):
        asyncio.run(store.put(PACKAGE))
    assert list((tmp_path / "code").iterdir()) == []


def test_closing_does_not_wait_for_what_is_still_coming(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = opened(tmp_path)
        begun = threading.Event()

        def endless() -> Iterator[bytes]:
            while True:
                begun.set()
                yield bytes(MIB)

        arriving = asyncio.create_task(store.put_pieces(sha256_of(b"never"), 1 << 40, endless()))  # the one
        await asyncio.to_thread(begun.wait, 20)
        await asyncio.to_thread(store.close)
        with pytest.raises(StoreError, match="closed"):
            await arriving
        assert not list((tmp_path / "code").iterdir())

    asyncio.run(scenario())
