"""Directories as packages: which may be read, what is in a package, what counts as a change."""

from __future__ import annotations

import io
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from paddock.ports.objects import HOT_RELOAD_BUCKET, ObjectTooLarge, ObjectUnavailable
from paddock.stores.directories import DirectoryObjects

ENOUGH = 1_000_000


@dataclass
class OneBucket:
    async def fetch(self, bucket: str, key: str, version: str | None, max_bytes: int) -> bytes:
        return f"{bucket}/{key}".encode()


@pytest.fixture
def code(tmp_path: Path) -> Path:
    directory = tmp_path / "allowed" / "function"
    (directory / "package").mkdir(parents=True)
    (directory / "app.py").write_text("first")
    (directory / "package" / "run").write_text("#!/bin/sh\n")
    (directory / "package" / "run").chmod(0o755)
    (directory / "link").symlink_to("package/run")
    return directory


@pytest.fixture
def directories(code: Path) -> DirectoryObjects:
    return DirectoryObjects([code.parent], OneBucket())


async def package_of(directories: DirectoryObjects, directory: Path, most: int = ENOUGH) -> bytes:
    return await directories.fetch(HOT_RELOAD_BUCKET, str(directory), None, most)


async def test_a_package_has_the_files_with_their_modes_and_the_links(
    directories: DirectoryObjects, code: Path
) -> None:
    with zipfile.ZipFile(io.BytesIO(await package_of(directories, code))) as archive:
        found = {entry.filename: (entry.external_attr >> 16, archive.read(entry)) for entry in archive.infolist()}
    assert found["app.py"][1] == b"first"
    assert found["package/run"] == (0o100755, b"#!/bin/sh\n")
    assert found["link"] == (0o120777, b"package/run")


async def test_the_same_files_make_the_same_package_whenever_they_were_written(
    directories: DirectoryObjects, code: Path
) -> None:
    before = await package_of(directories, code)
    os.utime(code / "app.py", (1, 1))
    assert await package_of(directories, code) == before


@pytest.mark.parametrize("left", ["__pycache__/app.pyc", ".git/index"])
async def test_what_changes_no_function_is_no_change(directories: DirectoryObjects, code: Path, left: str) -> None:
    before = await directories.fingerprint(str(code)), await package_of(directories, code)
    (code / left).parent.mkdir()
    (code / left).write_text("left")
    assert (await directories.fingerprint(str(code)), await package_of(directories, code)) == before


async def test_a_file_that_is_written_made_or_removed_is_a_change(directories: DirectoryObjects, code: Path) -> None:
    seen = {await directories.fingerprint(str(code))}
    (code / "app.py").write_text("other")
    seen.add(await directories.fingerprint(str(code)))
    (code / "package" / "new.py").write_text("")
    seen.add(await directories.fingerprint(str(code)))
    (code / "link").unlink()
    seen.add(await directories.fingerprint(str(code)))
    (code / "package" / "run").chmod(0o644)
    seen.add(await directories.fingerprint(str(code)))
    assert len(seen) == 5


async def test_nothing_outside_the_allowed_directories_is_read(directories: DirectoryObjects, code: Path) -> None:
    secret = code.parent.parent / "secret"
    secret.mkdir()
    (code.parent / "way-out").symlink_to(secret)
    for key in (secret, code.parent / "way-out", code / ".." / ".." / "secret", Path("/etc")):
        with pytest.raises(ObjectUnavailable) as raised:
            await package_of(directories, key)
        assert raised.value.denied


async def test_without_an_allowed_directory_it_is_off(code: Path) -> None:
    with pytest.raises(ObjectUnavailable, match="--hot-reload-dir"):
        await package_of(DirectoryObjects([], OneBucket()), code)


async def test_what_is_no_directory_is_said(directories: DirectoryObjects, code: Path) -> None:
    with pytest.raises(ObjectUnavailable, match="is no directory"):
        await package_of(directories, code / "app.py")
    with pytest.raises(ObjectUnavailable, match="absolute"):
        await package_of(directories, Path("function"))


async def test_special_files_are_left_out(directories: DirectoryObjects, code: Path) -> None:
    os.mkfifo(code / "pipe")
    with zipfile.ZipFile(io.BytesIO(await package_of(directories, code))) as archive:
        assert "pipe" not in archive.namelist()


async def test_more_than_a_package_may_hold_is_not_read(directories: DirectoryObjects, code: Path) -> None:
    with pytest.raises(ObjectTooLarge):
        await package_of(directories, code, most=14)


async def test_other_buckets_are_somebody_elses(directories: DirectoryObjects) -> None:
    assert await directories.fetch("bucket", "key", None, ENOUGH) == b"bucket/key"
