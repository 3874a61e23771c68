"""Starts the runtime of one execution environment and sees to it that nothing of it outlives it.

The processes of an environment are found by their cgroup; without one, by descent, by process group, and by a token
that stands in the environment of all of them and of no other.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import IO

from paddock.agent.limits import OPEN_FILES, STOP_SECONDS
from paddock.core.environment.errors import INVALID_ENTRYPOINT, INVALID_WORKING_DIRECTORY, PLATFORM_FAILURE
from paddock.isolation.ladder import Isolation
from paddock.isolation.view import EnvironmentView, LaunchCommand, LaunchFailed, Program
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
    """`marker` is a `NAME=value` of `environment` that no process of another environment has. `cwd` and `argv` are as
    the process will see them, `view` is what it may see.
    """

    argv: Sequence[str]
    environment: Mapping[str, str]
    cwd: PurePath
    marker: bytes
    view: EnvironmentView


class RuntimeProcess:
    """The runtime's main process and all that came of it. Made by `start`."""

    def __init__(
        self, popen: subprocess.Popen[bytes], marker: bytes, cgroup: Cgroup | None, launch: LaunchCommand
    ) -> None:
        self.pid = popen.pid
        self._unread = [pipe for pipe in (popen.stdout, popen.stderr) if pipe is not None]
        self._popen = popen
        self._marker = marker
        self._cgroup = cgroup
        self._launch = launch
        self._watched: int | None = None

    def next_pipe(self) -> IO[bytes] | None:
        """Its output and its errors, once each; who takes a pipe closes it."""
        return self._unread.pop(0) if self._unread else None

    def wait_executed(self) -> None:
        """Blocks for some milliseconds, for a thread. Raises `CannotStart`."""
        try:
            self._launch.wait_executed()
        except LaunchFailed as failed:
            raise cannot_start(failed) from failed

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
            told(self._launch.exit_status(self._popen.wait()))

        loop.add_reader(watched, readable)

    def _unwatch(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._watched is not None:
            loop.remove_reader(self._watched)
            os.close(self._watched)
            self._watched = None

    def _wait_in_thread(self, loop: asyncio.AbstractEventLoop, told: Callable[[int], None]) -> None:
        def wait() -> None:
            status = self._launch.exit_status(self._popen.wait())
            with contextlib.suppress(RuntimeError):  # the loop may be over
                loop.call_soon_threadsafe(told, status)

        threading.Thread(target=wait, name=f"wait-{self.pid}", daemon=True).start()

    def signal_group(self, number: int) -> bool:
        """To the runtime and whom it started in its process group. False when it has ended. Bubblewrap passes nothing
        on: it ends, and all with it.
        """
        if self._popen.returncode is not None:
            return False
        try:
            (os.kill if self._launch.passes_signals else os.killpg)(self.pid, number)
        except (ProcessLookupError, PermissionError):
            return False
        return True

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
            self._popen.wait(timeout=STOP_SECONDS)
        return gone

    def forget(self) -> None:
        """Nothing more will be asked of it."""
        self._unwatch(asyncio.get_running_loop())
        while (pipe := self.next_pipe()) is not None:
            pipe.close()


_HINTS = {
    errno.ENOEXEC: ": it is neither a program for this machine nor a script whose first line names its interpreter",
}
_ERROR_TYPES = {"entry point": INVALID_ENTRYPOINT, "working directory": INVALID_WORKING_DIRECTORY}


def cannot_start(failed: LaunchFailed) -> CannotStart:
    error_type = _ERROR_TYPES.get(failed.stage, PLATFORM_FAILURE)
    hint = _HINTS.get(failed.errno, "")
    return CannotStart(error_type, f"{failed.stage}: {failed.text.lower()}{hint}")


def start(command: ProcessCommand, cgroup: Cgroup | None, isolation: Isolation) -> RuntimeProcess:
    """Returns before the runtime is executed: see `wait_executed`. Must run on the agent's main thread: the runtime
    dies with the thread that started it. Raises `CannotStart`.
    """
    program = Program(tuple(command.argv), command.environment, command.cwd)
    launch = isolation.wrap(view_with_limits(command, cgroup), program)
    return RuntimeProcess(spawn(launch, subprocess.PIPE), command.marker, cgroup, launch)


def view_with_limits(command: ProcessCommand, cgroup: Cgroup | None) -> EnvironmentView:
    join_files = () if cgroup is None else cgroup.join_files
    return replace(command.view, join_files=join_files, open_files=OPEN_FILES)


def spawn(launch: LaunchCommand, output: int) -> subprocess.Popen[bytes]:
    """`output` as for `Popen`. Raises `CannotStart`."""
    try:
        return subprocess.Popen(
            launch.argv,
            env=dict(launch.environment),
            pass_fds=launch.pass_fds,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            bufsize=0,
            process_group=0,
        )
    except OSError as error:
        os.close(launch.outcome)
        raise CannotStart(PLATFORM_FAILURE, "no process could be started") from error
    finally:
        launch.close_passed()


StartRuntime = Callable[[ProcessCommand, Cgroup | None, Isolation], RuntimeProcess]
"""What `start` is: a seam, so that the agent can be run where no process is started."""
