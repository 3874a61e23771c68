"""Images in memory, in place of registries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from paddock.images.documents import Descriptor
from paddock.images.errors import ImageError, ImageNotFound
from paddock.images.reference import ImageReference, is_digest, parse_reference
from paddock.images.sources import ImageSource
from tests.images.building import MadeImage


@dataclass
class PlayedImages:
    """By tag, and what goes wrong with some. `read` are the digests of the blobs that were asked for."""

    images: dict[str, MadeImage] = field(default_factory=dict)
    failures: dict[str, ImageError] = field(default_factory=dict)
    read: list[str] = field(default_factory=list)

    def open(self, text: str) -> tuple[ImageSource, ImageReference]:
        return self, parse_reference(text)

    def manifest(self, name: str) -> bytes:
        if name in self.failures:
            raise self.failures[name]
        if is_digest(name):
            return self._content(name)
        if name not in self.images:
            raise ImageNotFound(name)
        return self.images[name].manifest

    def blob(self, wanted: Descriptor) -> Iterator[bytes]:
        if wanted.digest in self.failures:
            raise self.failures[wanted.digest]
        self.read.append(wanted.digest)
        content = self._content(wanted.digest)
        yield from (content[at : at + 1000] for at in range(0, len(content), 1000))

    def _content(self, digest: str) -> bytes:
        for image in self.images.values():
            if digest in image.blobs:
                return image.blobs[digest]
        raise ImageNotFound(digest)
