"""Puts a .NET runtime together from what is on this machine, and AWS's client, which is fetched where it can be.

A function that is a program brings the client with it; one that is a class library needs it as a program, which AWS's
test tool has. Where a person has not installed that tool, .NET's own command fetches it from NuGet, by the machine's
own configuration; it needs the SDK. Without it programs run all the same.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from paddock.model.runtimes import LambdaRuntime
from paddock.runtimes import locks
from paddock.runtimes.directories import install_directory, link_tree
from paddock.runtimes.errors import InstallFailed, InterpreterMissing
from paddock.runtimes.interpreters import version_numbers
from paddock.runtimes.jobs import Job
from paddock.runtimes.languages.dotnet_interpreters import (
    TEST_TOOL,
    RuntimeSupport,
    find_dotnet,
    find_runtime_support,
    has_sdk,
    own_tools,
)
from paddock.runtimes.languages.support import (
    BOOTSTRAPS,
    EXEC_WRAPPER,
    Machine,
    prefix_only,
    write_bootstrap,
)
from paddock.runtimes.progress import ProgressCallback
from paddock.runtimes.records import installed_directory, read_records, write_record
from paddock.runtimes.resolution import Client, Resolution, exact_resolution

SCRIPTS = (BOOTSTRAPS / "dotnet.sh", EXEC_WRAPPER)

CLIENT_NAME = "Amazon.Lambda.RuntimeSupport"
TEST_TOOL_VERSION = "0.14.0"
"""The one that is fetched: it has the client for .NET 8 and 10 (its project file in aws/aws-lambda-dotnet)."""

QUIET = {"DOTNET_CLI_TELEMETRY_OPTOUT": "1", "DOTNET_NOLOGO": "1", "DOTNET_SKIP_FIRST_TIME_EXPERIENCE": "1"}
BY_HAND = "Programs run without it. For class libraries run: dotnet tool install -g Amazon.Lambda.TestTool"

readable_paths = prefix_only


def digest() -> str:
    return locks.digest(*SCRIPTS)


def resolve(runtime: LambdaRuntime, machine: Machine) -> Resolution:
    """What is here; else what was installed when it was, with the newest client. A runtime that is installed without
    the client is so because it could not be fetched: an agent does not try again.
    """
    installed = read_records(machine.root, runtime, digest())
    found = find_dotnet(int(runtime.version), machine.environ)
    if found is None:
        if not installed:
            raise _missing(runtime)
        return _newest(installed)
    support = _support(runtime, machine)
    complete = [known for known in installed if known.ric_version and known.interpreter_path == found.path]
    if support is not None:
        client = Client(CLIENT_NAME, support.version)
    elif complete:
        return _newest(complete)
    elif not installed and has_sdk(found.path):
        client = Client(CLIENT_NAME, TEST_TOOL_VERSION)
    else:
        client = Client("", "")
    return exact_resolution(runtime, found, client)


def _newest(installed: list[Resolution]) -> Resolution:
    return max(installed, key=lambda resolution: version_numbers(resolution.ric_version))


def _missing(runtime: LambdaRuntime) -> InterpreterMissing:
    major = int(runtime.version)
    return InterpreterMissing(
        runtime.identifier,
        f"{runtime.identifier} needs .NET {major}, and there is none on this machine.",
        f"Install the package aspnetcore-runtime-{major}.0, or put `dotnet` on PATH.",
    )


def instead(resolution: Resolution, machine: Machine, failed: InstallFailed) -> Resolution | None:
    """Without the client, if that is what could not be had."""
    if not resolution.ric_version or _support(resolution.runtime, machine) is not None:
        return None
    return replace(resolution, ric_name="", ric_version="")


def _support(runtime: LambdaRuntime, machine: Machine) -> RuntimeSupport | None:
    """Of the tool that a person has, else of the one that was fetched."""
    major = int(runtime.version)
    own = find_runtime_support(major, own_tools(machine.environ))
    return own or find_runtime_support(major, _fetched_tools(machine))


def _fetched_tools(machine: Machine) -> Path:
    return machine.root / "dotnet-tools" / TEST_TOOL_VERSION


def require_tools(runtime: LambdaRuntime, machine: Machine) -> None:
    """Nothing is compiled."""


def install(resolution: Resolution, machine: Machine, progress: ProgressCallback) -> Path:
    def build(directory: Path) -> None:
        if resolution.ric_version and _support(resolution.runtime, machine) is None:
            _fetch_test_tool(resolution, machine, progress)
        runtime = directory / "runtime"
        runtime.mkdir()
        support = _support(resolution.runtime, machine)
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


def _fetch_test_tool(resolution: Resolution, machine: Machine, progress: ProgressCallback) -> None:
    """Raises `InstallFailed`, also when what came has no client for this version of .NET."""
    subject = resolution.runtime.identifier

    def fetch(directory: Path) -> None:
        argv = [str(resolution.interpreter_path), "tool", "install", TEST_TOOL]
        argv += ["--version", TEST_TOOL_VERSION, "--tool-path", str(directory)]
        job = Job(subject, f"Fetching {CLIENT_NAME} with AWS's test tool {TEST_TOOL_VERSION}", progress)
        job.run(argv, directory, {**machine.environ, **QUIET}, BY_HAND)

    install_directory(_fetched_tools(machine), fetch, progress)
    if _support(resolution.runtime, machine) is None:
        raise InstallFailed(subject, f"AWS's test tool {TEST_TOOL_VERSION} has no client for it.", BY_HAND)
