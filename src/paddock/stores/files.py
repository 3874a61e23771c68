"""Files that are whole or not there: written beside, flushed to the disk, then put in place in one step."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from pathlib import Path

OWNER_ONLY = 0o600
_TEMPORARY_PREFIX = ".new-"


def write_whole(path: Path, pieces: Iterable[bytes]) -> None:
    """On return the file survives a power cut. Whoever reads meanwhile sees the old one or the new one, no part."""
    temporary = path.with_name(f"{_TEMPORARY_PREFIX}{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY)
        with os.fdopen(descriptor, "wb") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def remove_unfinished(directory: Path) -> None:
    """What a killed process was writing. Only for the directory's one owner."""
    for left in directory.glob(f"{_TEMPORARY_PREFIX}*"):
        left.unlink(missing_ok=True)


def sync_directory(directory: Path) -> None:
    """A new name is on disk only when its directory is."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
