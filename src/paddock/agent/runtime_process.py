"""Starts the runtime of one execution environment and sees to it that nothing of it outlives it.

The processes of an environment are found by their cgroup; without one, by descent, by process group, and by the path of
their log socket, which stands in the environment of all of them and of no other.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import subprocess
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from paddock.agent.limits import OPEN_FILES
from paddock.agent.watchdog import die_with_parent
from paddock.core.environment.errors import INVALID_ENTRYPOINT, INVALID_WORKING_DIRECTORY, PLATFORM_FAILURE
from paddock.launchers.cgroups import Cgroup
from paddock.launchers.processes import ProcessStat, all_stats, descendants, environ_holds, kill_until_none


class CannotStart(Exception):
    """`error_type` as in the Runtime API."""

    def __init__(self, error_type: str, text: str) -> None:
        super().__init__(f"{error_type}: {text}")
        self.error_type = error_type
        self.text = text


@dataclass(frozen=True, slots=True)
class ProcessCommand:
    """`marker` is a `NAME=value` of `environment` that no process of another environment has."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    cwd: Path
    marker: bytes


class RuntimeProcess:
    """The runtime's main process and all that came of it. Made by `start`."""

    def __init__(self, popen: subprocess.Popen[bytes], marker: bytes, cgroup: Cgroup | None) -> None:
        assert popen.stdout is not None
        assert popen.stderr is not None
        self.pid = popen.pid
        self.stdout = popen.stdout
        self.stderr = popen.stderr
        self._popen = popen
        self._marker = marker
        self._cgroup = cgroup
        self._watched: int | None = None

    def on_exit(self, told: Callable[[int], None]) -> None:
        """`told` gets the exit status on the loop, once; negative for a signal."""
        loop = asyncio.get_running_loop()
        try:
            watched = os.pidfd_open(self.pid)
        except (AttributeError, OSError):
            self._wait_in_thread(loop, told)
            return
        self._watched = watched

        def readable() -> None:
            self._unwatch(loop)
            told(self._popen.wait())

        loop.add_reader(watched, readable)

    def _unwatch(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._watched is not None:
            loop.remove_reader(self._watched)
            os.close(self._watched)
            self._watched = None

    def _wait_in_thread(self, loop: asyncio.AbstractEventLoop, told: Callable[[int], None]) -> None:
        def wait() -> None:
            status = self._popen.wait()
            with contextlib.suppress(RuntimeError):  # the loop may be over
                loop.call_soon_threadsafe(told, status)

        threading.Thread(target=wait, name=f"wait-{self.pid}", daemon=True).start()

    def living(self) -> list[int]:
        """Blocking: reads `/proc`."""
        if self._cgroup is not None:
            return self._cgroup.pids()
        stats = all_stats()
        found = {stat.pid for stat in self.own(stats)}
        own = os.getpid()
        found.update(stat.pid for stat in stats if stat.pid != own and environ_holds(stat.pid, self._marker))
        return list(found)

    def own(self, stats: Sequence[ProcessStat]) -> list[ProcessStat]:
        """Those of the environment by descent and by group."""
        tree = {self.pid, *descendants([self.pid], stats)}
        return [stat for stat in stats if stat.pid in tree or stat.group == self.pid]

    def kill(self) -> bool:
        """SIGKILL until nothing is left; False when something would not die. Blocking, for a thread."""
        if self._cgroup is not None:
            self._cgroup.kill()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        gone = kill_until_none(self.living)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._popen.wait(timeout=0)
        return gone

    def forget(self) -> None:
        """Nothing more will be asked of it."""
        self._unwatch(asyncio.get_running_loop())


def start(command: ProcessCommand, cgroup: Cgroup | None) -> RuntimeProcess:
    """Blocks until the program is executed, a few milliseconds. Must run on the agent's main thread: the runtime dies
    with the thread that started it. Raises `CannotStart`.
    """
    if not command.cwd.is_dir():
        raise CannotStart(INVALID_WORKING_DIRECTORY, f"working directory doesn't exist: {command.cwd}")
    join_files = [] if cgroup is None else [str(path) for path in cgroup.join_files]

    def before_exec() -> None:
        """In the new process, between fork and exec: system calls only."""
        for path in join_files:
            joined = os.open(path, os.O_WRONLY)
            os.write(joined, b"0")
            os.close(joined)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
        die_with_parent()

    limit = min(OPEN_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    try:
        with warnings.catch_warnings():
            # Python 3.12 and later warn of a fork beside threads: what runs after it takes no locks.
            warnings.simplefilter("ignore", DeprecationWarning)
            popen = subprocess.Popen(
                list(command.argv),
                env=dict(command.environment),
                cwd=command.cwd,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                process_group=0,
                preexec_fn=before_exec,  # noqa: PLW1509  # only this way the limits hold from the first instruction on
            )
    except subprocess.SubprocessError as error:
        raise CannotStart(PLATFORM_FAILURE, "the runtime's limits could not be set") from error
    except (OSError, ValueError) as error:
        reason = (error.strerror or "").lower() if isinstance(error, OSError) else "invalid argument"
        raise CannotStart(INVALID_ENTRYPOINT, f"{command.argv[0]}: {reason}") from error
    return RuntimeProcess(popen, command.marker, cgroup)
