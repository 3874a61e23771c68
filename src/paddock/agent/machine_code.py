"""Whether what a function brings can run on this machine, when it says that it is for another one.

Decided by what is in its files, not by what it says: interpreted code and Java's run anywhere, machine code does not.
Blocking, for a thread. Sources: ELF specification, `e_machine`; glibc's `elf.h` for the numbers.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path, PurePath

from paddock.agent.runtime_process import CannotStart
from paddock.core.environment.errors import INVALID_ENTRYPOINT

_MAGIC = b"\x7fELF"
_BYTE_ORDER_AT, _MACHINE_AT, _HEAD_BYTES = 5, 18, 20
_BIG_ENDIAN = 2
_REMEMBERED = 256
"""Packages and lists of layers; an instance has fewer at a time."""
_ARCHITECTURES = {62: "x86_64", 183: "arm64"}


def require_runnable(roots: Mapping[PurePath, Path], wanted: str, here: str) -> str:
    """A note for people, empty when function and machine agree. `roots` are directories by the place that the function
    knows them at.

    Raises `CannotStart` when all machine code in them is for another machine; packages that bring some for several
    machines choose by themselves.
    """
    if wanted in ("", here):
        return ""
    found: dict[str, PurePath] = {}
    for place, root in roots.items():
        for architecture, path in _machine_code(root).items():
            found.setdefault(architecture, place / path)
    if found and here not in found:
        foreign = found.get(wanted) or next(iter(found.values()))
        raise CannotStart(
            INVALID_ENTRYPOINT,
            f"The function is for {wanted}, this machine is {here}, and {foreign} cannot run on it. Build the function "
            f"for {here}, or run it on a machine of {wanted}.",
        )
    return f"The function is for {wanted}; it runs on {here}, because nothing in it is bound to {wanted}."


def require_machine(wanted: str, here: str) -> None:
    """Of an image, which brings a whole system and all of it for one machine. Raises `CannotStart`."""
    if wanted not in ("", here):
        raise CannotStart(
            INVALID_ENTRYPOINT,
            f"The image is for {wanted}, and this machine is {here}. Build it for {here}, or run it on a machine of "
            f"{wanted}.",
        )


@lru_cache(maxsize=_REMEMBERED)
def _machine_code(root: Path) -> dict[str, PurePath]:
    """What programs and libraries are for, each with the first of them. Remembered: packages never change, and every
    environment of a function asks.
    """
    found: dict[str, PurePath] = {}
    for directory, names, files in os.walk(root):
        names.sort()
        for name in sorted(files):
            path = Path(directory, name)
            architecture = _architecture(path)
            if architecture is not None:
                found.setdefault(architecture, path.relative_to(root))
    return found


def _architecture(path: Path) -> str | None:
    """None for what is no machine code."""
    if not stat.S_ISREG(path.lstat().st_mode):
        return None
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if len(head) < _HEAD_BYTES or not head.startswith(_MAGIC):
        return None
    machine = int.from_bytes(head[_MACHINE_AT:], "big" if head[_BYTE_ORDER_AT] == _BIG_ENDIAN else "little")
    return _ARCHITECTURES.get(machine, f"machine {machine}")
