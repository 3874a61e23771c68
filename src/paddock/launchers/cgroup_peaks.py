"""The most memory that a control group held since it was last asked: the kernel's own mark, set back each time.

Version 1 sets `memory.max_usage_in_bytes` back when 0 is written to it. Version 2 has `memory.peak` since Linux 5.19,
which since 6.12 is set back for whoever holds it open and writes to it. Older ones keep a record that only grows, or
none: there somebody has to look in between (`sample`), and a moment between two looks is seen only if it was a record.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Protocol

_NUMBER_BYTES = 32


class Peak(Protocol):
    @property
    def is_sampled(self) -> bool:
        """The kernel does not keep what is asked for: `sample` is to be called."""
        ...

    def sample(self) -> None:
        """A look between two calls of `take`. A system call; does nothing where the kernel keeps the mark."""
        ...

    def take(self) -> int:
        """Everything the group is charged with, at its most since the last call. Zero when that cannot be told."""
        ...

    def close(self) -> None: ...


class PeakV1:
    def __init__(self, directory: Path) -> None:
        self._path = directory / "memory.max_usage_in_bytes"

    @property
    def is_sampled(self) -> bool:
        return False

    def sample(self) -> None:
        """Nothing: the kernel misses no moment."""

    def take(self) -> int:
        try:
            with open(self._path, "r+b", buffering=0) as file:  # noqa: PTH123  # for each environment, every second
                peak = _number(file.read(_NUMBER_BYTES) or b"")
                file.write(b"0")
        except OSError:
            return 0
        return peak

    def close(self) -> None:
        """Nothing is held open."""


class PeakV2:
    """Holds its files open from their first use on: the mark that is set back is that of the open file."""

    def __init__(self, directory: Path) -> None:
        self._mark = _HeldFile(directory / "memory.peak", os.O_RDWR)
        self._current = _HeldFile(directory / "memory.current", os.O_RDONLY)
        self._record = 0
        self._most = 0
        self._is_sampled: bool | None = None

    @property
    def is_sampled(self) -> bool:
        """Found out by setting the mark back once. What was before that is not lost: the record is kept here."""
        if self._is_sampled is None:
            self._most = self._taken_from_mark()
        return self._is_sampled is True

    def sample(self) -> None:
        if self.is_sampled:
            self._most = max(self._most, self._current.number())

    def take(self) -> int:
        most, self._most = self._most, 0
        return max(most, self._taken_from_mark())

    def _taken_from_mark(self) -> int:
        peak = self._mark.number()
        if self._is_sampled is not True:
            is_set_back = self._mark.set_back()
            if self._is_sampled is None:
                self._is_sampled = not is_set_back
        if not self._is_sampled:
            return peak
        before, self._record = self._record, max(self._record, peak)
        return peak if peak > before else 0

    def close(self) -> None:
        self._mark.close()
        self._current.close()


class _HeldFile:
    """A number of the kernel's, read again and again through one descriptor."""

    def __init__(self, path: Path, way: int) -> None:
        self._path = path
        self._way = way
        self._file = -1

    def number(self) -> int:
        """Zero when it cannot be had."""
        try:
            if self._file < 0:
                self._file = self._opened()
            return _number(os.pread(self._file, _NUMBER_BYTES, 0))
        except OSError:
            return 0

    def set_back(self) -> bool:
        """False where the kernel does not do it, or there is no such file."""
        try:
            os.write(self._file, b"0")
        except OSError:
            return False
        return True

    def _opened(self) -> int:
        try:
            return os.open(self._path, self._way | os.O_CLOEXEC)
        except PermissionError:
            return os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        if self._file >= 0:
            with contextlib.suppress(OSError):
                os.close(self._file)
            self._file = -1


def _number(text: bytes) -> int:
    text = text.strip()
    return int(text) if text.isdigit() else 0
