"""What this process is about, so that a failure can be told with its place."""

from __future__ import annotations

import os

FAILED = 125
"""Exit status when a program was never executed; the outcome says why."""

STARTED = b"started"
"""What a program that runs beside others says on its outcome before it is executed."""

_stage = "reading the order"


def begin(stage: str) -> None:
    global _stage  # noqa: PLW0603  # one process, one thread, one thing at a time
    _stage = stage


def tell(outcome: int, error: Exception) -> None:
    """`paddock.isolation.view.launch_failed` reads it."""
    number, text = (error.errno, error.strerror) if isinstance(error, OSError) else (0, repr(error))
    os.write(outcome, f"{_stage}\0{number or 0}\0{text or error}".encode())
