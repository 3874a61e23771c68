"""An OS-only runtime: the function brings its own first program, so there is nothing to find and nothing to fetch."""

from __future__ import annotations

from pathlib import Path

from paddock.model.runtimes import LambdaRuntime
from paddock.runtimes.languages.support import Machine, nothing_instead, prefix_only
from paddock.runtimes.progress import ProgressCallback
from paddock.runtimes.records import installed_directory
from paddock.runtimes.resolution import Resolution

readable_paths = prefix_only
instead = nothing_instead


def digest() -> str:
    return ""


def resolve(runtime: LambdaRuntime, machine: Machine) -> Resolution:
    return Resolution(runtime, None, None, "", exact=True, note="", ric_name="", ric_version="")


def require_tools(runtime: LambdaRuntime, machine: Machine) -> None:
    """None are needed."""


def install(resolution: Resolution, machine: Machine, progress: ProgressCallback) -> Path:
    directory = installed_directory(machine.root, resolution, digest())
    for part in ("runtime", "lang"):
        (directory / part).mkdir(parents=True, exist_ok=True)
    return directory
