"""Puts a Python runtime together: awslambdaric and the AWS SDK, compiled for the interpreter, with AWS's directory
layout.

Three layers, each made once: the SDK (the same for every version), the packages of one version, the runtime itself.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from paddock.model.runtimes import LambdaRuntime
from paddock.runtimes import locks
from paddock.runtimes.directories import install_directory, link_tree
from paddock.runtimes.errors import InstallFailed, InterpreterMissing
from paddock.runtimes.interpreters import Interpreter
from paddock.runtimes.jobs import Job
from paddock.runtimes.languages.python_interpreters import (
    OLD_MINORS,
    PYTHON_MINORS,
    find_python,
    python_stand_in_order,
)
from paddock.runtimes.languages.python_pinned import install_pinned_python, is_pinned, pinned_python
from paddock.runtimes.languages.support import BOOTSTRAPS, EXEC_WRAPPER, Machine, prefix_only, write_bootstrap
from paddock.runtimes.locks import PYTHON_CLIENT, PYTHON_SDK, pinned_version, python_client, python_sdk
from paddock.runtimes.packages import PythonTarget, pip_install
from paddock.runtimes.progress import ProgressCallback
from paddock.runtimes.records import installed_directory, read_records, write_record
from paddock.runtimes.resolution import Client, Resolution, exact_resolution, stand_in_resolution

SCRIPTS = (BOOTSTRAPS / "python.sh", EXEC_WRAPPER, BOOTSTRAPS / "python_bootstrap.py")

readable_paths = prefix_only


def digest() -> str:
    old = [lock(minor) for minor in OLD_MINORS for lock in (python_client, python_sdk)]
    return locks.digest(PYTHON_CLIENT, PYTHON_SDK, *old, *SCRIPTS)


def require_tools(runtime: LambdaRuntime, machine: Machine) -> None:
    """Only pip, which is installed with this program."""


def resolve(runtime: LambdaRuntime, machine: Machine) -> Resolution:
    """What is installed, before what is found, before what can be fetched; the version asked for, before any that
    stands in. A stand-in that is installed is there because nothing could be fetched: an agent does not try again.
    """
    installed = read_records(machine.root, runtime, digest())
    if installed and installed[0].exact:
        return installed[0]
    settled = bool(installed) and not machine.strict
    exact = _find_exact(runtime, _Search(machine, fetched=not settled))
    if exact is not None:
        return exact
    stand_in = installed[0] if installed else _find_stand_in(runtime, _Search(machine))
    if stand_in is None or machine.strict:
        raise _missing(runtime, machine.environ)
    return stand_in


def instead(resolution: Resolution, machine: Machine, failed: InstallFailed) -> Resolution | None:
    """Where an interpreter cannot be fetched, one that is here."""
    if machine.strict or not is_pinned(resolution.prefix, machine.root):
        return None
    why = f"Python {resolution.version} could not be installed ({failed.reason.rstrip('.')})"
    return _find_stand_in(resolution.runtime, _Search(machine, fetched=False), why)


@dataclass(frozen=True, slots=True)
class _Search:
    """On this machine, and among what can be `fetched`."""

    machine: Machine
    fetched: bool = True

    def python(self, minor: int) -> Interpreter | None:
        found = find_python(minor, self.machine.environ)
        if found is None and self.fetched:
            found = pinned_python(minor, self.machine.root)
        return found


def _find_exact(runtime: LambdaRuntime, search: _Search) -> Resolution | None:
    found = search.python(_minor(runtime)) if _has_client(runtime) else None
    return None if found is None else exact_resolution(runtime, found, _client(found.minor))


def _find_stand_in(runtime: LambdaRuntime, search: _Search, why: str = "") -> Resolution | None:
    why = why or (f"No Python {runtime.version} was found" if _has_client(runtime) else _no_client(runtime))
    for minor in python_stand_in_order(_minor(runtime)):
        found = search.python(minor)
        if found is not None:
            return stand_in_resolution(runtime, found, _client(minor), why)
    return None


def _missing(runtime: LambdaRuntime, environ: Mapping[str, str]) -> InterpreterMissing:
    if _has_client(runtime):
        reason = f"{runtime.identifier} needs Python {runtime.version}, and there is none on this machine."
        return InterpreterMissing(runtime.identifier, reason, f"Run: {_install_command(runtime.version, environ)}")
    nearest = f"3.{python_stand_in_order(_minor(runtime))[0]}"
    remedy = f"Let Python {nearest} stand in; where there is none, run: {_install_command(nearest, environ)}"
    return InterpreterMissing(runtime.identifier, f"{_no_client(runtime)}.", remedy)


def _client(minor: int) -> Client:
    return Client("awslambdaric", pinned_version(python_client(minor), "awslambdaric"))


def _has_client(runtime: LambdaRuntime) -> bool:
    return _minor(runtime) in (*PYTHON_MINORS, *OLD_MINORS)


def _no_client(runtime: LambdaRuntime) -> str:
    client = _client(_minor(runtime))
    return f"{client.name} {client.version} is not made for Python {runtime.version}"


def _minor(runtime: LambdaRuntime) -> int:
    return int(runtime.version.split(".")[1])


def _install_command(version: str, environ: Mapping[str, str]) -> str:
    """Of the tools that install an interpreter, the one that is here; uv where none is."""
    path = environ.get("PATH")
    if shutil.which("uv", path=path) is None and shutil.which("pyenv", path=path) is not None:
        return f"pyenv install {version}"
    return f"uv python install {version}"


def install(resolution: Resolution, machine: Machine, progress: ProgressCallback) -> Path:
    root = machine.root
    subject = resolution.runtime.identifier
    minor = ".".join(resolution.version.split(".")[:2])
    number = int(minor.split(".")[1])
    client_lock, sdk_lock = python_client(number), python_sdk(number)
    fetched = is_pinned(resolution.prefix, root)
    if fetched:
        install_pinned_python(number, root, Job(subject, f"Installing Python {resolution.version}", progress, 0.05))

    def build_sdk(directory: Path) -> None:
        pip_install(sdk_lock, directory, PythonTarget(minor), Job(subject, "Installing boto3", progress, 0.1))
        shutil.rmtree(directory / "bin", ignore_errors=True)

    def build_packages(directory: Path) -> None:
        sdk = install_directory(root / "python-sdk" / locks.digest(sdk_lock), build_sdk, progress)
        job = Job(subject, f"Installing awslambdaric {resolution.ric_version}", progress, 0.5)
        pip_install(client_lock, directory, PythonTarget(minor), job)
        link_tree(sdk, directory)
        compiling = Job(subject, f"Compiling for Python {minor}", progress, 0.7)
        _run_interpreter(resolution, ["-m", "compileall", "-q", str(directory)], compiling)

    def build_runtime(directory: Path) -> None:
        name = f"{minor}-{locks.digest(client_lock, sdk_lock)}"
        packages = install_directory(root / "python-packages" / name, build_packages, progress)
        _make_lang(directory / "lang", resolution)
        link_tree(packages, directory / "runtime")
        values = {"EXECUTION_ENV": resolution.runtime.execution_env, "FETCHED": "yes" if fetched else "no"}
        write_bootstrap(directory / "runtime" / "bootstrap", SCRIPTS[0], values)
        shutil.copyfile(SCRIPTS[2], directory / "runtime" / "bootstrap.py")
        _check(directory, resolution, Job(subject, "Checking the runtime", progress, 0.95))
        write_record(root, directory, resolution, digest())

    return install_directory(installed_directory(root, resolution, digest()), build_runtime, progress)


def _make_lang(directory: Path, resolution: Resolution) -> None:
    """A virtual environment without packages: the interpreter under AWS's path, and nothing of this machine's
    site-packages.
    """
    assert resolution.interpreter_path is not None
    minor = ".".join(resolution.version.split(".")[:2])
    (directory / "bin").mkdir(parents=True)
    (directory / "lib" / f"python{minor}" / "site-packages").mkdir(parents=True)
    for name in (f"python{minor}", "python3", "python"):
        (directory / "bin" / name).symlink_to(resolution.interpreter_path)
    (directory / "pyvenv.cfg").write_text(
        f"home = {resolution.interpreter_path.parent}\n"
        "include-system-site-packages = false\n"
        f"version = {resolution.version}\n"
    )


def _check(directory: Path, resolution: Resolution, job: Job) -> None:
    """The client's native part must load in this interpreter before anybody relies on it."""
    runtime = str(directory / "runtime")
    program = f"import sys; sys.path.insert(0, {runtime!r}); import runtime_client, awslambdaric, boto3"
    _run_interpreter(resolution, ["-I", "-B", "-c", program], job)


def _run_interpreter(resolution: Resolution, arguments: list[str], job: Job) -> None:
    argv = [str(resolution.interpreter_path), *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    remedy = f"Install another Python {resolution.version}: {argv[0]} cannot do it."
    job.run(argv, Path("/"), environment, remedy)
