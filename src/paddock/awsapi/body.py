"""Gathers one request body: bounded, joined once, hashed on the way when it is large.

A *direct* body is large and of known length. After the read that brought its head it no longer goes through the parser:
its bytes are counted, hashed and kept as they come.
"""

from __future__ import annotations

import hashlib
from typing import Protocol

from paddock.awsapi.limits import ARRIVE_ON_BYTES, SMALL_PIECE_BYTES


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


class BodyReader:
    """Used again for each request of a connection: `begin`, then `add` or `take`, then `finish`."""

    __slots__ = ("_bytes", "_hash", "_length", "_limit", "_pieces", "_seen_bytes", "direct", "pending")

    def __init__(self) -> None:
        self.pending = False
        self.direct = False
        self._pieces: list[bytes | bytearray] = []
        self._bytes = 0
        self._seen_bytes = 0
        self._length: int | None = None
        self._limit = 0
        self._hash: _Hash | None = None

    def begin(self, length: int | None, limit: int, *, direct: bool) -> None:
        """`length` None: chunked, the end is not known beforehand."""
        self.pending = True
        self.direct = direct
        self._pieces = []
        self._bytes = 0
        self._seen_bytes = 0
        self._length = length
        self._limit = limit
        self._hash = hashlib.sha256() if direct else None

    def add(self, piece: bytes) -> bool:
        """False when the body has become longer than it may be."""
        self._bytes += len(piece)
        if self._bytes > self._limit:
            return False
        if self._hash is not None:
            self._hash.update(piece)
            self.direct = self._bytes != self._length
        pieces = self._pieces
        if len(piece) >= SMALL_PIECE_BYTES or not pieces:
            pieces.append(piece)
        elif isinstance(pieces[-1], bytearray):
            pieces[-1] += piece
        else:
            pieces.append(bytearray(piece))
        return True

    def goes_on(self) -> bool:
        """Has enough of it come since this was last asked? Who sends a byte now and then sends no body."""
        if not self.pending:
            return False
        came = self._bytes - self._seen_bytes
        self._seen_bytes = self._bytes
        return came >= ARRIVE_ON_BYTES

    def take(self, data: bytes) -> bytes:
        """Add what belongs to a direct body; the rest, which is the next request's, comes back."""
        missing = (self._length or 0) - self._bytes
        if len(data) <= missing:
            self.add(data)
            return b""
        self.add(data[:missing])
        return data[missing:]

    def finish(self) -> tuple[bytes, str | None]:
        """The body, and its SHA-256 in hexadecimal if it was hashed."""
        pieces, self._pieces = self._pieces, []
        self.pending = self.direct = False
        body = pieces[0] if len(pieces) == 1 and isinstance(pieces[0], bytes) else b"".join(pieces)
        return bytes(body), None if self._hash is None else self._hash.hexdigest()
