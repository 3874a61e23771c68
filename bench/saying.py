"""What a long sitting says of where it is: one line that is written over, or to a log a line for each part."""

from __future__ import annotations

import sys
from typing import TextIO

_WIDTH = 90


def now(step: str, *, begins: bool = False, to: TextIO | None = None) -> None:
    """`begins` a part: only these are kept where the output is no terminal."""
    out = sys.stderr if to is None else to
    if out.isatty():
        print(f"\r{step.ljust(_WIDTH)}", end="", file=out, flush=True)
    elif begins:
        print(step, file=out, flush=True)


def done(to: TextIO | None = None) -> None:
    out = sys.stderr if to is None else to
    if out.isatty():
        print(file=out, flush=True)
