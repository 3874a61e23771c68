"""An image as `docker save` writes it: one tar file with `manifest.json`, a configuration and uncompressed layers.

Such a file has no manifest with digests of its own, so one is made; its digest is the same wherever it is made. What
newer versions write is an OCI layout within a tar file besides, of which the same is read.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paddock.images.budget import Budget
from paddock.images.documents import OCI_CONFIG, OCI_LAYER, OCI_MANIFEST, Descriptor
from paddock.images.errors import ImageInvalid, ImageNotFound
from paddock.images.limits import MAX_ENTRIES, MAX_LAYERS, MAX_MANIFEST_BYTES, PIECE_BYTES
from paddock.images.reference import is_digest
from paddock.images.tar import TarEntry, TarReader, file_pieces


@dataclass(frozen=True, slots=True)
class _Place:
    """Of a member in the file."""

    offset: int
    size_bytes: int


class ArchiveSource:
    """`ImageSource`. The file must not change while it is read; if it does, digests say so."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._places: dict[str, _Place] | None = None
        self._blobs: dict[str, _Place] = {}

    def manifest(self, name: str) -> bytes:
        entry = self._entry(name)
        config = self._described(str(entry["Config"]), OCI_CONFIG)
        layers = [self._described(str(layer), OCI_LAYER) for layer in entry["Layers"]]
        document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers}
        content = json.dumps(document, separators=(",", ":"), sort_keys=True).encode()
        made = f"sha256:{hashlib.sha256(content).hexdigest()}"
        if is_digest(name) and made != name:
            raise ImageNotFound(f"The image in the archive is {made}.")
        return content

    def blob(self, wanted: Descriptor) -> Iterator[bytes]:
        place = self._blobs.get(wanted.digest)
        if place is None:
            raise ImageNotFound(f"The archive holds no {wanted.digest}.")
        return self._pieces(place)

    def _entry(self, name: str) -> dict[str, Any]:
        try:
            entries = json.loads(self._small("manifest.json"))
            tag = "" if is_digest(name) else name
            found = [entry for entry in entries if not tag or _has_tag(entry.get("RepoTags") or [], tag)]
            usable = [entry for entry in found if isinstance(entry["Config"], str) and len(entry["Layers"])]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ImageInvalid("manifest.json of the archive cannot be read.") from error
        if len(usable) != 1:
            what = f"tagged {tag}" if tag else "without naming a tag"
            raise ImageNotFound(f"The archive holds {len(usable) or 'no'} images {what}.")
        if len(usable[0]["Layers"]) > MAX_LAYERS:
            raise ImageInvalid(f"The image has more than {MAX_LAYERS} layers.")
        entry: dict[str, Any] = usable[0]
        return entry

    def _described(self, member: str, media_type: str) -> dict[str, Any]:
        place = self._found(member)
        digest = hashlib.sha256()
        for piece in self._pieces(place):
            digest.update(piece)
        name = f"sha256:{digest.hexdigest()}"
        self._blobs[name] = place
        return {"mediaType": media_type, "digest": name, "size": place.size_bytes}

    def _small(self, member: str) -> bytes:
        place = self._found(member)
        if place.size_bytes > MAX_MANIFEST_BYTES:
            raise ImageInvalid(f"{member} of the archive is too large.")
        return b"".join(self._pieces(place))

    def _found(self, member: str) -> _Place:
        if self._places is None:
            self._places = self._index()
        place = self._places.get(member)
        if place is None:
            raise ImageInvalid(f"The archive does not hold {member[:256]!r}, which an archive of `docker save` has.")
        return place

    def _index(self) -> dict[str, _Place]:
        """Members by name; links, which older versions write for layers that images share, by what they lead to."""
        places: dict[str, _Place] = {}
        links: dict[str, str] = {}
        try:
            with self._path.open("rb") as file, closing(file_pieces(file)) as pieces:
                reader = TarReader(pieces, Budget(self._path.stat().st_size, MAX_ENTRIES))
                for entry in reader.entries():
                    if entry.is_file:
                        places[_normal(entry.name)] = _Place(reader.position, entry.size_bytes)
                    elif entry.is_link:
                        links[_normal(entry.name)] = _target(entry)
        except FileNotFoundError as error:
            raise ImageNotFound("There is no archive at this path.") from error
        except OSError as error:
            raise ImageInvalid(f"The archive cannot be read: {error.strerror}.") from error
        places.update({name: places[target] for name, target in links.items() if target in places})
        return places

    def _pieces(self, place: _Place) -> Iterator[bytes]:
        left = place.size_bytes
        try:
            with self._path.open("rb") as file:
                file.seek(place.offset)
                while left and (piece := file.read(min(PIECE_BYTES, left))):
                    left -= len(piece)
                    yield piece
        except OSError as error:
            raise ImageInvalid(f"The archive cannot be read: {error.strerror}.") from error


def _has_tag(names: list[str], tag: str) -> bool:
    return any(name == tag or name.endswith(f":{tag}") for name in names)


def _normal(name: str) -> str:
    return "/".join(part for part in name.split("/") if part not in ("", "."))


def _target(entry: TarEntry) -> str:
    """Looked up among the members, never on disk."""
    if entry.kind == tarfile.LNKTYPE or entry.link.startswith("/"):
        return _normal(entry.link)
    parts = entry.name.split("/")[:-1]
    for part in entry.link.split("/"):
        if part == "..":
            parts = parts[:-1]
        else:
            parts.append(part)
    return _normal("/".join(parts))
