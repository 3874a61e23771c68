"""The rules that the kernel's Landlock holds a runtime to, beside or instead of a file system of its own.

Pure. Bits and versions: `linux/landlock.h`; what a version does not know is left out, and then nothing of it is
refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from paddock.isolation.filesystem import DEVICES, PACKAGE_STORES, SYSTEM_DIRECTORIES
from paddock.isolation.view import EnvironmentView

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REFER, _TRUNCATE, _IOCTL_DEVICE = 1 << 13, 1 << 14, 1 << 15
_FILES_OF_VERSION_1 = (1 << 13) - 1
_SCOPE_ABSTRACT_SOCKET, _SCOPE_SIGNAL = 1 << 0, 1 << 1

_READ = _EXECUTE | _READ_FILE | _READ_DIR
_ON_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEVICE
"""What a rule about something that is no directory may allow."""


@dataclass(frozen=True, slots=True)
class LandlockRules:
    """`handled`: files, network, scope. Empty rules and zeros: there is no Landlock."""

    handled: tuple[int, int, int] = (0, 0, 0)
    rules: tuple[tuple[str, int], ...] = ()


def _known_files(version: int) -> int:
    known = _FILES_OF_VERSION_1
    for since, bit in ((2, _REFER), (3, _TRUNCATE), (5, _IOCTL_DEVICE)):
        if version >= since:
            known |= bit
    return known


def _handled(version: int) -> tuple[int, int, int]:
    """Network stays as it is: a function may connect anywhere. Signals and abstract sockets stay within from version
    6 on.
    """
    return (_known_files(version), 0, _SCOPE_ABSTRACT_SOCKET | _SCOPE_SIGNAL if version >= 6 else 0)


def rules_in_namespaces(version: int) -> LandlockRules:
    """A second lock: what is mounted read-only stays so, were it mounted otherwise by mistake."""
    if version == 0:
        return LandlockRules()
    everything = _known_files(version)
    written = [("/tmp", everything), ("/dev", everything), ("/proc", everything & (_READ | _WRITE_FILE | _TRUNCATE))]  # noqa: S108
    return LandlockRules(_handled(version), (("/", _READ), *written))


def rules_for_process(version: int, view: EnvironmentView) -> LandlockRules:
    """The only lock on files: this machine's system directories and the function's own; `/tmp` is the machine's."""
    if version == 0:
        return LandlockRules()
    everything = _known_files(version)
    own = [view.task_root, view.runtime_dir, view.lang_dir, *view.readable_paths]
    if view.opt_root is not None:
        own.append(view.opt_root)
    resolver = Path("/etc/resolv.conf").resolve().parent
    read = [*SYSTEM_DIRECTORIES, *PACKAGE_STORES, "/etc", "/proc", "/sys", *map(str, own), str(resolver)]
    devices = [*DEVICES, "tty", "ptmx"]
    return LandlockRules(
        _handled(version),
        (
            *((path, _READ & _allowed(path)) for path in dict.fromkeys(read)),
            *((path, everything) for path in ("/tmp", "/var/tmp", "/dev/pts", "/dev/shm")),  # noqa: S108
            *((f"/dev/{name}", everything & _ON_FILES) for name in devices),
        ),
    )


def _allowed(path: str) -> int:
    return ~0 if Path(path).is_dir() else _ON_FILES
