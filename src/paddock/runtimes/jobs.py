"""One step of an install: whom it is for, how it is shown, and the program it runs. A failure becomes one line and a
remedy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from paddock.runtimes.commands import CommandFailed, run_command
from paddock.runtimes.errors import InstallFailed
from paddock.runtimes.progress import Progress, ProgressCallback

MAX_SILENT_SECONDS = 600.0
"""A link-time optimisation on a slow machine is silent for a minute or two; a dead network never ends by itself."""


@dataclass(frozen=True, slots=True)
class Job:
    """`subject` is for whom something is installed, `fraction` how far the whole is when this step begins."""

    subject: str
    step: str
    progress: ProgressCallback
    fraction: float | None = None

    def report(self, line: str) -> None:
        self.progress(Progress(self.step, line, self.fraction))

    def run(self, argv: Sequence[str], cwd: Path, environment: Mapping[str, str], remedy: str) -> None:
        """Raises `InstallFailed` when the program fails, and what `progress` raises."""
        self.report("")
        try:
            run_command(
                argv,
                cwd=cwd,
                environment=environment,
                on_output=self.report,
                max_silent_seconds=MAX_SILENT_SECONDS,
            )
        except CommandFailed as failure:
            reason = f"{self.step} failed: {_telling_line(failure.output) or failure}."
            raise InstallFailed(self.subject, reason, remedy, failure.output) from failure


def _telling_line(output: Sequence[str]) -> str:
    """The last line that calls itself an error, else the last one. Npm's very last tells only where its log is."""
    errors = [line for line in output if "error" in line.lower() and "complete log of this run" not in line]
    candidates = errors or list(output)
    return candidates[-1].strip().rstrip(".") if candidates else ""


@contextmanager
def os_errors_explained(subject: str, place: Path) -> Iterator[None]:
    """A full or read-only disk becomes `InstallFailed`, one line that names the file."""
    try:
        yield
    except OSError as error:
        reason = f"{subject} could not be installed: {error.strerror or error} ({error.filename or place})."
        raise InstallFailed(subject, reason, "Make room there, or choose another data directory.") from error
