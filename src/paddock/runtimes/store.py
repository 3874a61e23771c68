"""The runtimes of one data directory: says what each would be, installs it once, and lists what is there.

Synchronous, for a thread: an install takes from a second to two minutes. Reads its own environment variables to search
for interpreters.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from paddock.model.runtimes import CATALOGUE, LambdaRuntime, Language, find_runtime
from paddock.runtimes.errors import NotRunnable, RuntimeUnavailable
from paddock.runtimes.installed import InstalledRuntime
from paddock.runtimes.jobs import os_errors_explained
from paddock.runtimes.nodejs_install import (
    client_directory,
    install_nodejs,
    nodejs_digest,
    nodes_directory,
    require_build_tools,
)
from paddock.runtimes.progress import ProgressCallback, silent
from paddock.runtimes.python_install import install_python, python_digest
from paddock.runtimes.records import installed_directory, read_records
from paddock.runtimes.resolution import (
    Resolution,
    check_architecture,
    find_exact_python,
    find_python_stand_in,
    python_missing,
    require_runnable,
    resolve_nodejs,
    resolve_provided,
)


class RuntimeState(StrEnum):
    INSTALLED = "installed"
    INSTALLABLE = "installable"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class RuntimeStatus:
    """One line of `paddock runtimes`. `reason` and `remedy` are empty unless it is unavailable."""

    runtime: LambdaRuntime
    state: RuntimeState
    resolution: Resolution | None = None
    reason: str = ""
    remedy: str = ""


class RuntimeStore:
    """`strict` refuses an interpreter of another version than the one asked for."""

    def __init__(self, data_dir: Path, strict: bool = False, environ: Mapping[str, str] | None = None) -> None:
        self._root = data_dir.absolute() / "runtimes"
        self._strict = strict
        self._environ = dict(os.environ if environ is None else environ)
        self._resolutions: dict[str, Resolution] = {}
        self._lock = threading.Lock()

    def resolve(self, runtime: str, architecture: str | None = None) -> Resolution:
        """What `runtime` is on this machine; raises `RuntimeUnavailable`. The answer stays the same while we run."""
        found = _known(runtime)
        require_runnable(found)
        if architecture is not None:
            check_architecture(found, architecture)
        with self._lock:
            if runtime not in self._resolutions:
                self._resolutions[runtime] = self._search(found)
            return self._resolutions[runtime]

    def ensure(self, runtime: str, progress: ProgressCallback = silent) -> InstalledRuntime:
        """The runtime, installed if it was not. Raises `RuntimeUnavailable`, and whatever `progress` raises."""
        resolution = self.resolve(runtime)
        with os_errors_explained(runtime, self._root):
            directory = self._install(resolution, progress)
        readable = [directory]
        if resolution.prefix is not None:
            readable.append(resolution.prefix)
        return InstalledRuntime(resolution.runtime, resolution, directory, tuple(readable))

    def status(self) -> list[RuntimeStatus]:
        return [self._status(runtime) for runtime in CATALOGUE]

    def _search(self, runtime: LambdaRuntime) -> Resolution:
        if runtime.language is Language.PYTHON:
            return self._search_python(runtime)
        if runtime.language is Language.NODEJS:
            installed = read_records(self._root, runtime, nodejs_digest())
            return installed[0] if installed else resolve_nodejs(runtime, self._environ, nodes_directory(self._root))
        return resolve_provided(runtime)

    def _search_python(self, runtime: LambdaRuntime) -> Resolution:
        """What is installed, before what is found; the version asked for, before any that stands in."""
        installed = read_records(self._root, runtime, python_digest())
        if installed and installed[0].exact:
            return installed[0]
        exact = find_exact_python(runtime, self._environ)
        if exact is not None:
            return exact
        stand_in = installed[0] if installed else find_python_stand_in(runtime, self._environ)
        if stand_in is None or self._strict:
            raise python_missing(runtime, self._environ)
        return stand_in

    def _install(self, resolution: Resolution, progress: ProgressCallback) -> Path:
        if resolution.runtime.language is Language.PYTHON:
            return install_python(self._root, resolution, progress)
        if resolution.runtime.language is Language.NODEJS:
            return install_nodejs(self._root, resolution, progress)
        directory = self._root / resolution.runtime.identifier
        for part in ("runtime", "lang"):
            (directory / part).mkdir(parents=True, exist_ok=True)
        return directory

    def _status(self, runtime: LambdaRuntime) -> RuntimeStatus:
        try:
            resolution = self.resolve(runtime.identifier)
            if self._is_installed(resolution):
                return RuntimeStatus(runtime, RuntimeState.INSTALLED, resolution)
            if runtime.language is Language.NODEJS and not client_directory(self._root).is_dir():
                require_build_tools(runtime.identifier)
        except RuntimeUnavailable as unavailable:
            return RuntimeStatus(
                runtime, RuntimeState.UNAVAILABLE, reason=unavailable.reason, remedy=unavailable.remedy
            )
        return RuntimeStatus(runtime, RuntimeState.INSTALLABLE, resolution)

    def _is_installed(self, resolution: Resolution) -> bool:
        digests = {Language.PYTHON: python_digest, Language.NODEJS: nodejs_digest}
        named = digests.get(resolution.runtime.language)
        return named is None or installed_directory(self._root, resolution, named()).is_dir()


def _known(identifier: str) -> LambdaRuntime:
    runtime = find_runtime(identifier)
    if runtime is None:
        raise NotRunnable(identifier)
    return runtime
