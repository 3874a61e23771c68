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


def install_directory(target: Path, build: Callable[[Path], None], progress: ProgressCallback) -> Path:
    """`target`, made by `build` (which fills the empty directory it is given) unless it is there already."""
    if target.is_dir():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with _exclusive(target.parent / f".{target.name}.lock", progress):
        if target.is_dir():
            return target
        for leftover in target.parent.glob(f".{target.name}.building-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        building = Path(tempfile.mkdtemp(prefix=f".{target.name}.building-", dir=target.parent))
        try:
            build(building)
            building.chmod(0o755)
            building.rename(target)
        except BaseException:
            shutil.rmtree(building, ignore_errors=True)
            raise
    return target


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
