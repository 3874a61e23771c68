"""The most memory that a control group held since it was last asked: the kernel's own mark, set back each time.

Version 1 sets `memory.max_usage_in_bytes` back when 0 is written to it. Version 2 has `memory.peak` since Linux 5.19,
which since 6.12 is set back for whoever holds it open and writes to it; on older ones only a new record is seen.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Protocol

_NUMBER_BYTES = 32


class Peak(Protocol):
    def take(self) -> int:
        """Everything the group is charged with, at its most since the last call. Zero when that cannot be told."""
        ...

    def close(self) -> None: ...


class PeakV1:
    def __init__(self, directory: Path) -> None:
        self._path = directory / "memory.max_usage_in_bytes"

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
    """Holds `memory.peak` open from the first `take` on: the mark that is set back is that of the open file."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "memory.peak"
        self._file = -1
        self._record = 0
        self._is_set_back = True

    def take(self) -> int:
        try:
            if self._file < 0:
                self._file = self._opened()
            peak = _number(os.pread(self._file, _NUMBER_BYTES, 0))
        except OSError:
            return 0
        if self._is_set_back:
            try:
                os.write(self._file, b"0")
            except OSError:
                self._is_set_back = False
                self._record = peak
            return peak
        before, self._record = self._record, max(self._record, peak)
        return peak if peak > before else 0

    def _opened(self) -> int:
        try:
            return os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        except PermissionError:
            self._is_set_back = False
            return os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        if self._file >= 0:
            with contextlib.suppress(OSError):
                os.close(self._file)
            self._file = -1


def _number(text: bytes) -> int:
    text = text.strip()
    return int(text) if text.isdigit() else 0
