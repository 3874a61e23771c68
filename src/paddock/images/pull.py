"""From a name to an image that is fully known: the manifest for one architecture and what it says of the program.

Blocking, for a thread. Layers are not read here.
"""

from __future__ import annotations

from dataclasses import dataclass

from paddock.images.documents import (
    Descriptor,
    ImageConfiguration,
    Manifest,
    digest_of,
    read_configuration,
    read_manifest,
)
from paddock.images.errors import ImageInvalid
from paddock.images.limits import MAX_INDEX_DEPTH, MAX_MANIFEST_BYTES
from paddock.images.reference import is_digest
from paddock.images.sources import ImageSource, verified


@dataclass(frozen=True, slots=True)
class ResolvedImage:
    """`descriptor` is of the manifest, whose bytes `content` are."""

    descriptor: Descriptor
    content: bytes
    manifest: Manifest
    configuration: ImageConfiguration
    configuration_content: bytes


def resolve(source: ImageSource, name: str, architecture: str) -> ResolvedImage:
    """`architecture` is AWS's name for it. Raises `ImageError`."""
    content = _manifest(source, name)
    found = read_manifest(content, architecture)
    for _ in range(MAX_INDEX_DEPTH):
        if isinstance(found, Manifest):
            break
        content = _manifest(source, found.digest)
        found = read_manifest(content, architecture)
    if not isinstance(found, Manifest):
        raise ImageInvalid("The index leads to an index again and again.")
    configuration_content = b"".join(verified(source.blob(found.config), found.config))
    configuration = read_configuration(configuration_content, found, architecture)
    descriptor = Descriptor(digest_of(content), len(content))
    return ResolvedImage(descriptor, content, found, configuration, configuration_content)


def _manifest(source: ImageSource, name: str) -> bytes:
    content = source.manifest(name)
    if len(content) > MAX_MANIFEST_BYTES:
        raise ImageInvalid(f"The manifest is larger than {MAX_MANIFEST_BYTES} bytes.")
    if is_digest(name) and digest_of(content) != name:
        raise ImageInvalid(f"The manifest {name} is not what it is called: its content has another digest.")
    return content
