"""Directories that are whole or not there: built beside their place and renamed into it, by one process at a time.

A killed install leaves at most a hidden directory, which the next one clears away. Knows nothing of what is built.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from paddock.runtimes.progress import Progress, ProgressCallback

LOCK_POLL_SECONDS = 0.25
BUILDING = ".building-"
"""In the names of directories that are not whole."""


def install_directory(target: Path, build: Callable[[Path], None], progress: ProgressCallback) -> Path:
    """`target`, made by `build` (which fills the empty directory it is given) unless it is there already."""
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with _exclusive(_lock_of(target), progress):
        if target.is_dir():
            return target
        for leftover in target.parent.glob(f".{target.name}{BUILDING}*"):
            shutil.rmtree(leftover, ignore_errors=True)
        building = Path(tempfile.mkdtemp(prefix=f".{target.name}{BUILDING}", dir=target.parent))
        try:
            build(building)
            building.chmod(0o755)
            building.rename(target)
        except BaseException:
            shutil.rmtree(building, ignore_errors=True)
            raise
    return target


@contextmanager
def unless_locked(directory: Path) -> Iterator[bool]:
    """Whether nobody makes it at present; then nobody begins before the block ends."""
    with _lock_of(directory).open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _lock_of(directory: Path) -> Path:
    """Of a half-made one it is that of the whole one."""
    name = directory.name.removeprefix(".").partition(BUILDING)[0]
    return directory.parent / f".{name}.lock"


def link_tree(source: Path, target: Path) -> None:
    """`target` gets the files of `source`: the same ones where the file system can share them, else copies."""
    shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True, copy_function=_link_or_copy)


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)


@contextmanager
def _exclusive(lock: Path, progress: ProgressCallback) -> Iterator[None]:
    """Held until the block ends or the process dies. While another process has it, `progress` may end the wait."""
    with lock.open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                progress(Progress("Waiting for another process that is installing the same"))
                time.sleep(LOCK_POLL_SECONDS)
        yield
