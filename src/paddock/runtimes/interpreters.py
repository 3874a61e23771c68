"""How an interpreter is looked for on this machine: candidates in order, and each is run before it counts.

Which places and which questions are the business of each language. Installs nothing.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PROBE_TIMEOUT_SECONDS = 15.0
"""Of one candidate: a wrapper that asks a question or a dead network mount must not stop the search."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """One that was run and answered. `prefix` is the directory that holds all of it: what an environment must be able
    to read.
    """

    path: Path
    version: str
    prefix: Path

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])

    @property
    def minor(self) -> int:
        return int(self.version.split(".")[1])


def first_usable(candidates: Iterator[Path], probe: Callable[[Path], Interpreter | None]) -> Interpreter | None:
    seen: set[Path] = set()
    for candidate in candidates:
        real = candidate.resolve()
        if real in seen or not os.access(candidate, os.X_OK):
            continue
        seen.add(real)
        interpreter = probe(candidate)
        if interpreter is not None:
            return interpreter
    return None


def path_directories(environ: Mapping[str, str]) -> Iterator[Path]:
    """Without version managers' shims: what they stand for depends on the working directory, and the real ones are
    searched where they are.
    """
    for entry in environ.get("PATH", os.defpath).split(os.pathsep):
        directory = Path(entry)
        if directory.is_absolute() and directory.name != "shims":
            yield directory


def newest_first(programs: Iterable[Path]) -> list[Path]:
    """Of programs at <a directory that is named by its version>/bin/<program>."""
    return sorted(programs, key=lambda program: version_numbers(program.parent.parent.name), reverse=True)


def version_numbers(name: str) -> tuple[int, ...]:
    """All numbers in it, to compare: `java-21.0.10` is newer than `java-21.0.4`."""
    return tuple(int(number) for number in re.findall(r"\d+", name))


def home_directory(environ: Mapping[str, str]) -> Path:
    home = environ.get("HOME")
    return Path(home) if home else Path("/nonexistent")


def data_home(environ: Mapping[str, str]) -> Path:
    configured = environ.get("XDG_DATA_HOME")
    return Path(configured) if configured else home_directory(environ) / ".local" / "share"


def answer_of(argv: list[str], *, on_stderr: bool = False) -> str | None:
    """What the candidate printed, or None when it is not what it looks like."""
    try:
        completed = subprocess.run(
            argv, capture_output=True, check=True, stdin=subprocess.DEVNULL, timeout=PROBE_TIMEOUT_SECONDS
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return (completed.stderr if on_stderr else completed.stdout).decode(errors="replace")


def json_answer_of(argv: list[str]) -> dict[str, object] | None:
    try:
        answer = json.loads(answer_of(argv) or "")
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None
