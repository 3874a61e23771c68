"""Cuts what a process writes into lines. Pure; one per stream of bytes."""

from __future__ import annotations

from paddock.agent.limits import MAX_LINE_BYTES


class LineCutter:
    """Keeps the line that has no end yet, at most `MAX_LINE_BYTES` of it; a longer one goes on as the next."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are complete now, without newlines; empty ones are left out."""
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        found = [piece for line in lines if line for piece in _cut(line)]
        while len(self._rest) >= MAX_LINE_BYTES:
            found.append(self._rest[:MAX_LINE_BYTES])
            self._rest = self._rest[MAX_LINE_BYTES:]
        return found

    def flush(self) -> list[bytes]:
        """What the writer left without a newline."""
        rest, self._rest = self._rest, b""
        return [rest] if rest else []


def _cut(line: bytes) -> list[bytes]:
    if len(line) <= MAX_LINE_BYTES:
        return [line]
    return [line[at : at + MAX_LINE_BYTES] for at in range(0, len(line), MAX_LINE_BYTES)]
