"""The directory of one managed instance on this machine: which files are in it and what they mean.

Standard library only: the watchdog reads and writes it too. An instance lives while its watchdog holds the lock; it has
run once its process is recorded, and then never runs again.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import stat
import time
from dataclasses import dataclass
from pathlib import Path

from paddock.launchers.processes import (
    all_stats,
    descendants,
    environ_holds,
    is_running,
    kill_until_none,
    read_stat,
    was_started_with,
)

MARKING_VARIABLE = "AWS_LAMBDA_METADATA_TOKEN"
"""In the environment of every process of an execution environment, extensions among them, as on AWS. No two have the
same value, and `token_beginning` says whose it is.
"""
_MAX_SOCKET_DIRECTORY = 80
"""A unix socket's whole path must stay under 108 bytes, and shorter still on other systems."""


_LOCK_TRIES = 50
_LOCK_PAUSE_SECONDS = 0.01
"""Half a second in all: who looks holds the lock for microseconds."""


class NotPrivate(Exception):
    """A directory for sockets that others could write to."""


@dataclass(frozen=True, slots=True)
class RecordedProcess:
    """The watchdog: its pid and when it started, which together name it for good."""

    pid: int
    start_ticks: int

    @property
    def lives(self) -> bool:
        return is_running(self.pid, self.start_ticks)


@dataclass(frozen=True, slots=True)
class InstanceDirectory:
    path: Path

    @property
    def bootstrap(self) -> Path:
        return self.path / "bootstrap.json"

    @property
    def log(self) -> Path:
        return self.path / "agent.log"

    @property
    def code(self) -> Path:
        return self.path / "code"

    @property
    def cgroups(self) -> Path:
        """The cgroups the instance made, one path a line, innermost last."""
        return self.path / "cgroups"

    @property
    def stopping(self) -> Path:
        """Holds until when, in epoch seconds, an instance that was told to end may take."""
        return self.path / "stopping"

    @property
    def never_began(self) -> Path:
        """There once the process that was started has ended without claiming the directory."""
        return self.path / "never-began"

    @property
    def _process(self) -> Path:
        return self.path / "process"

    @property
    def _lock(self) -> Path:
        return self.path / "lock"

    def claim(self) -> bool:
        """Make the calling process this instance, for as long as it lives. False when it runs or has run already."""
        lock = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not self._locked(lock) or self._process.exists():
            os.close(lock)
            return False
        own = read_stat(os.getpid())
        self._process.write_text(f"{os.getpid()} {own.start_ticks if own else 0}\n", encoding="ascii")
        return True

    def _locked(self, lock: int) -> bool:
        """Tries for a while: a launcher that looks whether the lock is held holds it for a moment."""
        for _ in range(_LOCK_TRIES):
            with contextlib.suppress(OSError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            if self._process.exists():
                break
            time.sleep(_LOCK_PAUSE_SECONDS)
        return False

    def is_held(self) -> bool:
        """Whether the instance's watchdog, or the agent it left behind, is there."""
        try:
            lock = os.open(self._lock, os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        finally:
            os.close(lock)
        return False

    def process(self) -> RecordedProcess | None:
        """None while it has not started."""
        try:
            pid, start_ticks = self._process.read_text(encoding="ascii").split()
            return RecordedProcess(int(pid), int(start_ticks))
        except (OSError, ValueError):
            return None

    def living(self, socket_directory: Path) -> list[int]:
        """Every process of the instance, found by descent, session, cgroup and how its token begins; one that never
        claimed the directory, by what it was started with.
        """
        recorded = self.process()
        stats = all_stats()
        own = os.getpid()
        marker = f"{MARKING_VARIABLE}={token_beginning(socket_directory)}".encode()
        found = {stat.pid for stat in stats if environ_holds(stat.pid, marker)}
        if recorded is None:
            hung = [stat.pid for stat in stats if was_started_with(stat.pid, "--bootstrap", str(self.bootstrap))]
            found.update([*hung, *descendants(hung, stats)])
        else:
            found.update(stat.pid for stat in stats if stat.session == recorded.pid)
            if recorded.lives:
                found.update([recorded.pid, *descendants([recorded.pid], stats)])
        found.update(self._pids_in_cgroups())
        return [pid for pid in found if pid != own]

    def _pids_in_cgroups(self) -> list[int]:
        found: list[int] = []
        with contextlib.suppress(OSError, ValueError):
            for line in self.cgroups.read_text(encoding="utf-8").splitlines():
                for procs in Path(line).glob("**/cgroup.procs"):
                    found.extend(int(pid) for pid in procs.read_text(encoding="ascii").split())
        return found

    def kill(self, socket_directory: Path) -> bool:
        """SIGKILL to all of it until nothing is left; then its cgroups go. False when something would not die."""

        def living() -> list[int]:
            reap_children_of_ours(self.process())
            return self.living(socket_directory)

        gone = kill_until_none(living)
        self.remove_cgroups()
        return gone

    def remove_cgroups(self) -> None:
        with contextlib.suppress(OSError):
            for line in reversed(self.cgroups.read_text(encoding="utf-8").splitlines()):
                top = Path(line)
                for directory in [*sorted(top.glob("*/"), reverse=True), top]:
                    with contextlib.suppress(OSError):
                        directory.rmdir()


def reap_children_of_ours(recorded: RecordedProcess | None) -> None:
    """A watchdog that this process started stays a zombie until it is waited for."""
    if recorded is not None:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(recorded.pid, os.WNOHANG)


def socket_directory(instance: Path, environ_runtime_dir: str | None) -> Path:
    """A short, private directory for the sockets of this instance, made if need be. Raises `NotPrivate`, `OSError`."""
    digest = hashlib.sha256(str(instance).encode()).hexdigest()[:16]
    base = Path(environ_runtime_dir, "paddock") if environ_runtime_dir else _fallback_base()
    if len(str(base / digest)) > _MAX_SOCKET_DIRECTORY:
        base = _fallback_base()
    for directory in (base, base / digest):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        _require_private(directory)
    return base / digest


def token_beginning(socket_directory: Path) -> str:
    """Of the tokens that an instance gives to its environments: 16 digits that name it and are no secret."""
    return hashlib.sha256(str(socket_directory).encode()).hexdigest()[:16]


def _fallback_base() -> Path:
    return Path("/tmp", f"paddock-{os.geteuid()}")  # noqa: S108  # private and checked, see `_require_private`


def _require_private(directory: Path) -> None:
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise NotPrivate(f"{directory} must be a directory that only you can use: remove it or set XDG_RUNTIME_DIR")
