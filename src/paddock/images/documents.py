"""Manifests, indexes and configurations of images: read, checked against their limits, reduced to what is needed.

Pure. OCI's and Docker's (version 2, schema 2) documents are the same but for their media types.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

import msgspec

from paddock.images.errors import ImageArchitectureMismatch, ImageInvalid, ImageUnsupported
from paddock.images.limits import (
    MAX_BLOB_BYTES,
    MAX_CONFIG_BYTES,
    MAX_INDEX_ENTRIES,
    MAX_LAYERS,
)
from paddock.images.reference import is_digest

OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
OCI_LAYER: Final = "application/vnd.oci.image.layer.v1.tar"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
ACCEPTED: Final = (OCI_MANIFEST, DOCKER_MANIFEST, OCI_INDEX, DOCKER_INDEX)
_CONFIGS = {OCI_CONFIG, "application/vnd.docker.container.image.v1+json"}
_LAYERS = {
    OCI_LAYER,
    f"{OCI_LAYER}+gzip",
    f"{OCI_LAYER}+zstd",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
}
_PLATFORMS = {"x86_64": "amd64", "arm64": "arm64"}
"""AWS's names, and the images'."""


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A blob by its content."""

    digest: str
    size_bytes: int

    @property
    def hexadecimal(self) -> str:
        return self.digest.removeprefix("sha256:")


@dataclass(frozen=True, slots=True)
class Manifest:
    """Layers from the bottom up."""

    config: Descriptor
    layers: tuple[Descriptor, ...]

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """Each once."""
        return tuple(dict.fromkeys((self.config, *self.layers)))


@dataclass(frozen=True, slots=True)
class ImageConfiguration:
    """What an image says of the program in it. `diff_ids` are the digests of its layers, uncompressed."""

    entry_point: tuple[str, ...]
    command: tuple[str, ...]
    working_directory: str
    environment: tuple[tuple[str, str], ...]
    diff_ids: tuple[str, ...]


class _Platform(msgspec.Struct, frozen=True):
    architecture: str = ""
    os: str = ""


class _Descriptor(msgspec.Struct, frozen=True, rename={"media_type": "mediaType"}):
    digest: str
    size: int
    media_type: str = ""
    platform: _Platform | None = None


class _Manifest(msgspec.Struct, frozen=True, rename={"schema_version": "schemaVersion", "media_type": "mediaType"}):
    schema_version: int = 2
    media_type: str = ""
    config: _Descriptor | None = None
    layers: tuple[_Descriptor, ...] | None = None
    manifests: tuple[_Descriptor, ...] | None = None


class _Program(
    msgspec.Struct,
    frozen=True,
    rename={"entry_point": "Entrypoint", "command": "Cmd", "working_directory": "WorkingDir", "environment": "Env"},
):
    entry_point: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    working_directory: str | None = None
    environment: tuple[str, ...] | None = None


class _RootFilesystem(msgspec.Struct, frozen=True):
    diff_ids: tuple[str, ...] = ()


class _Configuration(msgspec.Struct, frozen=True):
    architecture: str = ""
    os: str = ""
    config: _Program | None = None
    rootfs: _RootFilesystem = _RootFilesystem()


_manifests = msgspec.json.Decoder(_Manifest)
_configurations = msgspec.json.Decoder(_Configuration)


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def read_manifest(content: bytes, architecture: str) -> Manifest | Descriptor:
    """The manifest, or, of an index, the descriptor of the manifest for this architecture (AWS's name for it)."""
    try:
        document = _manifests.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ImageUnsupported("The manifest is no image manifest.") from error
    if document.manifests is not None and document.layers is None:
        return _chosen(document.manifests, architecture)
    if document.schema_version != 2 or document.config is None or document.layers is None:
        raise ImageUnsupported("The manifest is of a kind that is not read here.")
    if document.config.media_type not in _CONFIGS:
        raise ImageUnsupported(f"The configuration is of media type {document.config.media_type[:128]!r}.")
    if len(document.layers) > MAX_LAYERS:
        raise ImageInvalid(f"The image has more than {MAX_LAYERS} layers.")
    for layer in document.layers:
        if layer.media_type not in _LAYERS:
            raise ImageUnsupported(f"A layer is of media type {layer.media_type[:128]!r}.")
    return Manifest(
        _checked(document.config, MAX_CONFIG_BYTES),
        tuple(_checked(layer, MAX_BLOB_BYTES) for layer in document.layers),
    )


def read_configuration(content: bytes, manifest: Manifest, architecture: str | None) -> ImageConfiguration:
    """`architecture` None takes the image for what it is."""
    try:
        document = _configurations.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ImageInvalid("The configuration of the image cannot be read.") from error
    fits = architecture is None or document.architecture in ("", _PLATFORMS.get(architecture))
    if (document.os or "linux") != "linux" or not fits:
        raise ImageArchitectureMismatch(f"The image is for {document.os[:64]}/{document.architecture[:64]}.")
    diff_ids = document.rootfs.diff_ids
    if len(diff_ids) != len(manifest.layers) or not all(map(is_digest, diff_ids)):
        raise ImageInvalid("The configuration of the image does not name its layers.")
    program = document.config or _Program()
    return ImageConfiguration(
        entry_point=program.entry_point or (),
        command=program.command or (),
        working_directory=program.working_directory or "",
        environment=_variables(program.environment or ()),
        diff_ids=diff_ids,
    )


def _variables(lines: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    pairs = (line.partition("=") for line in lines)
    return tuple((name, value) for name, _, value in pairs if name and "\0" not in name + value)


def _chosen(entries: tuple[_Descriptor, ...], architecture: str) -> Descriptor:
    if len(entries) > MAX_INDEX_ENTRIES:
        raise ImageInvalid(f"The index names more than {MAX_INDEX_ENTRIES} manifests.")
    wanted = _PLATFORMS.get(architecture)
    for entry in entries:
        platform = entry.platform
        if platform is not None and platform.os == "linux" and platform.architecture == wanted:
            return _checked(entry, MAX_BLOB_BYTES)
    without = [entry for entry in entries if entry.platform is None]
    if len(entries) == 1 and without:
        return _checked(entries[0], MAX_BLOB_BYTES)
    raise ImageArchitectureMismatch(f"The index names no manifest for linux/{wanted}.")


def _checked(given: _Descriptor, most_bytes: int) -> Descriptor:
    if not is_digest(given.digest):
        raise ImageUnsupported("Only digests of the form sha256:<64 hexadecimal digits> are understood.")
    if not 0 <= given.size <= most_bytes:
        raise ImageInvalid(f"{given.digest} claims {given.size} bytes; at most {most_bytes} are allowed.")
    return Descriptor(given.digest, given.size)
