"""What an execution environment may see and use, and what is executed in place of its runtime. No system calls."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path, PurePath

OPEN_FILES = 4096
"""Of an execution environment (Lambda Managed Instances, March 2026)."""
MAX_PROCESSES = 4096
"""Of an execution environment: no runtime comes near it with 64 invocations for each of 16 vCPU, and a fork bomb ends
there. AWS leaves the number to the machine's default.
"""


class Rung(IntEnum):
    """Higher is stronger. PROCESS: limits, no new privileges, seccomp and Landlock where they exist; the machine's
    files, users and processes. NAMESPACES: its own files, users, processes and `/tmp` as well.
    """

    PROCESS = 1
    NAMESPACES = 2


class IsolationUnavailable(Exception):
    """The least that was demanded cannot be had; the text is one line for a person."""


@dataclass(frozen=True, slots=True)
class EnvironmentView:
    """One environment. The four directories are where they are on this machine's disk; `readable_paths` is what the
    runtime reads apart from them and the operating system's own. `socket` is the one the runtime sends its logs to.

    `vcpu` is what it should see, `entitled_cores` what that is worth here. `join_files` are those of its control
    group.
    """

    environment_id: str
    task_root: Path
    opt_root: Path | None
    runtime_dir: Path
    lang_dir: Path
    readable_paths: tuple[Path, ...]
    memory_mb: int
    vcpu: float
    socket: Path | None = None
    tmp_size_mb: int = 512
    cpus: tuple[int, ...] = ()
    join_files: tuple[Path, ...] = ()
    open_files: int = OPEN_FILES
    max_processes: int = MAX_PROCESSES
    image_root: Path | None = None
    """Of a function that comes as an image: it sees this tree in place of the machine's and of the four directories."""
    resolv_conf: str | None = None
    """Where names are resolved, where that is not as on the machine."""


@dataclass(frozen=True, slots=True)
class Program:
    """What should run, in the words of the layout the rung has (`Isolation.has_aws_layout`). Variables hold secrets."""

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    cwd: PurePath


class LaunchFailed(Exception):
    """The program was never executed. `stage` is `entry point` or `working directory` when the function is to blame."""

    def __init__(self, stage: str, number: int, text: str) -> None:
        super().__init__(f"{stage}: {text}")
        self.stage = stage
        self.errno = number
        self.text = text

    @property
    def not_executable(self) -> bool:
        """The program is there and may not be executed, or what its first line names may not."""
        return self.stage == "entry point" and self.errno == errno.EACCES


def launch_failed(said: bytes) -> LaunchFailed:
    """From what the outcome holds."""
    stage, number, text = said.decode(errors="replace").split("\0", 2)
    return LaunchFailed(stage, int(number), text)


@dataclass(frozen=True, slots=True)
class LaunchCommand:
    """To be executed by the caller, with its working directory anywhere and its pipes as standard input and output.

    `environment` is that of the program in between. After the start, or instead of it, `close_passed` must be called,
    then `wait_executed`, once each. `exit_status` translates what the process ended with. `uid` is the user that nobody
    but this environment is, if it has one. `passes_signals`: what the started process is asked by a signal goes to the
    program's group; else that process is the program.
    """

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    pass_fds: tuple[int, ...]
    outcome: int
    uid: int | None = None
    signals_as_statuses: bool = False
    passes_signals: bool = False

    def close_passed(self) -> None:
        """The started process has its own."""
        for descriptor in self.pass_fds:
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def wait_executed(self) -> None:
        """Blocks, some ten milliseconds, until the runtime is executed. Raises `LaunchFailed`."""
        with os.fdopen(self.outcome, "rb") as file:
            said = file.read()
        if said:
            raise launch_failed(said)

    def exit_status(self, status: int) -> int:
        """Negative for a signal, also where the program in between says it as a shell does."""
        return 128 - status if self.signals_as_statuses and status > 128 else status
