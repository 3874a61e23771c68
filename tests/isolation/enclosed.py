"""Runs scripts in an execution environment's isolation, as the agent would, and says what became of them."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from paddock.isolation.ladder import Isolation
from paddock.isolation.view import EnvironmentView, LaunchCommand, Program

INTERPRETER = Path(sys.executable).resolve()
TIMEOUT_SECONDS = 60
_numbers = itertools.count()


@dataclass(frozen=True)
class Ended:
    status: int
    said: str


@dataclass
class Started:
    process: subprocess.Popen[str]
    launch: LaunchCommand

    def ended(self) -> Ended:
        said, _ = self.process.communicate(timeout=TIMEOUT_SECONDS)
        return Ended(self.launch.exit_status(self.process.returncode), said)

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def kill(self) -> None:
        with self.process:
            os.killpg(self.process.pid, signal.SIGKILL)


@dataclass(frozen=True)
class Enclosure:
    """One kind of isolation and a directory of the test's own, of which environments see only their part."""

    isolation: Isolation
    directory: Path

    def view(self, script: str) -> EnvironmentView:
        """An environment whose code is `function.py`."""
        place = self.directory / f"environment-{next(_numbers)}"
        for name in ("task", "opt", "runtime", "lang"):
            (place / name).mkdir(parents=True)
        (place / "task" / "function.py").write_text(textwrap.dedent(script))
        (place / "opt" / "layer.txt").write_text("from a layer")
        return EnvironmentView(
            environment_id=place.name,
            task_root=place / "task",
            opt_root=place / "opt",
            runtime_dir=place / "runtime",
            lang_dir=place / "lang",
            readable_paths=(Path(sys.base_prefix).resolve(), INTERPRETER.parent),
            memory_mb=256,
            vcpu=2.0,
            tmp_size_mb=4,
        )

    def program(self, view: EnvironmentView, arguments: Sequence[str], variables: Mapping[str, str]) -> Program:
        task_root = PurePath("/var/task") if self.isolation.has_aws_layout else view.task_root
        argv = (str(INTERPRETER), "-I", "-S", "-u", str(task_root / "function.py"), *arguments)
        return Program(argv, {"PATH": "/usr/bin:/bin", **variables}, task_root)

    def start(
        self,
        script: str,
        *arguments: str,
        view: EnvironmentView | None = None,
        program: Program | None = None,
        variables: Mapping[str, str] | None = None,
        **changes: object,
    ) -> Started:
        seen = replace(view or self.view(script), **changes)  # type: ignore[arg-type]
        launch = self.isolation.wrap(seen, program or self.program(seen, arguments, variables or {}))
        process = subprocess.Popen(
            launch.argv,
            env=dict(launch.environment),
            pass_fds=launch.pass_fds,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
            text=True,
            errors="replace",
        )
        launch.close_passed()
        try:
            launch.wait_executed()
        except BaseException:
            process.communicate(timeout=TIMEOUT_SECONDS)
            raise
        return Started(process, launch)

    def run(self, script: str, *arguments: str, **options: object) -> Ended:
        return self.start(script, *arguments, **options).ended()  # type: ignore[arg-type]


def descriptors() -> set[str]:
    """Open in this process, with what they refer to."""
    return {f"{path.name} {path.readlink()}" for path in Path("/proc/self/fd").iterdir() if path.is_symlink()}


def processes_with(marker: str) -> list[int]:
    """Of the whole machine, by their command lines."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                if marker.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found
