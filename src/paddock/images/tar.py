"""Reads a tar archive from pieces, as a stream, within bounds: nothing that an archive claims is allocated unseen.

The standard library reads one header for us; its archive reader is not used, because it believes the sizes of extended
headers. Writes nothing.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from paddock.images.budget import Budget
from paddock.images.errors import ImageInvalid
from paddock.images.limits import MAX_HEADER_BYTES, PIECE_BYTES

_BLOCK_BYTES = 512
_NO_HEADER = bytes(_BLOCK_BYTES)
_FILES = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
_EXTENDED, _GLOBAL, _LONG_NAME, _LONG_LINK = tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, b"K"
_MAX_MTIME = 2**33
_BROKEN = "The layer is no tar archive, or a damaged one."


@dataclass(frozen=True, slots=True)
class TarEntry:
    """One member. `link` is what a hard or symbolic link names."""

    name: str
    kind: bytes
    mode: int
    mtime: float
    size_bytes: int
    link: str

    @property
    def is_file(self) -> bool:
        return self.kind in _FILES

    @property
    def is_link(self) -> bool:
        return self.kind in (tarfile.LNKTYPE, tarfile.SYMTYPE)


class TarReader:
    """`budget` bounds what comes out of `pieces`, padding included. After `entries` has ended, `finish` reads on to
    the end, and `digest` is that of everything.
    """

    def __init__(self, pieces: Iterator[bytes], budget: Budget) -> None:
        self._pieces = pieces
        self._budget = budget
        self._buffer = b""
        self._at = 0
        self._digest = hashlib.sha256()
        self.received = 0

    @property
    def position(self) -> int:
        """Of the next byte, from the beginning of the archive."""
        return self.received - len(self._buffer) + self._at

    @property
    def digest(self) -> str:
        return f"sha256:{self._digest.hexdigest()}"

    def entries(self) -> Generator[TarEntry, None, None]:
        """The caller may read the member's `body` before it asks for the next one; what it leaves is passed over."""
        attributes: dict[str, str] = {}
        while (header := self._header()) is not None:
            if header.type in (_EXTENDED, _GLOBAL, _LONG_NAME, _LONG_LINK):
                self._extend(attributes, header)
                continue
            entry = _entry(header, attributes)
            attributes = {}
            self._budget.take(entries=1)
            after = self.position + _padded(entry.size_bytes)
            yield entry
            self._skip(after - self.position)

    def body(self, size_bytes: int) -> Iterator[bytes]:
        left = size_bytes
        while left:
            piece = self._some(left)
            left -= len(piece)
            yield piece

    def finish(self) -> None:
        """Archives end in zeros, of which writers add as many as they like."""
        while self._fill():
            self._at = len(self._buffer)

    def _header(self) -> tarfile.TarInfo | None:
        block = self._exactly(_BLOCK_BYTES, at_end=b"")
        if block in (b"", _NO_HEADER):
            return None
        try:
            return tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.HeaderError as error:
            raise ImageInvalid(_BROKEN) from error

    def _extend(self, attributes: dict[str, str], header: tarfile.TarInfo) -> None:
        """A header that says more of the next one. Those for all others that follow hold no names in practice."""
        if not 0 <= header.size <= MAX_HEADER_BYTES:
            raise ImageInvalid(f"The layer holds an extended header of more than {MAX_HEADER_BYTES} bytes.")
        content = self._exactly(header.size)
        self._skip(_padded(header.size) - header.size)
        if header.type == _EXTENDED:
            attributes.update(_pax(content))
        elif header.type in (_LONG_NAME, _LONG_LINK):
            name = "path" if header.type == _LONG_NAME else "linkpath"
            attributes[name] = content.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")

    def _fill(self) -> bool:
        """Whether more has come; called when all of the buffer is used."""
        for piece in self._pieces:
            if piece:
                self.received += len(piece)
                self._budget.take(size_bytes=len(piece))
                self._digest.update(piece)
                self._buffer, self._at = piece, 0
                return True
        self._buffer, self._at = b"", 0
        return False

    def _some(self, most: int) -> bytes:
        if self._at == len(self._buffer) and not self._fill():
            raise ImageInvalid("The layer ends in the middle of a file.")
        piece = self._buffer[self._at : self._at + most]
        self._at += len(piece)
        return piece

    def _exactly(self, count: int, *, at_end: bytes | None = None) -> bytes:
        """At most a header's bound. `at_end` is returned when nothing at all is left."""
        if at_end is not None and self._at == len(self._buffer) and not self._fill():
            return at_end
        return b"".join(self.body(count))

    def _skip(self, count: int) -> None:
        for _ in self.body(count):
            pass


def file_pieces(file: BinaryIO) -> Generator[bytes, None, None]:
    while piece := file.read(PIECE_BYTES):
        yield piece


def _padded(size_bytes: int) -> int:
    return -(-size_bytes // _BLOCK_BYTES) * _BLOCK_BYTES


def _entry(header: tarfile.TarInfo, attributes: dict[str, str]) -> TarEntry:
    if header.type == tarfile.GNUTYPE_SPARSE or any(name.startswith("GNU.sparse") for name in attributes):
        raise ImageInvalid("The layer holds a sparse file, which is not read here.")
    size = header.size
    mtime = float(header.mtime)
    try:
        size = int(attributes.get("size", size))
        mtime = float(attributes.get("mtime", mtime))
    except ValueError as error:
        raise ImageInvalid(_BROKEN) from error
    if header.type not in _FILES:
        # Links and directories have no content, whatever they claim; other kinds are passed over with theirs.
        size = 0 if header.type in (tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE) else size
    if size < 0:
        raise ImageInvalid(_BROKEN)
    return TarEntry(
        name=attributes.get("path", header.name),
        kind=header.type,
        mode=header.mode,
        mtime=mtime if 0 <= mtime < _MAX_MTIME else 0.0,
        size_bytes=size,
        link=attributes.get("linkpath", header.linkname),
    )


def _pax(content: bytes) -> dict[str, str]:
    """Records of the form `length name=value newline`; the length counts the whole record."""
    found: dict[str, str] = {}
    at = 0
    while at < len(content) and content[at] != 0:
        space = content.find(b" ", at, at + 20)
        digits = content[at:space] if space > 0 else b""
        if not digits.isdigit():
            raise ImageInvalid(_BROKEN)
        end = at + int(digits)
        name, equals, value = content[space + 1 : end - 1].partition(b"=")
        if end > len(content) or end <= space + 1 or not equals:
            raise ImageInvalid(_BROKEN)
        found[name.decode("utf-8", "surrogateescape")] = value.decode("utf-8", "surrogateescape")
        at = end
    return found
