"""Lays the unpacked layers of a function over each other: one read-only directory, which stands at `/opt`.

Blocking, for a thread. Files are shared with the unpacked layers by hard links. A later layer wins: its file takes the
place of an earlier file, link or directory of the same name; directories are joined. No link is followed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from paddock.agent.limits import MAX_PACKAGE_BYTES, MAX_PACKAGE_ENTRIES
from paddock.agent.packages import PackageRefused, build_in_place, remove_tree


def merge(layers: Sequence[Path], directory: Path) -> None:
    """`directory` is complete when this returns, and not there when it raises `PackageRefused`."""
    build_in_place(directory, lambda building: _merge_all(layers, building))


def _merge_all(layers: Sequence[Path], building: Path) -> None:
    laid = _Laid()
    for layer in layers:
        _lay_over(layer, building, laid)
    _check_links(building, laid.links)
    _close(building)


@dataclass(slots=True)
class _Laid:
    """What the layers hold so far, also what a later one hides. `links` may be gone again."""

    file_bytes: int = 0
    entries: int = 0
    links: list[Path] = field(default_factory=list)

    def add(self, file_bytes: int) -> None:
        self.file_bytes += file_bytes
        self.entries += 1
        if self.file_bytes > MAX_PACKAGE_BYTES:
            raise PackageRefused(f"Layers consume more than the available size of {MAX_PACKAGE_BYTES} bytes")
        if self.entries > MAX_PACKAGE_ENTRIES:
            raise PackageRefused(f"The layers hold more than {MAX_PACKAGE_ENTRIES} entries")


def _lay_over(layer: Path, building: Path, laid: _Laid) -> None:
    """Names as text: a layer may hold tens of thousands of them."""
    waiting = [(str(layer), str(building))]
    while waiting:
        source, target = waiting.pop()
        with os.scandir(source) as entries:
            for entry in entries:
                place = f"{target}/{entry.name}"
                if entry.is_dir(follow_symlinks=False):
                    laid.add(0)
                    _make_directory(place)
                    waiting.append((entry.path, place))
                    continue
                laid.add(entry.stat(follow_symlinks=False).st_size)
                _share(entry.path, place)
                if entry.is_symlink():
                    laid.links.append(Path(place))


def _make_directory(place: str) -> None:
    try:
        os.mkdir(place)  # noqa: PTH102  # as above
    except FileExistsError:
        there = Path(place)
        if there.is_symlink() or not there.is_dir():
            there.unlink()
            there.mkdir()


def _share(source: str, place: str) -> None:
    """A copy where the file system cannot share a file, or has shared it too often."""
    try:
        os.link(source, place, follow_symlinks=False)
    except FileExistsError:
        _remove(Path(place))
        _share(source, place)
    except OSError:
        shutil.copy2(source, place, follow_symlinks=False)


def _remove(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        remove_tree(place)
    else:
        place.unlink()


def _close(building: Path) -> None:
    """Files are read-only already, as what they are shared with."""
    for directory, _, _ in os.walk(building):
        Path(directory).chmod(0o555)


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
