"""Where a CPython of a version may be: PATH, the one this program runs on, pyenv, uv. And which stands in for which:
the nearest version that the client supports, the newer one first where two are as near.
"""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from paddock.runtimes.interpreters import (
    Interpreter,
    data_home,
    first_usable,
    home_directory,
    json_answer_of,
    newest_first,
    path_directories,
)

PYTHON_MINORS = (10, 11, 12, 13, 14, 15)
"""What awslambdaric 4.2.2 has wheels for. One of these may stand in for another."""

OLD_MINORS = (8, 9)
"""Each with the last client that was made for it; that serves one invocation at a time and stands in for nobody."""

_PROBE = """
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


def python_stand_in_order(minor: int) -> tuple[int, ...]:
    """Minors to try for Python 3.`minor`, itself first where the client supports it: by distance, newer before
    older.
    """
    candidates = {*PYTHON_MINORS, minor} if minor in OLD_MINORS else PYTHON_MINORS
    return tuple(sorted(candidates, key=lambda other: (abs(other - minor), -other)))


def find_python(minor: int, environ: Mapping[str, str]) -> Interpreter | None:
    """A CPython 3.`minor` with the modules that the client and the AWS SDK need, or None."""
    return first_usable(_candidates(minor, environ), lambda path: _probe(path, minor))


def _candidates(minor: int, environ: Mapping[str, str]) -> Iterator[Path]:
    name = f"python3.{minor}"
    for directory in path_directories(environ):
        yield directory / name
    yield Path(sys.base_prefix) / "bin" / name
    pyenv_root = Path(environ.get("PYENV_ROOT") or home_directory(environ) / ".pyenv")
    yield from newest_first(pyenv_root.glob(f"versions/3.{minor}.*/bin/{name}"))
    uv_root = Path(environ.get("UV_PYTHON_INSTALL_DIR") or data_home(environ) / "uv" / "python")
    yield from newest_first(uv_root.glob(f"cpython-3.{minor}.*/bin/{name}"))


def _probe(path: Path, minor: int) -> Interpreter | None:
    answer = json_answer_of([str(path), "-I", "-c", _PROBE])
    if answer is None or not answer.get("usable") or answer.get("machine") != platform.machine():
        return None
    interpreter = Interpreter(
        Path(str(answer["executable"])).resolve(), str(answer["version"]), Path(str(answer["prefix"]))
    )
    return interpreter if (interpreter.major, interpreter.minor) == (3, minor) else None
