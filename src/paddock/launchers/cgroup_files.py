"""Reading a control group's files, and removing its directories. What is not there says nothing."""

from __future__ import annotations

import contextlib
from pathlib import Path


def read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError:
        return ""


def read_number(path: Path) -> int:
    text = read_text(path).strip()
    return int(text) if text.isdigit() else 0


def field_of(text: str, name: str) -> int:
    for line in text.splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    return 0


def pids_in(directory: Path) -> list[int]:
    return [int(pid) for pid in read_text(directory / "cgroup.procs").split()]


def remove_directories(directories: tuple[Path, ...]) -> None:
    for directory in directories:
        with contextlib.suppress(OSError):
            directory.rmdir()
