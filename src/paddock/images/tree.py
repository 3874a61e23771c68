"""Lays unpacked layers over each other: one directory in which each file is a hard link to that of the topmost layer.

Made once for all environments of an image, then mounted read-only by each; what overlay mounts would save is a link for
each file, what they would ask for is a privilege and a recent kernel. `/etc/hosts` and `/etc/resolv.conf` become files
of their own, because the environment's are mounted there.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterable
from pathlib import Path

from paddock.images.layers import UnpackedLayer

COVERED = ("etc/hosts", "etc/resolv.conf")
_DIRECTORY_MODE, _FILE_MODE = 0o755, 0o644


def assemble(layers: Iterable[tuple[Path, UnpackedLayer]], root: Path) -> None:
    """`root` is empty and nobody else's; layers from the bottom up. Raises `OSError`."""
    for directory, layer in layers:
        _take_away(str(root), layer)
        _lay_over(str(directory), str(root), layer.implied)
    for path in COVERED:
        _own_file(root, path)


def _take_away(root: str, layer: UnpackedLayer) -> None:
    for path in layer.opaque:
        if _is_reached(root, path):
            for name in os.listdir(f"{root}/{path}"):  # noqa: PTH208
                _remove(f"{root}/{path}/{name}")
    for path in layer.removed:
        if _is_reached(root, path.rpartition("/")[0]):
            _remove(f"{root}/{path}")


def _is_reached(root: str, path: str) -> bool:
    """By directories alone; a link on the way leads elsewhere, and nothing is taken away there."""
    place = root
    for part in path.split("/") if path else ():
        place = f"{place}/{part}"
        if not _is_directory(place):
            return False
    return True


def _lay_over(layer: str, root: str, implied: frozenset[str]) -> None:
    waiting = [""]
    while waiting:
        below = waiting.pop()
        with os.scandir(f"{layer}/{below}") as entries:
            for entry in entries:
                path = f"{below}/{entry.name}" if below else entry.name
                target = f"{root}/{path}"
                if entry.is_dir(follow_symlinks=False):
                    _take_over_directory(entry, target, implied=path in implied)
                    waiting.append(path)
                else:
                    _take_over_file(entry.path, target)


def _take_over_directory(entry: os.DirEntry[str], target: str, *, implied: bool) -> None:
    is_new = not _is_directory(target)
    if is_new:
        _remove(target)
        os.mkdir(target)  # noqa: PTH102
    if is_new or not implied:
        os.chmod(target, stat.S_IMODE(entry.stat(follow_symlinks=False).st_mode))  # noqa: PTH101


def _take_over_file(source: str, target: str) -> None:
    try:
        _link(source, target)
    except FileExistsError:
        _remove(target)
        _link(source, target)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        # As many links as the file system takes, or a file system without any.
        if error.errno not in (errno.EMLINK, errno.EPERM, errno.EOPNOTSUPP, errno.EXDEV):
            raise
        shutil.copy2(source, target, follow_symlinks=False)


def _own_file(root: Path, path: str) -> None:
    """A file of the tree's own, whatever the image has in its place."""
    place = root / path
    if not _is_directory(str(place.parent)):
        _remove(str(place.parent))
        place.parent.mkdir(_DIRECTORY_MODE)
    _remove(str(place))
    place.touch(_FILE_MODE)


def _is_directory(place: str) -> bool:
    try:
        return stat.S_ISDIR(os.lstat(place).st_mode)
    except OSError:
        return False


def _remove(place: str) -> None:
    if _is_directory(place):
        shutil.rmtree(place)
    elif os.path.lexists(place):
        os.unlink(place)  # noqa: PTH108
