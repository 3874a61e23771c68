"""Layers as they are compressed: gzip, zstandard, or not at all. Told by their first bytes, whatever they are called.

Pure but for the library. What comes out is bounded by whoever reads it: each piece here is small.
"""

from __future__ import annotations

import zlib
from collections.abc import Generator, Iterable, Iterator
from typing import BinaryIO, cast

from paddock.images.errors import ImageInvalid
from paddock.images.limits import PIECE_BYTES

_GZIP, _ZSTANDARD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_GZIP_WINDOW = 31
_BROKEN = "A layer's compression is damaged."
_MAX_ZSTANDARD_WINDOW = 128 * 1024 * 1024
"""What decoders take by default; a larger window is memory that a few bytes ask for."""


def decompressed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Raises `ImageInvalid`."""
    iterator = iter(pieces)
    first = b""
    while len(first) < len(_ZSTANDARD) and (piece := next(iterator, b"")):
        first += piece
    if first.startswith(_GZIP):
        return _gunzipped(first, iterator)
    if first.startswith(_ZSTANDARD):
        return _from_zstandard(first, iterator)
    return _chained(first, iterator)


def _chained(first: bytes, rest: Iterator[bytes]) -> Generator[bytes, None, None]:
    yield first
    yield from rest


def _gunzipped(first: bytes, rest: Iterator[bytes]) -> Generator[bytes, None, None]:
    """Also several streams one after the other, as parallel compressors write them."""
    stream = zlib.decompressobj(_GZIP_WINDOW)
    waiting = first
    try:
        while True:
            while waiting:
                yield stream.decompress(waiting, PIECE_BYTES)
                waiting = stream.unconsumed_tail
                if stream.eof:
                    waiting = stream.unused_data
                    if not waiting:
                        waiting = next(rest, b"")
                    if not waiting.startswith(_GZIP[:1]):
                        return
                    stream = zlib.decompressobj(_GZIP_WINDOW)
            waiting = next(rest, b"")
            if not waiting:
                break
    except zlib.error as error:
        raise ImageInvalid(_BROKEN) from error
    if not stream.eof:
        raise ImageInvalid("A layer's compression ends too early.")


def _from_zstandard(first: bytes, rest: Iterator[bytes]) -> Generator[bytes, None, None]:
    import zstandard  # noqa: PLC0415  # few layers are compressed so

    decompressor = zstandard.ZstdDecompressor(max_window_size=_MAX_ZSTANDARD_WINDOW)
    source = cast("BinaryIO", _Readable(_chained(first, rest)))
    reader = decompressor.stream_reader(source, read_size=PIECE_BYTES, read_across_frames=True)
    try:
        while piece := reader.read(PIECE_BYTES):
            yield piece
    except zstandard.ZstdError as error:
        raise ImageInvalid(_BROKEN) from error


class _Readable:
    """Pieces as a file."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._left = b""

    def read(self, size: int) -> bytes:
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._left = piece
        taken, self._left = self._left[:size], self._left[size:]
        return taken
