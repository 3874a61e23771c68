"""What every language answers, and what their answers have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from paddock.model.runtimes import LambdaRuntime
from paddock.runtimes import bootstraps
from paddock.runtimes.errors import InstallFailed
from paddock.runtimes.progress import ProgressCallback
from paddock.runtimes.resolution import Resolution

BOOTSTRAPS = Path(bootstraps.__file__).parent
EXEC_WRAPPER = BOOTSTRAPS / "exec_wrapper.sh"


@dataclass(frozen=True, slots=True)
class Machine:
    """Where runtimes are looked for: among what is installed under `root`, and by the variables of this process.

    `strict` refuses an interpreter of another version than the one asked for.
    """

    root: Path
    environ: Mapping[str, str]
    strict: bool


class LanguageSupport(Protocol):
    def digest(self) -> str:
        """Names the locks and scripts that an installed runtime is made from."""
        ...

    def resolve(self, runtime: LambdaRuntime, machine: Machine) -> Resolution:
        """What would run, on disk or not yet. Raises `RuntimeUnavailable`."""
        ...

    def require_tools(self, runtime: LambdaRuntime, machine: Machine) -> None:
        """Raises `RuntimeUnavailable` when an install would need a program that is not here."""
        ...

    def install(self, resolution: Resolution, machine: Machine, progress: ProgressCallback) -> Path:
        """The directory that holds `lang` and `runtime`, made when it is not there yet. Raises `RuntimeUnavailable`."""
        ...

    def instead(self, resolution: Resolution, machine: Machine, failed: InstallFailed) -> Resolution | None:
        """What runs where `resolution` could not be installed, and says so; None where nothing may."""
        ...

    def readable_paths(self, resolution: Resolution, machine: Machine) -> tuple[Path, ...]:
        """What an environment must be able to read beside that directory."""
        ...


def nothing_instead(resolution: Resolution, machine: Machine, failed: InstallFailed) -> Resolution | None:
    return None


def prefix_only(resolution: Resolution, machine: Machine) -> tuple[Path, ...]:
    return () if resolution.prefix is None else (resolution.prefix,)


def write_bootstrap(target: Path, script: Path, values: Mapping[str, str]) -> None:
    """`script` with its @NAMES@ filled in, then the part that all languages share."""
    text = script.read_text() + EXEC_WRAPPER.read_text()
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    target.write_text(text)
    target.chmod(0o755)
