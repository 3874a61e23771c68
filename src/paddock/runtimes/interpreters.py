"""Looks for the interpreter of the asked version on this machine, and decides what stands in where it cannot be had.

Search order: PATH, the one this program runs on, pyenv, uv (Python); PATH, nvm (Node.js). A candidate counts only
after it has been run and has said what it is. The rule for a stand-in: the nearest version that the client supports,
the newer one first where two are as near. Installs nothing.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PROBE_TIMEOUT_SECONDS = 15.0
"""Of one candidate: a wrapper that asks a question or a dead network mount must not stop the search."""

PYTHON_MINORS = (10, 11, 12, 13, 14)
"""What awslambdaric 4.2.2 has wheels for."""

_PYTHON_PROBE = """
import ctypes, hashlib, json, multiprocessing, platform, ssl, sys, sysconfig, zlib
print(json.dumps({
    "version": platform.python_version(),
    "executable": sys.executable,
    "prefix": sys.base_prefix,
    "usable": sys.implementation.name == "cpython" and sys.maxsize > 2**32
    and not sysconfig.get_config_var("Py_GIL_DISABLED"),
    "machine": platform.machine(),
}))
"""

_NODE_PROBE = "console.log(JSON.stringify({version: process.versions.node, executable: process.execPath}))"


@dataclass(frozen=True, slots=True)
class Interpreter:
    """One that was run and answered. `prefix` is the directory that holds all of it: what an environment must be able
    to read.
    """

    path: Path
    version: str
    prefix: Path

    @property
    def major(self) -> int:
        return int(self.version.split(".")[0])

    @property
    def minor(self) -> int:
        return int(self.version.split(".")[1])


def python_stand_in_order(minor: int) -> tuple[int, ...]:
    """Minors to try for Python 3.`minor`, the asked one first: by distance, newer before older."""
    return tuple(sorted(PYTHON_MINORS, key=lambda other: (abs(other - minor), -other)))


def find_python(minor: int, environ: Mapping[str, str]) -> Interpreter | None:
    """A CPython 3.`minor` with the modules that the client and the AWS SDK need, or None."""
    return _first_usable(_python_candidates(minor, environ), lambda path: _probe_python(path, minor))


def find_node(major: int, environ: Mapping[str, str]) -> Interpreter | None:
    """A Node.js of the major version that has its headers and npm beside it (the client is compiled against them)."""
    return _first_usable(_node_candidates(environ), lambda path: _probe_node(path, major))


def _first_usable(candidates: Iterator[Path], probe: Callable[[Path], Interpreter | None]) -> Interpreter | None:
    seen: set[Path] = set()
    for candidate in candidates:
        real = candidate.resolve()
        if real in seen or not os.access(candidate, os.X_OK):
            continue
        seen.add(real)
        interpreter = probe(candidate)
        if interpreter is not None:
            return interpreter
    return None


def _python_candidates(minor: int, environ: Mapping[str, str]) -> Iterator[Path]:
    name = f"python3.{minor}"
    for directory in _path_directories(environ):
        yield directory / name
    yield Path(sys.base_prefix) / "bin" / name
    pyenv_root = Path(environ.get("PYENV_ROOT") or _home(environ) / ".pyenv")
    yield from _newest_first(pyenv_root.glob(f"versions/3.{minor}.*/bin/{name}"))
    uv_root = Path(environ.get("UV_PYTHON_INSTALL_DIR") or _data_home(environ) / "uv" / "python")
    yield from _newest_first(uv_root.glob(f"cpython-3.{minor}.*/bin/{name}"))


def _node_candidates(environ: Mapping[str, str]) -> Iterator[Path]:
    for directory in _path_directories(environ):
        yield directory / "node"
    nvm_root = Path(environ.get("NVM_DIR") or _home(environ) / ".nvm")
    yield from _newest_first(nvm_root.glob("versions/node/v*/bin/node"))


def _path_directories(environ: Mapping[str, str]) -> Iterator[Path]:
    """Without pyenv's shims: what they stand for depends on the working directory, and the real ones are searched
    below.
    """
    for entry in environ.get("PATH", os.defpath).split(os.pathsep):
        directory = Path(entry)
        if directory.is_absolute() and directory.name != "shims":
            yield directory


def _newest_first(paths: Iterator[Path]) -> list[Path]:
    def numbers(path: Path) -> tuple[int, ...]:
        digits = "".join(c if c.isdigit() else " " for c in path.parent.parent.name)
        return tuple(int(number) for number in digits.split())

    return sorted(paths, key=numbers, reverse=True)


def _home(environ: Mapping[str, str]) -> Path:
    home = environ.get("HOME")
    return Path(home) if home else Path("/nonexistent")


def _data_home(environ: Mapping[str, str]) -> Path:
    configured = environ.get("XDG_DATA_HOME")
    return Path(configured) if configured else _home(environ) / ".local" / "share"


def _probe_python(path: Path, minor: int) -> Interpreter | None:
    answer = _run_probe([str(path), "-I", "-c", _PYTHON_PROBE])
    if answer is None or not answer.get("usable") or answer.get("machine") != platform.machine():
        return None
    interpreter = Interpreter(
        Path(str(answer["executable"])).resolve(), str(answer["version"]), Path(str(answer["prefix"]))
    )
    return interpreter if (interpreter.major, interpreter.minor) == (3, minor) else None


def _probe_node(path: Path, major: int) -> Interpreter | None:
    answer = _run_probe([str(path), "-e", _NODE_PROBE])
    if answer is None:
        return None
    executable = Path(str(answer["executable"])).resolve()
    interpreter = Interpreter(executable, str(answer["version"]), executable.parent.parent)
    if interpreter.major != major or not node_can_compile(interpreter.prefix):
        return None
    return interpreter


def node_can_compile(prefix: Path) -> bool:
    return (prefix / "include/node/node_api.h").is_file() and npm_program(prefix).is_file()


def npm_program(prefix: Path) -> Path:
    return prefix / "lib/node_modules/npm/bin/npm-cli.js"


def _run_probe(argv: list[str]) -> dict[str, object] | None:
    """What the candidate printed, or None when it is not what it looks like."""
    try:
        completed = subprocess.run(
            argv,
            capture_output=True,
            check=True,
            stdin=subprocess.DEVNULL,
            timeout=PROBE_TIMEOUT_SECONDS,
        )
        answer = json.loads(completed.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
    return answer if isinstance(answer, dict) else None
