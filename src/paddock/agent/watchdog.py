"""The outer process of a managed instance: it outlives the agent by a moment and takes everything else down with it.

An agent's death is its instance's death. The watchdog adopts whatever loses its parent (it is a subreaper), waits for
the agent, kills every descendant that is left, removes the instance's cgroups and ends. Standard library only, and
forked from before anything heavy is imported: it stays as small as an interpreter can be.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Callable
from functools import cache
from types import FrameType

from paddock.launchers.instance_directory import InstanceDirectory
from paddock.launchers.processes import all_stats, descendants, kill_until_none, reap_children, send_signal

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36


@cache
def _libc() -> ctypes.CDLL:
    """Opened before any fork: a forked process may not load libraries."""
    return ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: int) -> None:
    """Best effort: outside Linux there is no such call, and the launcher's own sweep is what is left."""
    with contextlib.suppress(AttributeError, OSError):
        _libc().prctl(option, value, 0, 0, 0)


def die_with_parent() -> None:
    """The calling process gets SIGKILL when the thread that forked it ends."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def watch(run_agent: Callable[[], int], directory: InstanceDirectory) -> int:
    """Run the agent in a child process and return its exit status once nothing of the instance is left."""
    if not directory.claim():
        sys.stderr.write(f"paddock.agent: {directory.path.name} runs already, or has run\n")
        return 3
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    passed_on = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, passed_on)
    watchdog_pid = os.getpid()
    agent_pid = os.fork()
    if agent_pid == 0:
        _become_agent(run_agent, watchdog_pid, passed_on)

    def pass_on(number: int, _: FrameType | None) -> None:
        send_signal(agent_pid, number)

    for number in passed_on:
        signal.signal(number, pass_on)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, passed_on)
    status = _wait_for(agent_pid)
    end_descendants()
    directory.remove_cgroups()
    return status


def _become_agent(run_agent: Callable[[], int], watchdog_pid: int, blocked: set[signal.Signals]) -> None:
    """Never returns."""
    status = 1
    try:
        die_with_parent()
        if os.getppid() == watchdog_pid:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, blocked)
            status = run_agent()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else 1
    except BaseException as error:  # noqa: BLE001  # the last words of a process: nothing is above it
        sys.excepthook(type(error), error, error.__traceback__)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _wait_for(agent_pid: int) -> int:
    """Reaps whatever ends meanwhile."""
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == agent_pid:
            return os.waitstatus_to_exitcode(status)


def end_descendants() -> bool:
    """Kill all children, their children and so on, until this process has none."""

    def living() -> list[int]:
        reap_children()
        return descendants([os.getpid()], all_stats())

    ended = kill_until_none(living)
    reap_children()
    return ended
