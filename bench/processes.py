"""Starts what is measured, each in a process group of its own, and ends it again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import cast

END_SECONDS = 5.0
LOAD_GRACE_SECONDS = 90.0
"""To connect and to drain. A load that hangs fails its section, not the sitting."""


class Started:
    """A process whose first line says, in JSON, how to reach it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.group = process.pid

    def line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._named()} ended with {self._process.wait()}")
        return line.strip()

    def _named(self) -> str:
        """The command without the folders of this machine: it may end up on a page."""
        return " ".join(Path(str(word)).name for word in cast("Sequence[str]", self._process.args))

    def document(self) -> dict[str, object]:
        return cast("dict[str, object]", json.loads(self.line()))

    def end(self) -> None:
        for step in (signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self.group, step)
                self._process.wait(END_SECONDS)
            except ProcessLookupError:
                break
            except subprocess.TimeoutExpired:
                continue
        self._process.wait()


@contextmanager
def started(
    arguments: Sequence[str | Path],
    *,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    log: Path | None = None,
) -> Iterator[Started]:
    """`log` takes what it says on standard error."""
    with ExitStack() as stack:
        process = subprocess.Popen(
            [str(argument) for argument in arguments],
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            stderr=None if log is None else stack.enter_context(log.open("ab")),
            env=None if environment is None else dict(environment),
            cwd=cwd,
            text=True,
            start_new_session=True,
        )
    one = Started(process)
    try:
        yield one
    finally:
        one.end()


@contextmanager
def started_module(name: str, *arguments: object) -> Iterator[Started]:
    with started([sys.executable, "-m", name, *map(str, arguments)]) as one:
        yield one


def load(order: Mapping[str, object]) -> dict[str, object]:
    """One measurement by a load process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.load"],
        input=json.dumps(order),
        capture_output=True,
        text=True,
        check=True,
        timeout=cast("float", order["warm_up_seconds"]) + cast("float", order["seconds"]) + LOAD_GRACE_SECONDS,
    )
    return cast("dict[str, object]", json.loads(done.stdout))
