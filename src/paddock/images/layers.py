"""Unpacks one layer into an empty directory of its own, believing nothing of it.

No path is followed that this module did not make itself: it remembers what it made, and refuses what lies beneath a
link or a file. Owners, set-user-id bits, devices and pipes are left out. What a layer takes away from those below it
(whiteouts) is noted, not made.
"""

from __future__ import annotations

import errno
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from paddock.images.budget import Budget
from paddock.images.errors import ImageInvalid
from paddock.images.limits import MAX_NAME_BYTES, MAX_PATH_BYTES
from paddock.images.tar import TarEntry, TarReader

_WHITEOUT, _OPAQUE, _RESERVED = ".wh.", ".wh..wh..opq", ".wh..wh."
_PERMISSIONS, _OWNERS_OWN = 0o777, 0o700
_IMPLIED_MODE = 0o755
_ERRORS_OF_LAYERS = {errno.EINVAL, errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.EILSEQ}


@dataclass(frozen=True, slots=True)
class UnpackedLayer:
    """What its directory does not show: paths taken away, directories that hide those below, directories that no entry
    named and whose mode therefore means nothing. `bytes_unpacked` is of the whole archive.
    """

    removed: tuple[str, ...]
    opaque: tuple[str, ...]
    implied: frozenset[str]
    bytes_unpacked: int
    entries: int


@dataclass(slots=True)
class _Building:
    """The layer as far as it is. `made` says of each path whether it is a directory."""

    root: str
    made: dict[str, str] = field(default_factory=lambda: {"": "directory"})
    removed: list[str] = field(default_factory=list)
    opaque: list[str] = field(default_factory=list)
    implied: set[str] = field(default_factory=set)
    modes: dict[str, int] = field(default_factory=dict)


def unpack_layer(pieces: Iterator[bytes], directory: Path, diff_id: str, budget: Budget) -> UnpackedLayer:
    """`pieces` is the archive, not compressed; `directory` is empty and nobody else's. Raises `ImageInvalid`, and then
    leaves what it has made. `OSError` means that the disk is to blame.
    """
    reader = TarReader(pieces, budget)
    building = _Building(str(directory))
    count = 0
    try:
        for entry in reader.entries():
            count += 1
            _take(building, entry, reader)
        reader.finish()
        for path, mode in building.modes.items():
            os.chmod(_place(building, path), mode)  # noqa: PTH101  # a hundred thousand times
    except OSError as error:
        if error.errno in _ERRORS_OF_LAYERS:
            raise ImageInvalid(f"A layer holds a path that cannot be made: {error.strerror}.") from error
        raise
    if reader.digest != diff_id:
        raise ImageInvalid(f"The layer {diff_id} is not what the configuration says: its content has another digest.")
    return UnpackedLayer(
        tuple(building.removed), tuple(building.opaque), frozenset(building.implied), reader.received, count
    )


def _take(building: _Building, entry: TarEntry, reader: TarReader) -> None:
    path = _safe(entry.name)
    parent, _, name = path.rpartition("/")
    if name.startswith(_WHITEOUT):
        _note(building, parent, name)
    elif entry.kind == tarfile.DIRTYPE:
        _make_directory(building, path, entry.mode)
    elif path and (entry.is_file or entry.is_link):
        _make_room(building, path, parent)
        if entry.is_file:
            _write(building, path, entry, reader)
        elif entry.kind == tarfile.SYMTYPE:
            os.symlink(entry.link, _place(building, path))  # noqa: PTH211
            building.made[path] = "link"
        else:
            _link(building, path, _safe(entry.link))


def _safe(name: str) -> str:
    """Relative to the root, without empty parts; the root itself is empty. An absolute path is meant from the root."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    path = "/".join(parts)
    if ".." in parts or "\0" in name:
        raise ImageInvalid(f"A layer holds a path that leads out of it: {_shown(name)}.")
    if len(os.fsencode(path)) > MAX_PATH_BYTES or any(len(os.fsencode(part)) > MAX_NAME_BYTES for part in parts):
        raise ImageInvalid(f"A layer holds a path that is too long: {_shown(name)}.")
    return path


def _shown(name: str) -> str:
    return ascii(name[:128])


def _note(building: _Building, parent: str, name: str) -> None:
    hidden = name.removeprefix(_WHITEOUT)
    _make_directories(building, parent)
    if name == _OPAQUE:
        building.opaque.append(parent)
    elif name.startswith(_RESERVED):
        return
    elif hidden in ("", ".", ".."):
        raise ImageInvalid("A layer takes away a path that leads out of it.")
    else:
        building.removed.append(f"{parent}/{hidden}" if parent else hidden)


def _make_directory(building: _Building, path: str, mode: int) -> None:
    _make_directories(building, path)
    building.implied.discard(path)
    building.modes[path] = mode & _PERMISSIONS | _OWNERS_OWN


def _make_directories(building: _Building, path: str) -> None:
    """This one and those above it, as far as they are not there."""
    missing = []
    while path not in building.made:
        missing.append(path)
        path = path.rpartition("/")[0]
    if building.made[path] != "directory":
        raise ImageInvalid(f"A layer holds a path beneath a file or a link: {_shown(path)}.")
    for each in reversed(missing):
        os.mkdir(_place(building, each))  # noqa: PTH102
        building.made[each] = "directory"
        building.implied.add(each)
        building.modes[each] = _IMPLIED_MODE


def _make_room(building: _Building, path: str, parent: str) -> None:
    """An archive may hold a path twice: the last one counts."""
    _make_directories(building, parent)
    kind = building.made.get(path)
    if kind == "directory":
        raise ImageInvalid(f"A layer holds a path both as a directory and as something else: {_shown(path)}.")
    if kind is not None:
        os.unlink(_place(building, path))  # noqa: PTH108


def _write(building: _Building, path: str, entry: TarEntry, reader: TarReader) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(_place(building, path), flags, 0o600)
    building.made[path] = "file"
    try:
        for piece in reader.body(entry.size_bytes):
            _write_all(descriptor, piece)
        os.fchmod(descriptor, entry.mode & _PERMISSIONS)
        # Interpreters compare it with the one in their compiled files.
        os.utime(descriptor, (entry.mtime, entry.mtime))
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, piece: bytes) -> None:
    written = os.write(descriptor, piece)
    while written < len(piece):
        written += os.write(descriptor, piece[written:])


def _link(building: _Building, path: str, target: str) -> None:
    if building.made.get(target) != "file":
        raise ImageInvalid(f"A layer holds a hard link to what is no file of it: {_shown(target)}.")
    os.link(_place(building, target), _place(building, path), follow_symlinks=False)
    building.made[path] = "file"


def _place(building: _Building, path: str) -> str:
    return f"{building.root}/{path}"
