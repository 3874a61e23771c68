"""Where a Node.js of a version may be: PATH, nvm."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from paddock.runtimes.interpreters import (
    Interpreter,
    first_usable,
    home_directory,
    json_answer_of,
    newest_first,
    path_directories,
)
from paddock.runtimes.packages import npm_program

_PROBE = "console.log(JSON.stringify({version: process.versions.node, executable: process.execPath}))"


def find_node(major: int, environ: Mapping[str, str]) -> Interpreter | None:
    """A Node.js of the major version that has its headers and npm beside it (the client is compiled against them)."""
    return first_usable(_candidates(environ), lambda path: _probe(path, major))


def _candidates(environ: Mapping[str, str]) -> Iterator[Path]:
    for directory in path_directories(environ):
        yield directory / "node"
    nvm_root = Path(environ.get("NVM_DIR") or home_directory(environ) / ".nvm")
    yield from newest_first(nvm_root.glob("versions/node/v*/bin/node"))


def _probe(path: Path, major: int) -> Interpreter | None:
    answer = json_answer_of([str(path), "-e", _PROBE])
    if answer is None:
        return None
    executable = Path(str(answer["executable"])).resolve()
    interpreter = Interpreter(executable, str(answer["version"]), executable.parent.parent)
    return interpreter if interpreter.major == major and _can_compile(interpreter.prefix) else None


def _can_compile(prefix: Path) -> bool:
    return (prefix / "include/node/node_api.h").is_file() and npm_program(prefix).is_file()
