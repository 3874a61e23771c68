"""An image in an OCI layout: a directory with `index.json` and `blobs/sha256`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from paddock.images.documents import Descriptor
from paddock.images.errors import ImageInvalid, ImageNotFound
from paddock.images.limits import MAX_MANIFEST_BYTES, PIECE_BYTES
from paddock.images.reference import is_digest

_TAG = "org.opencontainers.image.ref.name"


class LayoutSource:
    """`ImageSource`. Blobs that are links are not followed: the directory is all that may be read."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def manifest(self, name: str) -> bytes:
        return self._read(name if is_digest(name) else self._digest_of_tag(name))

    def blob(self, wanted: Descriptor) -> Iterator[bytes]:
        path = self._path(wanted.digest)
        try:
            with path.open("rb") as file:
                while piece := file.read(PIECE_BYTES):
                    yield piece
        except OSError as error:
            raise ImageNotFound(f"The blob {wanted.digest} cannot be read: {error.strerror}.") from error

    def _digest_of_tag(self, tag: str) -> str:
        """The entry of that tag; without a tag, the only one there is."""
        index = self._directory / "index.json"
        try:
            if not _is_plain(index) or index.stat().st_size > MAX_MANIFEST_BYTES:
                raise ImageInvalid("index.json of the image layout is no plain file, or too large.")
            entries: list[dict[str, Any]] = json.loads(index.read_bytes())["manifests"]
            named = {str(entry["digest"]): dict(entry.get("annotations") or {}).get(_TAG) for entry in entries}
        except FileNotFoundError as error:
            raise ImageNotFound("There is no image layout at this path.") from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ImageInvalid("index.json of the image layout cannot be read.") from error
        found = [digest for digest, name in named.items() if not tag or name == tag or str(name).endswith(f":{tag}")]
        if len(found) != 1:
            what = f"tagged {tag}" if tag else "without naming a tag"
            raise ImageNotFound(f"The image layout holds {len(found) or 'no'} images {what}.")
        return found[0]

    def _read(self, digest: str) -> bytes:
        path = self._path(digest)
        try:
            with path.open("rb") as file:
                return file.read(MAX_MANIFEST_BYTES + 1)
        except OSError as error:
            raise ImageNotFound(f"The manifest {digest} cannot be read: {error.strerror}.") from error

    def _path(self, digest: str) -> Path:
        if not is_digest(digest):
            raise ImageInvalid("The image layout names a manifest by something that is no SHA-256 digest.")
        path = self._directory / "blobs" / "sha256" / digest.removeprefix("sha256:")
        if any(part.is_symlink() for part in (path.parent, path.parent.parent)) or not _is_plain(path):
            raise ImageInvalid("The image layout holds a link, or what is no file, in place of a blob.")
        return path


def _is_plain(path: Path) -> bool:
    """A file, or nothing yet; opening a pipe would wait for ever."""
    return not path.is_symlink() and (path.is_file() or not path.exists())
