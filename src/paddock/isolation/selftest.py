"""Proves a way of isolation by using it: the probe is started as a function would be and tries to get out.

Blocking, some fifty milliseconds. Knows nothing of rungs: says which claims did not hold.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath

from paddock.isolation import probe
from paddock.isolation.launch import Wrap
from paddock.isolation.view import EnvironmentView, LaunchFailed, Program

TIMEOUT_SECONDS = 10.0
"""A hundred times what it takes: a machine that is so loaded proves nothing."""
_MAX_SAID = 200
"""Of an error text that goes into one line for people."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What the probe is given; made once for all ways that are tried."""

    directory: Path
    file_in_tmp: Path
    port: int

    @property
    def task_root(self) -> Path:
        return self.directory / "task"


@contextmanager
def trial_in(directory: Path) -> Iterator[Trial]:
    """`directory` must be the agent's own, and nothing a runtime may see."""
    place = Path(tempfile.mkdtemp(prefix="self-test-", dir=directory))
    listener = socket.create_server(("127.0.0.1", 0))
    try:
        for name in ("task", "runtime", "lang"):
            (place / name).mkdir(mode=0o755)
        shutil.copyfile(probe.__file__, place / "task" / "probe.py")
        (place / "outside").write_text("nobody inside may read this", encoding="ascii")
        with tempfile.NamedTemporaryFile(dir="/tmp", prefix="paddock-self-test-") as in_tmp:
            yield Trial(place, Path(in_tmp.name), listener.getsockname()[1])
    finally:
        listener.close()
        shutil.rmtree(place, ignore_errors=True)


def failures(wrap: Wrap, trial: Trial, claims: frozenset[str], *, aws_layout: bool) -> list[str]:
    """What of `claims` does not hold; empty when it is proved."""
    task_root = PurePath("/var/task") if aws_layout else trial.task_root
    interpreter = Path(sys.executable).resolve()
    program = Program(
        (str(interpreter), "-I", "-S", str(task_root / "probe.py"), *_facts(trial)),
        {"PATH": "/usr/bin:/bin"},
        task_root,
    )
    try:
        said = _run(wrap, _view(trial, interpreter), program)
    except LaunchFailed as failed:
        return [str(failed)]
    except (OSError, subprocess.SubprocessError) as error:
        return [str(error)]
    found = dict(line.split(" ", 1) for line in said.splitlines() if " " in line)
    if not probe.CLAIMS.keys() <= found.keys():
        return [f"the probe did not run: {said.strip()[-_MAX_SAID:] or 'it said nothing'}"]
    return [found[claim] for claim in probe.CLAIMS if claim in claims and found[claim] != "ok"]


def _view(trial: Trial, interpreter: Path) -> EnvironmentView:
    return EnvironmentView(
        environment_id=f"self-test-{os.getpid()}",
        task_root=trial.task_root,
        opt_root=None,
        runtime_dir=trial.directory / "runtime",
        lang_dir=trial.directory / "lang",
        readable_paths=(Path(sys.base_prefix).resolve(), interpreter.parent),
        memory_mb=128,
        vcpu=1.0,
        tmp_size_mb=1,
    )


def _facts(trial: Trial) -> tuple[str, ...]:
    start_ticks = ""
    with contextlib.suppress(OSError):
        start_ticks = Path("/proc/self/stat").read_text(encoding="ascii").rpartition(")")[2].split()[19]
    return str(os.getpid()), start_ticks, str(trial.directory / "outside"), str(trial.file_in_tmp), str(trial.port)


def _run(wrap: Wrap, view: EnvironmentView, program: Program) -> str:
    launch = wrap(view, program)
    try:
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
    except OSError:
        os.close(launch.outcome)
        raise
    finally:
        launch.close_passed()
    with process:
        try:
            said, _ = process.communicate(timeout=TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        finally:
            launch.wait_executed()
    return said
