"""Named network namespaces, where ip(8) keeps them, and work done inside one. Linux only; imports anywhere.

A namespace belongs to a thread. Each piece of work gets a thread of its own, which ends with it, so that no thread that
does anything else is ever in the wrong network.
"""

from __future__ import annotations

import ctypes
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

NAMED = Path("/run/netns")
"""Where ip(8) looks: an operator may enter with `ip netns exec`."""

_CLONE_NEWNET = 0x40000000
_MS_BIND = 4096
_MS_REC = 16384
_MS_SHARED = 1 << 20
_MNT_DETACH = 2
_OWN_THREAD = Path("/proc/thread-self/ns/net")

_Result = TypeVar("_Result")


def exists(path: Path) -> bool:
    """A file that was meant for a namespace and never became one is none."""
    try:
        return path.stat().st_dev == Path("/proc/self/ns/net").stat().st_dev
    except OSError:
        return False


def create(path: Path) -> None:
    """Nothing happens to one that exists. Raises `OSError`."""
    if exists(path):
        return
    _share_directory(path.parent)
    path.touch(mode=stat.S_IRUSR)

    def make() -> None:
        _check(_libc().unshare(_CLONE_NEWNET), "unshare")
        _mount(_OWN_THREAD, path, _MS_BIND)

    try:
        _in_own_thread(make)
    except OSError:
        path.unlink(missing_ok=True)
        raise


def remove(path: Path) -> None:
    """It goes when nothing lives in it any more. One that does not exist is removed already."""
    if exists(path):
        _check(_libc().umount2(os.fsencode(path), _MNT_DETACH), f"umount {path}")
    path.unlink(missing_ok=True)


def inside(path: Path, work: Callable[[], _Result]) -> _Result:
    """What `work` returns or raises. Processes that it starts are in the namespace too."""

    def enter_and_work() -> _Result:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _check(_libc().setns(descriptor, _CLONE_NEWNET), f"setns {path}")
        finally:
            os.close(descriptor)
        return work()

    return _in_own_thread(enter_and_work)


def _in_own_thread(work: Callable[[], _Result]) -> _Result:
    results: list[_Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # noqa: BLE001  # it is the caller's
            errors.append(error)

    thread = threading.Thread(target=run, name="network-namespace")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def _share_directory(directory: Path) -> None:
    """As ip(8) does it: what is unmounted here goes from the copies that other mount namespaces have."""
    directory.mkdir(mode=0o755, parents=True, exist_ok=True)
    try:
        _mount(None, directory, _MS_SHARED | _MS_REC)
    except OSError:
        # It is no mount yet.
        _mount(directory, directory, _MS_BIND | _MS_REC)
        _mount(None, directory, _MS_SHARED | _MS_REC)


def _mount(source: Path | None, target: Path, flags: int) -> None:
    given = b"none" if source is None else os.fsencode(source)
    _check(_libc().mount(given, os.fsencode(target), b"none", ctypes.c_ulong(flags), None), f"mount {target}")


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
