"""What the kernel says of processes (`/proc`), and how a whole tree of them is ended. Linux; elsewhere nothing is
found.

Standard library only: the watchdog of an agent, which must stay small, uses it too. Blocking, a few milliseconds a
scan.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

PROC = "/proc"
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

_KILL_PAUSE_SECONDS = 0.01
"""Between two rounds of killing: the kernel needs a moment to take a process down."""
_KILL_ROUNDS = 300
"""Three seconds in all; a process that outlives SIGKILL for so long hangs in the kernel, and waiting does not help."""


@dataclass(frozen=True, slots=True)
class ProcessStat:
    """One line of `/proc/<pid>/stat`. `start_ticks` with the pid names a process for good; `cpu_ticks` includes
    children that were waited for.
    """

    pid: int
    state: str
    parent: int
    group: int
    session: int
    cpu_ticks: int
    start_ticks: int
    resident_bytes: int


def read_stat(pid: int) -> ProcessStat | None:
    """None when there is no such process, or none that can be read."""
    try:
        with open(f"{PROC}/{pid}/stat", "rb") as file:  # noqa: PTH123  # called for every process of the machine
            line = file.read()
    except OSError:
        return None
    # The command name stands in brackets and may hold anything, brackets and blanks too.
    fields = line[line.rfind(b")") + 2 :].split()
    return ProcessStat(
        pid=pid,
        state=fields[0].decode(),
        parent=int(fields[1]),
        group=int(fields[2]),
        session=int(fields[3]),
        cpu_ticks=int(fields[11]) + int(fields[12]) + int(fields[13]) + int(fields[14]),
        start_ticks=int(fields[19]),
        resident_bytes=int(fields[21]) * PAGE_BYTES,
    )


def all_stats() -> list[ProcessStat]:
    try:
        names = os.listdir(PROC)  # noqa: PTH208
    except OSError:
        return []
    found = (read_stat(int(name)) for name in names if name.isdigit())
    return [stat for stat in found if stat is not None and stat.state != "Z"]


def is_there(pid: int) -> bool:
    """Whether anything has this id, whoever owns it."""
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (OSError, OverflowError):
        return False
    return True


def is_running(pid: int, start_ticks: int) -> bool:
    """Whether this very process lives; a zombie does not."""
    stat = read_stat(pid)
    return stat is not None and stat.start_ticks == start_ticks and stat.state != "Z"


def descendants(roots: Iterable[int], stats: Iterable[ProcessStat]) -> list[int]:
    """Children of `roots`, their children and so on; without the roots."""
    children: dict[int, list[int]] = {}
    for stat in stats:
        children.setdefault(stat.parent, []).append(stat.pid)
    found: list[int] = []
    wanted = list(roots)
    while wanted:
        born = children.pop(wanted.pop(), [])
        found.extend(born)
        wanted.extend(born)
    return found


def environ_holds(pid: int, beginning: bytes) -> bool:
    """Whether the process was started with a variable in its environment that begins so (`NAME=value`)."""
    try:
        with open(f"{PROC}/{pid}/environ", "rb") as file:  # noqa: PTH123
            environ = file.read()
    except OSError:
        return False
    return environ.startswith(beginning) or b"\0" + beginning in environ


def was_started_with(pid: int, *arguments: str) -> bool:
    """Whether these stand one after the other in the process's command line."""
    try:
        with open(f"{PROC}/{pid}/cmdline", "rb") as file:  # noqa: PTH123
            line = file.read()
    except OSError:
        return False
    return b"\0" + b"\0".join(map(os.fsencode, arguments)) + b"\0" in line


def send_signal(pid: int, number: int) -> bool:
    """False when the process is gone already."""
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def kill_until_none(find: Callable[[], Iterable[int]]) -> bool:
    """SIGKILL to all that `find` returns, again and again, because a tree may fork while it is being killed.

    False when some would not die in time.
    """
    for _ in range(_KILL_ROUNDS):
        living = list(find())
        if not living:
            return True
        for pid in living:
            send_signal(pid, signal.SIGKILL)
        time.sleep(_KILL_PAUSE_SECONDS)
    return False


def reap_children() -> None:
    """Collect every child that has ended."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
