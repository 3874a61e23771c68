"""What in a directory of runtimes nothing needs any more: found, and removed when nobody uses it.

An install is old when this version would not start it: it was made from other locks or for another place, or its
interpreter is gone. What was fetched or compiled for installs (interpreters, clients, packages) goes when no install
that stays has to do with it; it would be fetched again. What a process of this machine has open, mapped, mounted or in
its command line stays, whichever version started it. Blocking; knows no language.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from paddock.model.runtimes import CATALOGUE
from paddock.runtimes.directories import BUILDING, unless_locked
from paddock.runtimes.records import RECORD

PARTS = ("dotnet-tools", "java", "java-client", "node", "nodejs-client", "python", "python-packages", "python-sdk")
"""The folders of what installs are made of."""
_PROC = Path("/proc")
_SHOWING_USE = ("cmdline", "environ", "maps", "mountinfo")

Inode = tuple[int, int]


@dataclass(frozen=True, slots=True)
class OldDirectory:
    path: Path
    why: str


@dataclass(frozen=True, slots=True)
class Needs:
    """The installs that this version starts, and what they, and those it would make now, need beside them."""

    installs: frozenset[Path]
    places: frozenset[Path]


@dataclass(frozen=True, slots=True)
class Pruning:
    """What was removed, or would be. `freed_bytes` is what only that had, as links share files with what stays."""

    removed: tuple[OldDirectory, ...]
    in_use: tuple[OldDirectory, ...]
    freed_bytes: int


def prune(root: Path, needs: Needs, *, dry_run: bool) -> Pruning:
    """`root` by its real path."""
    old = [*_old_installs(root, needs), *_left_half_made(root)]
    going = _links(each.path for each in old)
    parts = [each for family in PARTS for each in _directories(root / family) if not _is_needed(each, needs, going)]
    old += [OldDirectory(each, "nothing that is installed has to do with it") for each in parts]
    in_use = _in_use(each.path for each in old)
    free = [each for each in old if each.path not in in_use]
    freed_bytes = _only_there(each.path for each in free)
    if not dry_run:
        for each in free:
            with unless_locked(each.path) as is_free:
                if is_free:
                    shutil.rmtree(each.path)
    gone = tuple(each for each in free if dry_run or not each.path.exists())
    stay = tuple(each for each in old if each not in gone)
    return Pruning(gone, stay, freed_bytes if len(gone) == len(free) else 0)


def _directories(folder: Path) -> list[Path]:
    """Whole ones; those that are being made are hidden."""
    try:
        return sorted(each for each in folder.iterdir() if each.is_dir() and not each.name.startswith("."))
    except OSError:
        return []


def _installs(root: Path) -> Iterator[Path]:
    for runtime in CATALOGUE:
        yield from (each for each in _directories(root / runtime.identifier) if (each / RECORD).is_file())


def _old_installs(root: Path, needs: Needs) -> Iterator[OldDirectory]:
    for directory in _installs(root):
        if directory not in needs.installs:
            document = json.loads((directory / RECORD).read_text())
            why = "it was made from the locks of another version"
            if document.get("root", str(root)) != str(root):
                why = "it was made for another place"
            elif not os.access(document["interpreter"], os.X_OK):
                why = f"its interpreter is gone: {document['interpreter']}"
            yield OldDirectory(directory, why)


def _left_half_made(root: Path) -> Iterator[OldDirectory]:
    for directory in root.glob(f"*/.*{BUILDING}*"):
        if directory.is_dir():
            yield OldDirectory(directory, "an install that was killed has left it")


def _is_needed(part: Path, needs: Needs, going: Counter[Inode]) -> bool:
    """Some install is in it, or shares a file with it that stays."""
    if any(place.is_relative_to(part) for place in needs.places):
        return True
    return any(status.st_nlink > 1 + going[status.st_dev, status.st_ino] for status in _files(part))


def _files(directory: Path) -> Iterator[os.stat_result]:
    for folder, _, names in os.walk(directory):
        for name in names:
            with contextlib.suppress(OSError):
                yield os.lstat(os.path.join(folder, name))  # noqa: PTH118  # tens of thousands


def _links(directories: Iterable[Path]) -> Counter[Inode]:
    return Counter((each.st_dev, each.st_ino) for directory in directories for each in _files(directory))


def _only_there(directories: Iterable[Path]) -> int:
    """Bytes of files none of whose names is elsewhere."""
    links: Counter[Inode] = Counter()
    known: dict[Inode, os.stat_result] = {}
    for directory in directories:
        for status in _files(directory):
            inode = status.st_dev, status.st_ino
            links[inode] += 1
            known[inode] = status
    return sum(status.st_blocks * 512 for inode, status in known.items() if links[inode] >= status.st_nlink)


def _in_use(directories: Iterable[Path]) -> set[Path]:
    """Names end in a hash or a version: enough to be told by wherever else the directory is mounted. Where processes
    cannot be looked at, everything is taken to be in use.
    """
    by_name = {f"/{each.parent.name}/{each.name}".encode(): each for each in directories}
    if not _PROC.is_dir():
        return set(by_name.values())
    found: set[Path] = set()
    for process in _PROC.glob("[0-9]*"):
        for name in _SHOWING_USE:
            with contextlib.suppress(OSError):
                text = (process / name).read_bytes()
                found.update(path for mark, path in by_name.items() if mark in text)
    return found
