"""Lays the unpacked layers of a function over each other: one read-only directory, which stands at `/opt`.

Blocking, for a thread. Files are shared with the unpacked layers by hard links. A later layer wins: its file takes the
place of an earlier file, link or directory of the same name; directories are joined. No link is followed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from paddock.agent.limits import MAX_PACKAGE_BYTES
from paddock.agent.packages import PackageRefused, build_read_only, remove_tree


def merge(layers: Sequence[Path], directory: Path) -> None:
    """`directory` is complete when this returns, and not there when it raises `PackageRefused`."""
    build_read_only(directory, lambda building: _merge_all(layers, building))


def _merge_all(layers: Sequence[Path], building: Path) -> None:
    left = MAX_PACKAGE_BYTES
    links: list[Path] = []
    for layer in layers:
        left -= _lay_over(layer, building, links)
        if left < 0:
            raise PackageRefused(f"Layers consume more than the available size of {MAX_PACKAGE_BYTES} bytes")
    _check_links(building, links)


def _lay_over(layer: Path, building: Path, links: list[Path]) -> int:
    """The bytes of the layer's files, also of those that a later layer will hide."""
    taken = 0
    waiting = [(layer, building)]
    while waiting:
        source, target = waiting.pop()
        with os.scandir(source) as entries:
            for entry in entries:
                place = target / entry.name
                if entry.is_dir(follow_symlinks=False):
                    _make_directory(place)
                    waiting.append((Path(entry.path), place))
                    continue
                _remove(place)
                _link(entry.path, place)
                taken += entry.stat(follow_symlinks=False).st_size
                if entry.is_symlink():
                    links.append(place)
    return taken


def _make_directory(place: Path) -> None:
    if place.is_symlink() or not place.is_dir():
        place.unlink(missing_ok=True)
        place.mkdir()


def _remove(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        remove_tree(place)
    else:
        place.unlink(missing_ok=True)


def _link(source: str, place: Path) -> None:
    """A copy where the file system cannot share a file, or has shared it too often."""
    try:
        os.link(source, place, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, place, follow_symlinks=False)


def _check_links(building: Path, links: Sequence[Path]) -> None:
    """Each stayed within its own layer; over directories of another one it may lead elsewhere."""
    root = building.resolve()
    for link in links:
        try:
            stays = not link.is_symlink() or link.resolve().is_relative_to(root)
        except (OSError, RuntimeError):
            stays = False
        if not stays:
            raise PackageRefused(f"Layers over each other hold a link that leads out of them: {link.name}")
