"""Directories of this machine as deployment packages, for hot reload: only those that the server was told it may read.

A package is made in one go and in one order, so that the same files make the same package. Links are kept as links,
never followed; whoever checks the package refuses those that lead out of it.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import stat
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from paddock.ports.objects import HOT_RELOAD_BUCKET, ObjectSource, ObjectTooLarge, ObjectUnavailable

IGNORED = frozenset({".git", ".hg", ".svn", ".DS_Store", "__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache"})
"""Changes of these change no function: what version control, tests and editors leave beside the code."""
MAX_FILES = 100_000
"""As many entries as a package may have."""
_FIRST_DAY = (1980, 1, 1, 0, 0, 0)
"""The first that a ZIP can say: dates of files are no contents."""
_OFF = "Hot reload is off on this server. Start it with --hot-reload-dir and a directory that it may read."


class DirectoryObjects:
    """An `ObjectSource` in front of another one, and `SourceDirectories`."""

    def __init__(self, allowed: Sequence[Path], otherwise: ObjectSource) -> None:
        self._allowed = tuple(directory.resolve() for directory in allowed)
        self._otherwise = otherwise

    async def fetch(self, bucket: str, key: str, version: str | None, max_bytes: int) -> bytes:
        if bucket != HOT_RELOAD_BUCKET:
            return await self._otherwise.fetch(bucket, key, version, max_bytes)
        return await asyncio.to_thread(self._packed, key, max_bytes)

    async def fingerprint(self, directory: str) -> str:
        return await asyncio.to_thread(self._fingerprint, directory)

    def _packed(self, key: str, max_bytes: int) -> bytes:
        directory = self._directory(key)
        try:
            return _package(directory, max_bytes)
        except OSError as error:
            raise _unreadable(key, error) from error

    def _fingerprint(self, key: str) -> str:
        digest = hashlib.sha256()
        try:
            for entry, name in _files(self._directory(key)):
                found = entry.stat(follow_symlinks=False)
                facts = (found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
                digest.update(f"{name}\0{facts}\n".encode(errors="surrogateescape"))
        except OSError as error:
            raise _unreadable(key, error) from error
        return digest.hexdigest()

    def _directory(self, key: str) -> Path:
        if not self._allowed:
            raise ObjectUnavailable("HotReloadOff", _OFF)
        if not key.startswith("/"):
            raise ObjectUnavailable("InvalidDirectory", f"S3Key must be an absolute directory, not {key}")
        directory = Path(key).resolve()
        if not any(directory.is_relative_to(allowed) for allowed in self._allowed):
            text = f"{key} is in no directory that this server was started with as --hot-reload-dir"
            raise ObjectUnavailable("AccessDenied", text, denied=True)
        if not directory.is_dir():
            raise ObjectUnavailable("NoSuchDirectory", f"{key} is no directory")
        return directory


def _unreadable(key: str, error: OSError) -> ObjectUnavailable:
    return ObjectUnavailable("Unreadable", f"{key} cannot be read: {error.strerror} ({error.filename})")


def _files(directory: Path) -> Iterator[tuple[os.DirEntry[str], str]]:
    """Files and links, each with its name in the package, in one order. Whole trees are gone through several times a
    second: no objects for paths.
    """
    count = 0
    waiting = [(str(directory), "")]
    while waiting:
        place, prefix = waiting.pop()
        with os.scandir(place) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        for entry in entries:
            if entry.name in IGNORED:
                continue
            name = prefix + entry.name
            if entry.is_dir(follow_symlinks=False):
                waiting.append((entry.path, f"{name}/"))
            elif entry.is_symlink() or entry.is_file():
                count += 1
                if count > MAX_FILES:
                    raise ObjectUnavailable("TooManyFiles", f"{directory} holds more than {MAX_FILES} files")
                yield entry, name


def _package(directory: Path, max_bytes: int) -> bytes:
    """Not compressed: it goes to this machine's own agents."""
    buffer = io.BytesIO()
    left = max_bytes
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for file, name in _files(directory):
            entry = zipfile.ZipInfo(name, _FIRST_DAY)
            mode, content = _content(file, left)
            entry.create_system = 3
            entry.external_attr = mode << 16
            archive.writestr(entry, content)
            left -= len(content)
    return buffer.getvalue()


def _content(file: os.DirEntry[str], most: int) -> tuple[int, bytes]:
    if file.is_symlink():
        return stat.S_IFLNK | 0o777, os.fsencode(os.readlink(file.path))  # noqa: PTH115  # no objects for paths
    descriptor = os.open(file.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as opened:
        found = os.fstat(descriptor)
        if found.st_size > most:
            raise ObjectTooLarge
        # No more than it was: a file that grows meanwhile is a change, and comes with the next look.
        return stat.S_IFREG | stat.S_IMODE(found.st_mode), opened.read(found.st_size)
