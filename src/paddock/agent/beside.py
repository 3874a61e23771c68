"""The processes of an environment that has Lambda extensions: each extension, then the runtime, beside one another.

`open_environment` is the way in, on every rung of isolation. In namespaces one first process starts them all; without,
each is a process of the agent's. What is started when, and what an end means, is not known here.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath
from typing import IO, Protocol

from paddock.agent.runtime_process import (
    CannotStart,
    ProcessCommand,
    RuntimeProcess,
    cannot_start,
    spawn,
    start,
    view_with_limits,
)
from paddock.core.environment.errors import EXTENSION_LAUNCH_ERROR, PERMISSION_DENIED
from paddock.isolation.beside import Beside, FirstProcess
from paddock.isolation.inside.several import MOST_PROGRAMS
from paddock.isolation.ladder import Isolation
from paddock.isolation.view import LaunchCommand, LaunchFailed, Program
from paddock.launchers.cgroups import Cgroup
from paddock.launchers.processes import ProcessStat


class BesideProcess(Protocol):
    """One of the programs. Its session and its process group are its own."""

    @property
    def pid(self) -> int:
        """As the agent sees it; zero until `wait_executed` has returned."""
        ...

    def next_pipe(self) -> IO[bytes] | None:
        """Its output and its errors, once each; who takes a pipe closes it."""
        ...

    def wait_executed(self) -> None:
        """Blocks for some milliseconds, for a thread. Raises `CannotStart`; see `extension_cannot_start`."""
        ...

    def on_exit(self, told: Callable[[int], None]) -> None:
        """`told` gets the exit status on the loop, once; negative for a signal. After `wait_executed`."""
        ...

    def signal_group(self, number: int) -> bool:
        """Once it is executed. False when nobody is there to get it."""
        ...


class SharedEnvironment(Protocol):
    """All programs of one environment and all that came of them. `pid` is for measuring, with what it started."""

    @property
    def pid(self) -> int: ...

    def wait_executed(self) -> None:
        """Blocks, some ten milliseconds, until programs can run in it, for a thread. Raises `CannotStart`."""
        ...

    def start_beside(self, argv: Sequence[str], environment: Mapping[str, str], cwd: PurePath) -> BesideProcess:
        """Returns before the program is executed. On the loop, in the agent's main thread. `environment` holds what the
        command's `marker` says. Raises `CannotStart`.
        """
        ...

    def living(self) -> list[int]: ...

    def own(self, stats: Sequence[ProcessStat]) -> list[ProcessStat]: ...

    def kill(self) -> bool:
        """As of one runtime: SIGKILL until nothing is left of any. Blocking, for a thread."""
        ...

    def forget(self) -> None:
        """Nothing more will be asked of it, and no more exits are told. In namespaces all programs end by this."""
        ...


def open_environment(command: ProcessCommand, cgroup: Cgroup | None, isolation: Isolation) -> SharedEnvironment:
    """Of `command` counts what is not the program: `marker` and `view`. Must run on the agent's main thread. Raises
    `CannotStart`.
    """
    if isolation.way.open is None:
        return _Processes(command, cgroup, isolation)
    opening = isolation.way.open(view_with_limits(command, cgroup))
    try:
        popen = spawn(opening.command, subprocess.DEVNULL)
    except CannotStart:
        opening.first.close()
        raise
    return _Namespaces(popen, command.marker, cgroup, opening.command, opening.first)


def extension_cannot_start(cannot: CannotStart) -> CannotStart:
    """The same in the words for extensions."""
    failed = cannot.__cause__
    if not isinstance(failed, LaunchFailed) or failed.stage not in ("entry point", "working directory"):
        return cannot
    return CannotStart(PERMISSION_DENIED if failed.not_executable else EXTENSION_LAUNCH_ERROR, cannot.text)


class _Inside:
    """A program in the environment's namespaces."""

    def __init__(self, started: Beside, first: FirstProcess) -> None:
        self.pid = 0
        self.number = started.number
        self._started = started
        self._first = first
        self._unread: list[IO[bytes]] = [os.fdopen(end, "rb", buffering=0) for end in (started.output, started.errors)]
        self._status: int | None = None
        self._told: Callable[[int], None] | None = None

    def next_pipe(self) -> IO[bytes] | None:
        return self._unread.pop(0) if self._unread else None

    def wait_executed(self) -> None:
        try:
            self.pid = self._started.wait_executed()
        except LaunchFailed as failed:
            raise cannot_start(failed) from failed

    def on_exit(self, told: Callable[[int], None]) -> None:
        if self._status is None:
            self._told = told
        else:
            asyncio.get_running_loop().call_soon(told, self._status)

    def ended(self, status: int) -> None:
        if self._status is None:
            self._status = status
            if self._told is not None:
                self._told(status)

    def signal_group(self, number: int) -> bool:
        return self._first.signal(self.number, number)

    def forget(self) -> None:
        self._told = None
        while (pipe := self.next_pipe()) is not None:
            pipe.close()


