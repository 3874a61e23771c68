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

from paddock.model.runtimes import CATALOGUE, LambdaRuntime, find_runtime, successor_of_retired
from paddock.runtimes.errors import InstallFailed, NotRunnable, Retired, RuntimeUnavailable, UnknownRuntime
from paddock.runtimes.installed import InstalledRuntime
from paddock.runtimes.jobs import os_errors_explained
from paddock.runtimes.languages import SUPPORT
from paddock.runtimes.languages.support import Machine
from paddock.runtimes.progress import ProgressCallback, silent
from paddock.runtimes.prune import Needs, Pruning, prune
from paddock.runtimes.records import installed_directory, usable_installs
from paddock.runtimes.resolution import Resolution, check_architecture


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
        variables = dict(os.environ if environ is None else environ)
        # What is installed names itself by where it really is: a function in namespaces sees no links to it.
        self._machine = Machine((data_dir / "runtimes").resolve(), variables, strict)
        self._resolutions: dict[str, Resolution] = {}
        self._lock = threading.Lock()

    def resolve(self, runtime: str, architecture: str | None = None) -> Resolution:
        """What `runtime` is on this machine; raises `RuntimeUnavailable`. The answer stays the same while we run, once
        its interpreter is here: until then another process may have to install another one.
        """
        found = _known(runtime)
        if architecture is not None:
            check_architecture(found, architecture)
        with self._lock:
            kept = self._resolutions.get(runtime)
            if kept is None or not kept.is_here:
                kept = self._resolutions[runtime] = SUPPORT[found.language].resolve(found, self._machine)
            return kept

    def ensure(self, runtime: str, progress: ProgressCallback = silent) -> InstalledRuntime:
        """The runtime, installed if it was not. Raises `RuntimeUnavailable`, and whatever `progress` raises."""
        resolution = self.resolve(runtime)
        support = SUPPORT[resolution.runtime.language]
        try:
            directory = self._install(resolution, progress)
        except InstallFailed as failed:
            other = support.instead(resolution, self._machine, failed)
            if other is None:
                raise
            resolution, directory = other, self._install(other, progress)
            with self._lock:
                self._resolutions[runtime] = other
        readable = (directory, *support.readable_paths(resolution, self._machine))
        return InstalledRuntime(resolution.runtime, resolution, directory, readable)

    def _install(self, resolution: Resolution, progress: ProgressCallback) -> Path:
        with os_errors_explained(resolution.runtime.identifier, self._machine.root):
            return SUPPORT[resolution.runtime.language].install(resolution, self._machine, progress)

    def prune(self, *, dry_run: bool) -> Pruning:
        """Remove what neither this version starts nor anybody uses."""
        installs: dict[Path, Resolution] = {}
        needed = [status.resolution for status in self.status() if status.resolution is not None]
        for runtime in CATALOGUE:
            if runtime.language in SUPPORT:
                digest = SUPPORT[runtime.language].digest()
                installs |= usable_installs(self._machine.root, runtime, digest)
        places: set[Path] = set()
        for resolution in (*needed, *installs.values()):
            support = SUPPORT[resolution.runtime.language]
            places.update(path for path in (resolution.prefix, resolution.interpreter_path) if path is not None)
            if resolution.interpreter_path is not None:
                places.update(support.readable_paths(resolution, self._machine))
        return prune(self._machine.root, Needs(frozenset(installs), frozenset(places)), dry_run=dry_run)

    def status(self) -> list[RuntimeStatus]:
        return [self._status(runtime) for runtime in CATALOGUE]

    def _status(self, runtime: LambdaRuntime) -> RuntimeStatus:
        try:
            resolution = self.resolve(runtime.identifier)
            if self._is_installed(resolution):
                return RuntimeStatus(runtime, RuntimeState.INSTALLED, resolution)
            SUPPORT[runtime.language].require_tools(runtime, self._machine)
        except RuntimeUnavailable as unavailable:
            return RuntimeStatus(
                runtime, RuntimeState.UNAVAILABLE, reason=unavailable.reason, remedy=unavailable.remedy
            )
        return RuntimeStatus(runtime, RuntimeState.INSTALLABLE, resolution)

    def _is_installed(self, resolution: Resolution) -> bool:
        support = SUPPORT[resolution.runtime.language]
        no_interpreter = resolution.interpreter_path is None
        return no_interpreter or installed_directory(self._machine.root, resolution, support.digest()).is_dir()


def _known(identifier: str) -> LambdaRuntime:
    runtime = find_runtime(identifier)
    successor = successor_of_retired(identifier)
    if successor is not None:
        raise Retired(identifier, successor)
    if runtime is None:
        raise UnknownRuntime(identifier, (each.identifier for each in CATALOGUE))
    if runtime.language not in SUPPORT:
        raise NotRunnable(identifier)
    return runtime
