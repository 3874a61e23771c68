"""Runs a Python function here a few times and takes its wall time, CPU time and memory.

A process of its own does it, so that its memory is its own and a function that hangs can be ended. It runs with the
rights of whoever asked: measure only what you would run anyway.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from paddock.advisor.documents import InputError

HARNESS = Path(__file__).with_name("measure_harness.py")
MAX_OUTPUT_CHARACTERS = 1_000_000


@dataclass(frozen=True, slots=True)
class Measurement:
    """Means over `runs` after one that warms up; memory is the most that was resident."""

    runs: int
    duration_ms: float
    p99_ms: float
    cpu_ms: float
    memory_mb: float


def measure(handler: str, event: Path | None = None, *, runs: int = 20, timeout_seconds: float = 120) -> Measurement:
    """`handler` is `path/to/file.py:function`. Raises InputError when it cannot be run, fails or takes too long."""
    file, _, function = handler.rpartition(":")
    if not file or not function.isidentifier():
        raise InputError(f"--measure takes path/to/file.py:function, not {handler!r}")
    if not Path(file).is_file():
        raise InputError("no such file", file=file)
    command = [sys.executable, str(HARNESS), file, function, str(runs), "" if event is None else str(event)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_seconds, check=False)
    except subprocess.TimeoutExpired as error:
        raise InputError(f"did not finish {runs} runs within {timeout_seconds:g} s", file=file) from error
    last = done.stdout[-MAX_OUTPUT_CHARACTERS:].rstrip().rpartition("\n")[2]
    try:
        found = json.loads(last)
    except ValueError as error:
        said = done.stderr.strip().rpartition("\n")[2] or f"it ended with {done.returncode}"
        raise InputError(f"cannot be measured: {said}", file=file) from error
    if "failed" in found:
        raise InputError(f"failed: {found['failed']}", file=file)
    return Measurement(
        runs=found["runs"],
        duration_ms=found["duration_ms"],
        p99_ms=found["p99_ms"],
        cpu_ms=found["cpu_ms"],
        memory_mb=found["memory_mb"],
    )
