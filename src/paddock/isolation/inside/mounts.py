"""Builds the file system that a runtime sees, step by step, below an empty directory, and moves into it.

Does not decide what is in it: the steps come from `paddock.isolation.filesystem`.
"""

from __future__ import annotations

import os

from paddock.isolation.inside import system

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from paddock.isolation.inside.order import MountStep

_DIRECTORY_MODE = 0o755
_FILE_MODE = 0o644


def build_root(new_root: str, steps: list[MountStep]) -> None:
    """In the caller's own mount namespace. Afterwards `new_root` is `/` and nothing of the old one can be reached."""
    system.mount("none", "/", "", system.MS_REC | system.MS_PRIVATE)
    system.mount("tmpfs", new_root, "tmpfs", system.MS_NOSUID | system.MS_NODEV, "mode=755,size=4m")
    for kind, target, detail in steps:
        if kind == "cover":
            _cover(new_root, target, detail)
        else:
            _BUILDERS[kind](new_root + target, detail)
    system.make_read_only(new_root, recursive=False)
    system.change_root(new_root)


def _directory(target: str, mode: str) -> None:
    os.makedirs(target, _DIRECTORY_MODE, exist_ok=True)  # noqa: PTH103  # pathlib is slow to import
    if mode:
        os.chmod(target, int(mode, 8))  # noqa: PTH101


def _empty_file(target: str) -> None:
    _directory(os.path.dirname(target), "")  # noqa: PTH120
    os.close(os.open(target, os.O_CREAT | os.O_WRONLY, _FILE_MODE))


def _file(target: str, text: str) -> None:
    _directory(os.path.dirname(target), "")  # noqa: PTH120
    descriptor = os.open(target, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, _FILE_MODE)
    os.write(descriptor, text.encode())
    os.close(descriptor)


def _cover(new_root: str, target: str, text: str) -> None:
    """Over a file that is there and cannot be written to."""
    source = f"{new_root}/run/covers{target}"
    _file(source, text)
    system.mount(source, new_root + target, "", system.MS_BIND)
    system.make_read_only(new_root + target, recursive=False)


def _link(target: str, points_to: str) -> None:
    _directory(os.path.dirname(target), "")  # noqa: PTH120
    os.symlink(points_to, target)  # noqa: PTH211


def _mount_point(target: str, source: str) -> None:
    if os.path.isdir(source):  # noqa: PTH112
        _directory(target, "")
    else:
        _empty_file(target)


def _read_only(target: str, source: str) -> None:
    """What lies under the new `/proc` is taken from there: the machine's shows other processes."""
    if source.startswith("/proc/"):
        source = target
    else:
        _mount_point(target, source)
    system.mount(source, target, "", system.MS_BIND | system.MS_REC)
    system.make_read_only(target, recursive=True)


def _as_it_is(target: str, source: str) -> None:
    """A device or a socket, which is of use only if it can be written to."""
    _mount_point(target, source)
    system.mount(source, target, "", system.MS_BIND)


def _tmpfs(target: str, options: str) -> None:
    _directory(target, "")
    system.mount("tmpfs", target, "tmpfs", system.MS_NOSUID | system.MS_NODEV, options)


def _proc(target: str, _: str) -> None:
    _directory(target, "")
    system.mount("proc", target, "proc", system.MS_NOSUID | system.MS_NODEV | system.MS_NOEXEC)


def _terminals(target: str, _: str) -> None:
    _directory(target, "")
    options = "newinstance,ptmxmode=0666,mode=620"
    system.mount("devpts", target, "devpts", system.MS_NOSUID | system.MS_NOEXEC, options)


_BUILDERS: dict[str, Callable[[str, str], None]] = {
    "directory": _directory,
    "file": _file,
    "link": _link,
    "read-only": _read_only,
    "as-it-is": _as_it_is,
    "tmpfs": _tmpfs,
    "proc": _proc,
    "terminals": _terminals,
}
