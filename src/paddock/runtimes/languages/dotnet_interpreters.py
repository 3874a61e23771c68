"""Where a .NET of a version may be: PATH, DOTNET_ROOT, the directories of its packages and of its installer. And where
the client that starts class libraries is: in AWS's test tool, which .NET's own command installs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from paddock.runtimes.interpreters import (
    Interpreter,
    answer_of,
    first_usable,
    home_directory,
    path_directories,
    version_numbers,
)

PLACES = (Path("/usr/lib/dotnet"), Path("/usr/share/dotnet"), Path("/usr/local/share/dotnet"))
TEST_TOOL = "amazon.lambda.testtool"


@dataclass(frozen=True, slots=True)
class RuntimeSupport:
    """`directory` holds the assembly `file_name`, which is a program, and those that it needs."""

    directory: Path
    file_name: str
    version: str


def find_dotnet(major: int, environ: Mapping[str, str]) -> Interpreter | None:
    """A `dotnet` that has the runtime of the major version, or None. Its prefix is what .NET calls its root."""
    return first_usable(_candidates(environ), lambda path: _probe(path, major))


def has_sdk(dotnet: Path) -> bool:
    """Whether it can install tools; a runtime alone cannot."""
    return bool((answer_of([str(dotnet), "--list-sdks"]) or "").strip())


def own_tools(environ: Mapping[str, str]) -> Path:
    """Where `dotnet tool install --global` puts them."""
    return home_directory(environ) / ".dotnet" / "tools"


def find_runtime_support(major: int, tools: Path) -> RuntimeSupport | None:
    """Of the newest test tool in a directory of tools, the build for the major version."""
    store = tools / ".store" / TEST_TOOL
    builds = f"*/{TEST_TOOL}/*/content/Amazon.Lambda.RuntimeSupport/net{major}.0/Amazon.Lambda.RuntimeSupport*.dll"
    found = [RuntimeSupport(file.parent, file.name, file.relative_to(store).parts[0]) for file in store.glob(builds)]
    return max(found, key=lambda support: version_numbers(support.version), default=None)


def _candidates(environ: Mapping[str, str]) -> Iterator[Path]:
    for directory in path_directories(environ):
        yield directory / "dotnet"
    if root := environ.get("DOTNET_ROOT"):
        yield Path(root) / "dotnet"
    for place in (*PLACES, home_directory(environ) / ".dotnet"):
        yield place / "dotnet"


def _probe(path: Path, major: int) -> Interpreter | None:
    listed = answer_of([str(path), "--list-runtimes"]) or ""
    versions = re.findall(rf"^Microsoft\.NETCore\.App ({major}\.\S+) \[", listed, re.MULTILINE)
    if not versions:
        return None
    program = path.resolve()
    return Interpreter(program, versions[-1], program.parent)
