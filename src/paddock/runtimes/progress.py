"""How an install tells what it is doing. A callback that raises stops the install and whatever it has started."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """`step` names the work ("Compiling aws-lambda-ric 4.0.2"), `detail` its latest line of output.

    `fraction` runs from 0 to 1 over the whole install, None where nobody can tell.
    """

    step: str
    detail: str = ""
    fraction: float | None = None


ProgressCallback = Callable[[Progress], None]


def silent(progress: Progress) -> None:
    """For callers that show nothing."""
