"""Runs one program of an install to its end, passing its output on line by line. Knows nothing of what is installed."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

TICK_SECONDS = 0.25
"""How often a silent program gives the caller a chance to stop it."""

KEPT_LINES = 40
"""The end of the output, for an error's text; a build prints thousands of lines."""


CHUNK_BYTES = 65536
"""Read at once, and kept of a line that does not end."""


class CommandFailed(Exception):
    """`output` is the end of what it printed; `exit_status` is negative for a signal."""

    def __init__(self, argv: Sequence[str], exit_status: int, output: Sequence[str]) -> None:
        super().__init__(f"{Path(argv[0]).name} ended with status {exit_status}")
        self.exit_status = exit_status
        self.output = tuple(output)


def run_command(
    argv: Sequence[str],
    *,
    cwd: Path,
    environment: Mapping[str, str],
    on_output: Callable[[str], None],
    max_silent_seconds: float,
) -> None:
    """Returns when the program ended well; `CommandFailed` otherwise.

    `on_output` gets each line, and an empty one at every silent tick; when it raises, the program and all it started
    are killed. So they are when it was silent for `max_silent_seconds` in all.
    """
    with subprocess.Popen(
        list(argv),
        cwd=cwd,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as process:
        try:
            kept = _pass_on(process, on_output, argv, max_silent_seconds)
            exit_status = process.wait()
        except BaseException:
            _kill_group(process.pid)
            raise
    if exit_status != 0:
        raise CommandFailed(argv, exit_status, kept)


def _pass_on(
    process: subprocess.Popen[bytes],
    on_output: Callable[[str], None],
    argv: Sequence[str],
    max_silent_seconds: float,
) -> deque[str]:
    assert process.stdout is not None
    output = process.stdout.fileno()
    readable = select.poll()
    readable.register(output, select.POLLIN)
    kept: deque[str] = deque(maxlen=KEPT_LINES)
    unfinished = b""
    silent_ticks_left = max_silent_seconds / TICK_SECONDS
    while silent_ticks_left > 0:
        if not readable.poll(TICK_SECONDS * 1000):
            silent_ticks_left -= 1
            on_output("")
            continue
        chunk = os.read(output, CHUNK_BYTES)
        *lines, unfinished = (unfinished + (chunk or b"\n")).split(b"\n")
        unfinished = unfinished[-CHUNK_BYTES:]
        for line in filter(None, (line.decode(errors="replace").strip() for line in lines)):
            kept.append(line)
            on_output(line)
        if not chunk:
            return kept
    kept.append(f"silent for {max_silent_seconds:.0f} s")
    raise CommandFailed(argv, -signal.SIGKILL, kept)


def _kill_group(process_id: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process_id, signal.SIGKILL)