class _Namespaces(RuntimeProcess):
    """The process of its own is the one that waits outside; it is never the runtime."""

    def __init__(
        self,
        popen: subprocess.Popen[bytes],
        marker: bytes,
        cgroup: Cgroup | None,
        launch: LaunchCommand,
        first: FirstProcess,
    ) -> None:
        super().__init__(popen, marker, cgroup, launch)
        self._first = first
        self._programs: dict[int, _Inside] = {}

    def start_beside(self, argv: Sequence[str], environment: Mapping[str, str], cwd: PurePath) -> BesideProcess:
        if not self._programs:
            asyncio.get_running_loop().add_reader(self._first.fileno(), self._heard)
        try:
            started = self._first.start(Program(tuple(argv), environment, cwd))
        except LaunchFailed as failed:
            raise cannot_start(failed) from failed
        program = _Inside(started, self._first)
        self._programs[program.number] = program
        return program

    def _heard(self) -> None:
        exits = self._first.exits()
        if exits is None:
            asyncio.get_running_loop().remove_reader(self._first.fileno())
            for program in self._programs.values():
                program.ended(-signal.SIGKILL)
            return
        for ended in exits:
            self._programs[ended.number].ended(ended.status)

    def forget(self) -> None:
        super().forget()
        if self._first.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._first.fileno())
            self._first.close()
        for program in self._programs.values():
            program.forget()


class _Processes:
    """Without namespaces: nothing holds the programs together but their cgroup and their marker."""

    def __init__(self, command: ProcessCommand, cgroup: Cgroup | None, isolation: Isolation) -> None:
        self._command = command
        self._cgroup = cgroup
        self._isolation = isolation
        self._programs: list[RuntimeProcess] = []

    @property
    def pid(self) -> int:
        """Of the last, which is the runtime."""
        return self._programs[-1].pid if self._programs else 0

    def wait_executed(self) -> None:
        """There is nothing to wait for."""

    def start_beside(self, argv: Sequence[str], environment: Mapping[str, str], cwd: PurePath) -> BesideProcess:
        if len(self._programs) >= MOST_PROGRAMS:
            failed = LaunchFailed("starting a process", 0, f"more than {MOST_PROGRAMS} programs in one environment")
            raise cannot_start(failed) from failed
        command = replace(self._command, argv=argv, environment=environment, cwd=cwd)
        program = start(command, self._cgroup, self._isolation)
        self._programs.append(program)
        return program

    def living(self) -> list[int]:
        return list({pid for program in self._programs for pid in program.living()})

    def own(self, stats: Sequence[ProcessStat]) -> list[ProcessStat]:
        return list({stat.pid: stat for program in self._programs for stat in program.own(stats)}.values())

    def kill(self) -> bool:
        gone = [program.kill() for program in self._programs]
        return all(gone)

    def forget(self) -> None:
        for program in self._programs:
            program.forget()
