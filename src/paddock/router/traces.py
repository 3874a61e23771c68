"""The trace header of each invocation: the caller's, or a new root that is not sampled."""

from __future__ import annotations

import re

from paddock.ports.clock import Clock, IdSource

_WELL_FORMED = re.compile(rb"[A-Za-z]+=[^;\s]+(;[A-Za-z]+=[^;\s]+)*")
_LIMIT = 512
"""Real ones take about 100 bytes; this one is kept and passed on for every invocation."""
ENDS_AT_ONCE = 64
"""All that differs from header to header within a second, made so many at a time: a loop costs half of single calls."""


class TraceHeaders:
    """Seconds are read from the wall once and counted on the monotonic clock from there."""

    def __init__(self, clock: Clock, ids: IdSource) -> None:
        self._monotonic = clock.monotonic
        self._hex = ids.hex
        self._second = -1
        self._root = ""
        self._ends: list[str] = []
        self._epoch = clock.now().timestamp() - clock.monotonic()

    def header(self, given: bytes | None) -> str:
        """`given` is the caller's header; one that is not well-formed is replaced."""
        if given is not None and len(given) <= _LIMIT and _WELL_FORMED.fullmatch(given):
            return given.decode("latin-1")
        at = int(self._epoch + self._monotonic())
        if at != self._second:
            self._second = at
            self._root = f"Root=1-{at:08x}-"
        ends = self._ends
        if not ends:
            digits = self._hex(40 * ENDS_AT_ONCE)
            ends += [
                f"{digits[at : at + 24]};Parent={digits[at + 24 : at + 40]};Sampled=0"
                for at in range(0, len(digits), 40)
            ]
        return self._root + ends.pop()
