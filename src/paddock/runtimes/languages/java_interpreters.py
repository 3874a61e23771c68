"""Where a Java of a version may be: PATH, JAVA_HOME, the distribution's directory, SDKMAN."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from paddock.runtimes.interpreters import (
    Interpreter,
    answer_of,
    first_usable,
    home_directory,
    newest_first,
    path_directories,
)

DISTRIBUTION = Path("/usr/lib/jvm")

REQUIRED_OPTIONS = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
"""Lambda's. A virtual machine that does not know them is not the kind that Lambda has."""

_MACHINES = {"amd64": "x86_64"}
"""What Java calls a machine, where the kernel calls it something else."""


def find_java(major: int, environ: Mapping[str, str], distribution: Path = DISTRIBUTION) -> Interpreter | None:
    """A Java runtime of the major version, or None. It need not have a compiler."""
    return first_usable(_candidates(environ, distribution), lambda path: _probe(path, major))


def _candidates(environ: Mapping[str, str], distribution: Path) -> Iterator[Path]:
    for directory in path_directories(environ):
        yield directory / "java"
    if java_home := environ.get("JAVA_HOME"):
        yield Path(java_home) / "bin" / "java"
    yield from newest_first(distribution.glob("*/bin/java"))
    sdkman = Path(environ.get("SDKMAN_DIR") or home_directory(environ) / ".sdkman")
    yield from newest_first(sdkman.glob("candidates/java/*/bin/java"))


@lru_cache(maxsize=64)
def _properties(path: Path, modified: int) -> Mapping[str, str]:
    """What a virtual machine says of itself. Each takes a tenth of a second, and is asked for several versions."""
    text = answer_of([str(path), *REQUIRED_OPTIONS, "-XshowSettings:properties", "-version"], on_stderr=True)
    return dict(re.findall(r"^\s+([\w.]+) = (.+?)\s*$", text or "", re.MULTILINE))


def _probe(path: Path, major: int) -> Interpreter | None:
    properties = _properties(path, path.stat().st_mtime_ns)
    machine = properties.get("os.arch", "")
    right = properties.get("java.specification.version") == str(major)
    if not right or _MACHINES.get(machine, machine) != platform.machine() or "java.home" not in properties:
        return None
    home = Path(properties["java.home"]).resolve()
    return Interpreter(home / "bin" / "java", properties["java.version"], home)
