"""Time and chance as things that are passed in. The only module that reads the machine's clock or makes random ids."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol, TypeVar

ItemT = TypeVar("ItemT")


class Clock(Protocol):
    def now(self) -> datetime:
        """Wall time, UTC, aware."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back; only differences mean anything."""
        ...


class IdSource(Protocol):
    def hex(self, length: int) -> str:
        """`length` random hexadecimal digits."""
        ...

    def uuid(self) -> str: ...


class Dice(Protocol):
    """Chance as a thing that is passed in; `random.Random` is one."""

    def random(self) -> float: ...

    def uniform(self, a: float, b: float) -> float: ...

    def expovariate(self, lambd: float) -> float: ...

    def randrange(self, start: int, stop: int) -> int: ...

    def choice(self, seq: Sequence[ItemT]) -> ItemT: ...


def seeded_dice(seed: int) -> Dice:
    """The same throws for the same seed: for tests and the simulator."""
    return random.Random(seed)  # noqa: S311  # repeatable on purpose


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    monotonic = staticmethod(time.monotonic)
    """As it is, because every invocation asks for it."""


class RandomIds:
    """Ids from the operating system's randomness. Each invocation needs one: they are made so many at a time, in one
    loop, and taken from a list.
    """

    _BLOCK_BYTES = 4096
    _UUIDS_AT_ONCE = 64

    def __init__(self) -> None:
        self._block = ""
        self._at = 0
        self._uuids: list[str] = []

    def hex(self, length: int) -> str:
        if self._at + length > len(self._block):
            self._block = os.urandom(max(self._BLOCK_BYTES, length)).hex()
            self._at = 0
        taken = self._block[self._at : self._at + length]
        self._at += length
        return taken

    def uuid(self) -> str:
        uuids = self._uuids
        if not uuids:
            digits = self.hex(32 * self._UUIDS_AT_ONCE)
            uuids += [_uuid_of(digits[at : at + 32]) for at in range(0, len(digits), 32)]
        return uuids.pop()


def _uuid_of(digits: str) -> str:
    """Version 4 of RFC 9562."""
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{_VARIANTS[digits[16]]}{digits[17:20]}-{digits[20:]}"


_VARIANTS = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


class SeededIds:
    """The same ids for the same seed: for tests and the simulator."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)  # noqa: S311  # repeatable on purpose

    def hex(self, length: int) -> str:
        return f"{self._rng.getrandbits(4 * length):0{length}x}"

    def uuid(self) -> str:
        digits = self.hex(32)
        return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"
