"""Puts a .NET runtime together from what is on this machine: nothing is fetched.

A function that is a program brings AWS's client with it; one that is a class library needs the client as a program,
which AWS's test tool has.
"""

from __future__ import annotations

from pathlib import Path

from paddock.model.runtimes import LambdaRuntime
from paddock.runtimes import locks
from paddock.runtimes.directories import install_directory, link_tree
from paddock.runtimes.errors import InterpreterMissing
from paddock.runtimes.interpreters import version_numbers
from paddock.runtimes.languages.dotnet_interpreters import find_dotnet, find_runtime_support
from paddock.runtimes.languages.support import (
    BOOTSTRAPS,
    EXEC_WRAPPER,
    Machine,
    nothing_instead,
    prefix_only,
    write_bootstrap,
)
from paddock.runtimes.progress import ProgressCallback
from paddock.runtimes.records import installed_directory, read_records, write_record
from paddock.runtimes.resolution import Client, Resolution, exact_resolution

SCRIPTS = (BOOTSTRAPS / "dotnet.sh", EXEC_WRAPPER)

CLIENT_NAME = "Amazon.Lambda.RuntimeSupport"

readable_paths = prefix_only
instead = nothing_instead


def digest() -> str:
    return locks.digest(*SCRIPTS)


def resolve(runtime: LambdaRuntime, machine: Machine) -> Resolution:
    """What is here; else what was installed when it was, with the newest client."""
    major = int(runtime.version)
    found = find_dotnet(major, machine.environ)
    if found is not None:
        support = find_runtime_support(major, machine.environ)
        client = Client("", "") if support is None else Client(CLIENT_NAME, support.version)
        return exact_resolution(runtime, found, client)
    installed = read_records(machine.root, runtime, digest())
    if not installed:
        raise InterpreterMissing(
            runtime.identifier,
            f"{runtime.identifier} needs .NET {major}, and there is none on this machine.",
            f"Install the package aspnetcore-runtime-{major}.0, or put `dotnet` on PATH.",
        )
    return max(installed, key=lambda resolution: version_numbers(resolution.ric_version))


def require_tools(runtime: LambdaRuntime, machine: Machine) -> None:
    """Nothing is compiled."""


def install(resolution: Resolution, machine: Machine, progress: ProgressCallback) -> Path:
    def build(directory: Path) -> None:
        runtime = directory / "runtime"
        runtime.mkdir()
        support = find_runtime_support(int(resolution.runtime.version), machine.environ)
        if support is not None:
            link_tree(support.directory, runtime)
        (directory / "lang").mkdir()
        assert resolution.prefix is not None
        (directory / "lang" / "bin").symlink_to(resolution.prefix, target_is_directory=True)
        values = {
            "EXECUTION_ENV": resolution.runtime.execution_env,
            "RUNTIME_SUPPORT": f"{CLIENT_NAME}.dll" if support is None else support.file_name,
        }
        write_bootstrap(runtime / "bootstrap", SCRIPTS[0], values)
        write_record(machine.root, directory, resolution, digest())

    return install_directory(installed_directory(machine.root, resolution, digest()), build, progress)
