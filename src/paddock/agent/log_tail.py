"""The end of one invocation's log, for a caller who asked for it: the last 4 KB, as AWS gives them. Pure."""

from __future__ import annotations

import base64
from collections import deque

TAIL_BYTES = 4096


class LogTail:
    """Holds no more than it will give."""

    def __init__(self) -> None:
        self._lines: deque[bytes] = deque()
        self._bytes = 0

    def clear(self) -> None:
        self._lines.clear()
        self._bytes = 0

    def add(self, line: bytes) -> None:
        self._lines.append(line)
        self._bytes += len(line) + 1
        while len(self._lines) > 1 and self._bytes - len(self._lines[0]) - 1 >= TAIL_BYTES:
            self._bytes -= len(self._lines.popleft()) + 1

    def text(self) -> str:
        """In base64."""
        whole = b"".join(line + b"\n" for line in self._lines)
        return base64.b64encode(whole[-TAIL_BYTES:]).decode()
