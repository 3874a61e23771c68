"""The files of this repository as the tidy checks see them: path and text, nothing imported, nothing run.

A check is a function from sources to complaints, one line each; the complaint says what to do. Each check is tested on
a planted violation, beside the test that holds the real tree to it.
"""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEXT_SUFFIXES = {".py", ".md", ".toml", ".txt", ".lock", ".in", ".yaml", ".yml", ".sh", ".js", ".mjs", ".html", ".css"}
TEXT_NAMES = {"Makefile", "LICENSE", "NOTICE", "run", "waivers", ".gitignore"}


@dataclass(frozen=True)
class Source:
    """One file; `path` is relative to the repository, with forward slashes."""

    path: str
    text: str

    @cached_property
    def syntax(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @property
    def name(self) -> str:
        return self.path.rsplit("/", 1)[-1]

    @property
    def is_python(self) -> bool:
        return self.path.endswith(".py")

    def within(self, *folders: str) -> bool:
        return any(self.path.startswith(f"{folder}/") for folder in folders)


@cache
def all_sources() -> tuple[Source, ...]:
    """Every text file that is, or could at once be, in version control."""
    return tuple(_read(path) for path in sorted(_listed()) if _is_text(path) and (ROOT / path).is_file())


def python_sources(*folders: str) -> tuple[Source, ...]:
    return tuple(source for source in all_sources() if source.is_python and source.within(*folders))


def pages() -> tuple[Source, ...]:
    return tuple(source for source in all_sources() if source.path.endswith(".md"))


def page(path: str) -> Source | None:
    return next((source for source in all_sources() if source.path == path), None)


def complaints_about(complaints: Iterable[str]) -> str:
    """One readable failure; empty when there is nothing to complain about."""
    return "\n".join(sorted(complaints))


def functions(source: Source) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for found in ast.walk(source.syntax):
        if isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef):
            yield found


def _listed() -> list[str]:
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if answer.returncode == 0:
        return [path for path in answer.stdout.split("\0") if path]
    # An unpacked release has no history; what it holds is what was shipped.
    hidden = (".venv", ".git", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis")
    return [
        str(path.relative_to(ROOT))
        for path in ROOT.rglob("*")
        if path.is_file() and not any(part in hidden or part.endswith(".egg-info") for part in path.parts)
    ]


def _is_text(path: str) -> bool:
    name = Path(path)
    return name.suffix in TEXT_SUFFIXES or name.name in TEXT_NAMES


def _read(path: str) -> Source:
    return Source(path, (ROOT / path).read_text(encoding="utf-8", errors="replace"))
