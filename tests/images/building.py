"""Images made from nothing: layers out of entries, a layout or an archive out of layers."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paddock.images.documents import DOCKER_MANIFEST, OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST

Entry = tuple[tarfile.TarInfo, bytes]


def file(name: str, content: bytes | str = b"", mode: int = 0o644, mtime: int = 1_600_000_000) -> Entry:
    body = content.encode() if isinstance(content, str) else content
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = len(body), mode, mtime
    return info, body


def directory(name: str, mode: int = 0o755) -> Entry:
    info = tarfile.TarInfo(name)
    info.type, info.mode = tarfile.DIRTYPE, mode
    return info, b""


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> Entry:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info, b""


def hard_link(name: str, target: str) -> Entry:
    return link(name, target, tarfile.LNKTYPE)


def device(name: str, kind: bytes) -> Entry:
    info = tarfile.TarInfo(name)
    info.type, info.devmajor, info.devminor = kind, 1, 3
    return info, b""


def whiteout(path: str) -> Entry:
    parent, _, name = path.rpartition("/")
    return file(f"{parent}/.wh.{name}" if parent else f".wh.{name}")


def archive(*entries: Entry, archive_format: int = tarfile.PAX_FORMAT) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w", format=archive_format) as tar:
        for info, body in entries:
            tar.addfile(info, io.BytesIO(body))
    return written.getvalue()


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def described(content: bytes, media_type: str, **more: Any) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest(content), "size": len(content), **more}


@dataclass
class MadeImage:
    """All blobs by digest; `manifest` is one of them."""

    manifest: bytes
    blobs: dict[str, bytes] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        return digest(self.manifest)

    def write_layout(self, place: Path, tag: str = "latest") -> str:
        """The `oci:` name of it."""
        blobs = place / "blobs" / "sha256"
        blobs.mkdir(parents=True)
        for name, content in self.blobs.items():
            (blobs / name.removeprefix("sha256:")).write_bytes(content)
        media_type = json.loads(self.manifest)["mediaType"]
        entry = described(self.manifest, media_type, annotations={"org.opencontainers.image.ref.name": tag})
        (place / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
        (place / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        return f"oci:{place}:{tag}"


def image(
    *layers: bytes, architecture: str = "amd64", program: Mapping[str, Any] | None = None, docker: bool = False
) -> MadeImage:
    """Of layers that are tar archives; every second one is compressed."""
    packed = [gzip.compress(layer, 1, mtime=0) if number % 2 else layer for number, layer in enumerate(layers)]
    kinds = [f"{OCI_LAYER}+gzip" if number % 2 else OCI_LAYER for number in range(len(layers))]
    if docker:
        kinds = ["application/vnd.docker.image.rootfs.diff.tar.gzip" for _ in layers]
    config = json.dumps(
        {
            "architecture": architecture,
            "os": "linux",
            "config": dict(program or {}),
            "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in layers]},
        }
    ).encode()
    config_type = "application/vnd.docker.container.image.v1+json" if docker else OCI_CONFIG
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": DOCKER_MANIFEST if docker else OCI_MANIFEST,
            "config": described(config, config_type),
            "layers": [described(one, kind) for one, kind in zip(packed, kinds, strict=True)],
        }
    ).encode()
    contents = [manifest, config, *packed]
    return MadeImage(manifest, {digest(content): content for content in contents})


def index(images: Mapping[str, MadeImage]) -> MadeImage:
    """By architecture, as builders write it: with an attestation beside."""
    entries = [
        described(made.manifest, OCI_MANIFEST, platform={"architecture": architecture, "os": "linux"})
        for architecture, made in images.items()
    ]
    odd = described(b"{}", OCI_MANIFEST, platform={"architecture": "unknown", "os": "unknown"})
    content = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [odd, *entries]}).encode()
    blobs = {digest(content): content, digest(b"{}"): b"{}"}
    for made in images.values():
        blobs |= made.blobs
    return MadeImage(content, blobs)


def docker_archive(place: Path, layers: Sequence[bytes], program: Mapping[str, Any], tag: str = "fn:1") -> str:
    """As `docker save` writes it; the `docker-archive:` name of it."""
    config = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": dict(program),
            "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in layers]},
        }
    ).encode()
    names = [f"{number}/layer.tar" for number in range(len(layers))]
    manifest = json.dumps([{"Config": "config.json", "RepoTags": [tag], "Layers": names}]).encode()
    members = [file(name, layer) for name, layer in zip(names, layers, strict=True)]
    place.write_bytes(archive(*members, file("config.json", config), file("manifest.json", manifest)))
    return f"docker-archive:{place}:{tag.rpartition(':')[2]}"
