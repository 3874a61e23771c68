"""Where images are read from, as one Protocol, and the check that everything read passes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from typing import Protocol

from paddock.images.documents import Descriptor
from paddock.images.errors import ImageInvalid


class ImageSource(Protocol):
    """Blocking, for a thread. Raises `ImageError` and nothing else."""

    def manifest(self, name: str) -> bytes:
        """By tag or digest; unverified."""
        ...

    def blob(self, wanted: Descriptor) -> Iterator[bytes]:
        """In pieces, from the beginning, unverified; must be closed when it is not read to its end."""
        ...


def verified(pieces: Iterable[bytes], wanted: Descriptor) -> Iterator[bytes]:
    """The same pieces. Raises `ImageInvalid` as soon as there are too many bytes, else at the end."""
    digest, received = hashlib.sha256(), 0
    for piece in pieces:
        received += len(piece)
        if received > wanted.size_bytes:
            raise ImageInvalid(f"{wanted.digest} is longer than the {wanted.size_bytes} bytes its manifest says.")
        digest.update(piece)
        yield piece
    if received != wanted.size_bytes:
        raise ImageInvalid(f"{wanted.digest} ended after {received} of {wanted.size_bytes} bytes.")
    if digest.hexdigest() != wanted.hexadecimal:
        raise ImageInvalid(f"{wanted.digest} is not what it is called: its content has another digest.")
