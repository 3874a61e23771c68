"""Unpacks a deployment package without believing it: nothing lands outside the directory, nothing is larger than
allowed.

Blocking, for a thread. Refused: `..`, absolute paths, devices, links that lead out, files named twice, encrypted
entries, and archives beyond the quota, whatever sizes they claim. What is unpacked is read-only.
"""

from __future__ import annotations

import errno
import lzma
import os
import shutil
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from paddock.agent.limits import MAX_PACKAGE_BYTES, MAX_PACKAGE_ENTRIES

_PIECE_BYTES = 256 * 1024
_ENCRYPTED_FLAG = 0x1
_MAX_LINK_BYTES = 4096
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
)
"""What `zipfile` raises over archives that are none, damaged, encrypted, or packed in a way it does not know."""
_ERRORS_OF_ARCHIVES = {None, errno.EINVAL, errno.ENAMETOOLONG, errno.ELOOP}
"""A damaged bzip2 stream, a place before the beginning of the file, a name that no file can have: the archive's fault,
not the disk's.
"""


class PackageRefused(Exception):
    """The archive is broken or not harmless; the text is for its owner."""


def unpack(archive: Path, directory: Path) -> None:
    """`directory` is complete when this returns, and not there when it raises `PackageRefused`. Whoever does the same
    at the same time is not disturbed.
    """

    def fill(building: Path) -> None:
        with zipfile.ZipFile(archive) as package:
            _unpack_all(package, building)
        _make_read_only(building)

    try:
        build_in_place(directory, fill)
    except _BROKEN as error:
        raise PackageRefused(f"Could not unzip the deployment package: {error}") from error
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise PackageRefused("The deployment package names the same path twice") from error
    except OSError as error:
        if error.errno in _ERRORS_OF_ARCHIVES:
            raise PackageRefused(f"Could not unzip the deployment package: {error.strerror or error}") from error
        raise


def build_in_place(directory: Path, fill: Callable[[Path], None]) -> None:
    """`fill` gets an empty directory beside it; what it makes there is put in its place, whole."""
    building = Path(tempfile.mkdtemp(prefix=f"{directory.name}.", suffix=".building", dir=directory.parent))
    try:
        fill(building)
    except BaseException:
        remove_tree(building)
        raise
    try:
        building.rename(directory)
    except OSError:
        remove_tree(building)
        if not directory.is_dir():
            raise


def remove_package(directory: Path) -> None:
    """In one step for those who look for it, then file by file."""
    if directory.is_dir():
        leaving = Path(tempfile.mkdtemp(prefix=f"{directory.name}.", suffix=".leaving", dir=directory.parent))
        directory.rename(leaving)
        remove_tree(leaving)


def remove_tree(directory: Path) -> None:
    """Also what `unpack` made read-only."""
    if not directory.exists():
        return
    for parent, names, _ in os.walk(directory):
        for name in names:
            path = Path(parent, name)
            if not path.is_symlink():
                path.chmod(0o700)
    directory.chmod(0o700)
    shutil.rmtree(directory, ignore_errors=True)


def _unpack_all(package: zipfile.ZipFile, directory: Path) -> None:
    entries = package.infolist()
    if len(entries) > MAX_PACKAGE_ENTRIES:
        raise PackageRefused(f"The deployment package holds more than {MAX_PACKAGE_ENTRIES} entries")
    left = MAX_PACKAGE_BYTES
    links = []
    for entry in entries:
        path = directory / _safe_name(entry)
        if entry.is_dir():
            path.mkdir(parents=True, exist_ok=True)
        elif stat.S_ISLNK(entry.external_attr >> 16):
            links.append((entry, path))
        else:
            left -= _write_file(package, entry, path, left)
    for entry, path in links:
        _write_link(package, entry, path)
    root = directory.resolve()
    for _, path in links:
        if not path.resolve().is_relative_to(root):
            raise PackageRefused(f"The deployment package holds a link that leads out of it: {path.name}")


def _safe_name(entry: zipfile.ZipInfo) -> str:
    name = PurePosixPath(entry.filename)
    if name.is_absolute() or ".." in name.parts or "\\" in entry.filename or not name.parts:
        raise PackageRefused(f"The deployment package holds a path that leads out of it: {entry.filename[:256]!r}")
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK}:
        raise PackageRefused(f"The deployment package holds a special file: {entry.filename[:256]!r}")
    if entry.flag_bits & _ENCRYPTED_FLAG:
        raise PackageRefused("The deployment package is encrypted")
    return str(name)


def _write_file(package: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path, left: int) -> int:
    """The bytes written; counted as they come, because an archive may lie about its sizes."""
    if entry.file_size > left:
        raise _too_large()
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = (entry.external_attr >> 16) & 0o777 or 0o644
    written = 0
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode | 0o644)
    with os.fdopen(descriptor, "wb") as target, package.open(entry) as source:
        while piece := source.read(_PIECE_BYTES):
            written += len(piece)
            if written > left:
                raise _too_large()
            target.write(piece)
    return written


def _too_large() -> PackageRefused:
    return PackageRefused(f"Unzipped size must be smaller than {MAX_PACKAGE_BYTES} bytes")


def _write_link(package: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path) -> None:
    with package.open(entry) as source:
        target = source.read(_MAX_LINK_BYTES).decode("utf-8")
    if not target or "\0" in target or target.startswith("/"):
        raise PackageRefused(f"The deployment package holds a link that leads out of it: {path.name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to(target)


def _make_read_only(directory: Path) -> None:
    for parent, _, names in os.walk(directory):
        for name in names:
            path = Path(parent, name)
            if not path.is_symlink():
                path.chmod((path.stat().st_mode & 0o555) | 0o444)
        Path(parent).chmod(0o555)
