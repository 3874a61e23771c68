"""What an image is called: `[registry/]repository[:tag][@sha256:...]`, `oci:PATH[:tag]` or `docker-archive:PATH[:tag]`.

Pure. Docker's short names mean Docker Hub, as everywhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import TypeAlias

from paddock.images.errors import ImageReferenceInvalid

DEFAULT_TAG = "latest"
_HUB, _HUB_API = "docker.io", "registry-1.docker.io"
_LAYOUT, _ARCHIVE = "oci:", "docker-archive:"
_MAX_CHARACTERS = 2048
_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_is_repository = re.compile(rf"{_PART}(?:/{_PART})*").fullmatch
_is_registry = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?").fullmatch
_is_tag = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}").fullmatch
_is_digest = re.compile(r"sha256:[0-9a-f]{64}").fullmatch
_is_loopback = re.compile(r"(?:localhost|127(?:\.[0-9]{1,3}){3}|\[::1\])(?::[0-9]{1,5})?").fullmatch


@dataclass(frozen=True, slots=True)
class RegistryReference:
    """`name` is what a manifest is asked for by: the digest where one was given, else the tag."""

    registry: str
    repository: str
    name: str

    @property
    def api(self) -> str:
        """The registry's base URL. Without encryption on this machine only."""
        host = _HUB_API if self.registry == _HUB else self.registry
        return f"{'http' if is_loopback(host) else 'https'}://{host}"

    def resolved(self, digest: str) -> str:
        return f"{self.registry}/{self.repository}@{digest}"


@dataclass(frozen=True, slots=True)
class LocalReference:
    """A file or directory of this machine. `name` is a tag, a digest, or empty for the only image in it."""

    path: PurePath
    name: str
    is_archive: bool

    def resolved(self, digest: str) -> str:
        return f"{_ARCHIVE if self.is_archive else _LAYOUT}{self.path}@{digest}"


ImageReference: TypeAlias = "RegistryReference | LocalReference"


def parse_reference(text: str) -> ImageReference:
    """Raises `ImageReferenceInvalid`."""
    if not text or len(text) > _MAX_CHARACTERS or not text.isprintable():
        raise ImageReferenceInvalid("An image's name must be printable and not empty.")
    for prefix in (_LAYOUT, _ARCHIVE):
        if text.startswith(prefix):
            return _local(text.removeprefix(prefix), is_archive=prefix == _ARCHIVE)
    return _in_registry(text)


def is_digest(text: str) -> bool:
    return _is_digest(text) is not None


def is_loopback(registry: str) -> bool:
    return _is_loopback(registry) is not None


def _local(text: str, *, is_archive: bool) -> LocalReference:
    place, at, digest = text.partition("@")
    name = digest
    if not at:
        head, colon, tail = place.rpartition(":")
        if colon and "/" not in tail:
            place, name = head, tail
    path = PurePath(place)
    if not path.is_absolute() or ".." in path.parts:
        raise ImageReferenceInvalid("The path of a local image must be absolute and without '..'.")
    if name and not (is_digest(name) or (not at and _is_tag(name))):
        raise ImageReferenceInvalid(f"{name!r} is neither a tag nor a digest.")
    return LocalReference(path, name, is_archive)


def _in_registry(text: str) -> RegistryReference:
    rest, at, digest = text.partition("@")
    if at and not is_digest(digest):
        raise ImageReferenceInvalid("Only digests of the form sha256:<64 hexadecimal digits> are understood.")
    first, slash, remaining = rest.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        registry, rest = first, remaining
    else:
        registry, rest = _HUB, rest if slash else f"library/{rest}"
    repository, colon, tag = rest.partition(":")
    if not _is_registry(registry) or not _is_repository(repository) or (colon and not _is_tag(tag)):
        raise ImageReferenceInvalid("Expected [registry/]repository[:tag] or [registry/]repository@sha256:<digest>.")
    return RegistryReference(registry, repository, digest or tag or DEFAULT_TAG)
