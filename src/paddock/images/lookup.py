"""Finds a program within the tree of an image as the kernel will, once that tree is the root. Follows links, but never
out of it.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where container engines look when an image sets no PATH."""
_MAX_LINKS = 40
"""As the kernel."""


def find_program(root: Path, name: str, path: str) -> str | None:
    """The absolute path of what a shell would execute, as seen from inside; None when there is none. A name with a
    slash is a path already.
    """
    if "/" in name:
        return name
    for directory in path.split(":"):
        candidate = f"{directory}/{name}"
        found = resolve_inside(root, candidate) if directory.startswith("/") else None
        if found is not None and _is_executable(found):
            return candidate
    return None


def resolve_inside(root: Path, path: str) -> Path | None:
    """Where on this machine's disk a path of the tree is; None when it is nowhere."""
    waiting = path.split("/")[::-1]
    reached: list[str] = []
    links = 0
    while waiting:
        part = waiting.pop()
        if part in ("", "."):
            continue
        if part == "..":
            reached = reached[:-1]
            continue
        place = root.joinpath(*reached, part)
        if not place.is_symlink():
            reached.append(part)
            continue
        links += 1
        target = str(place.readlink())
        if links > _MAX_LINKS:
            return None
        if target.startswith("/"):
            reached = []
        waiting += target.split("/")[::-1]
    found = root.joinpath(*reached)
    return found if os.path.lexists(found) else None


def _is_executable(found: Path) -> bool:
    mode = found.lstat().st_mode
    return stat.S_ISREG(mode) and bool(mode & 0o111)
