"""Installs from the Python and Node.js registries what a lock names, and only when the hashes agree.

Which registry is asked is the business of pip's and npm's own configuration. Knows nothing of runtimes or functions.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from paddock.runtimes.errors import InstallFailed
from paddock.runtimes.jobs import Job

_TRY_AGAIN = "Check that the package registry can be reached, then try again."


@dataclass(frozen=True, slots=True)
class PythonTarget:
    """Which wheels are wanted. No platforms: this machine's."""

    version: str
    platforms: tuple[str, ...] = ()

    def options(self) -> list[str]:
        chosen = [f"--platform={platform}" for platform in self.platforms]
        return ["--implementation=cp", f"--python-version={self.version}", *chosen]


def pip_install(lock: Path, target: Path, python: PythonTarget, job: Job) -> None:
    """Unpacks the wheels that `lock` names (a complete list, with hashes) into `target`, for `python`."""
    options = ["--no-compile", f"--target={target}"]
    _pip("install", lock, [*options, *python.options()], job)


def pip_download(lock: Path, target: Path, python: PythonTarget, job: Job) -> None:
    """Puts the wheels that `lock` names into `target` as they are."""
    _pip("download", lock, [f"--dest={target}", *python.options()], job)


def unpack_interpreter(lock: Path, folder: str, prefix: Path, job: Job) -> None:
    """Fills the empty directory `prefix` with an interpreter that its wheel has in `folder`."""
    unpacked = prefix / "wheel"
    pip_install(lock, unpacked, PythonTarget("3.13"), job)
    for entry in (unpacked / folder).iterdir():
        entry.rename(prefix / entry.name)
    shutil.rmtree(unpacked)


def _pip(command: str, lock: Path, options: Sequence[str], job: Job) -> None:
    if importlib.util.find_spec("pip") is None:
        raise InstallFailed(job.subject, "pip is not installed.", f"Run: {sys.executable} -m ensurepip")
    argv = [sys.executable, "-m", "pip", command, f"--requirement={lock}", "--require-hashes", "--no-deps"]
    argv += ["--only-binary=:all:", "--progress-bar=off", "--no-input", "--disable-pip-version-check", *options]
    environment = {**os.environ, "PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0", "PYTHONNOUSERSITE": "1"}
    job.run(argv, lock.parent, environment, _TRY_AGAIN)


def npm_program(node_prefix: Path) -> Path:
    return node_prefix / "lib/node_modules/npm/bin/npm-cli.js"


def npm_install(
    project: Path, node_prefix: Path, job: Job, *, run_scripts: bool, environment: Mapping[str, str] | None = None
) -> None:
    """Fills `project`/node_modules from its package-lock.json with the npm that came with `node_prefix`."""
    node = node_prefix / "bin" / "node"
    argv = [str(node), str(npm_program(node_prefix)), "ci", "--omit=dev", "--no-audit", "--no-fund"]
    argv += ["--no-update-notifier", "--foreground-scripts", f"--ignore-scripts={'false' if run_scripts else 'true'}"]
    inherited = {name: value for name, value in os.environ.items() if name != "NODE_OPTIONS"}
    path = f"{node.parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    job.run(argv, project, {**inherited, **(environment or {}), "PATH": path}, _TRY_AGAIN)
