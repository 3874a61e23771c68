"""Which source a name leads to, and whether this server may read it."""

from __future__ import annotations

from pathlib import Path

from paddock.images.archive import ArchiveSource
from paddock.images.credentials import CredentialSource, credentials_for
from paddock.images.errors import ImageReferenceInvalid
from paddock.images.layout import LayoutSource
from paddock.images.reference import LocalReference, RegistryReference, parse_reference
from paddock.images.registry import RegistrySource
from paddock.images.sources import ImageSource


class ImageSources:
    """`local_dir` is the directory below which images on this machine may be named; None allows none."""

    def __init__(self, local_dir: Path | None = None, credentials: CredentialSource = credentials_for) -> None:
        self._local_dir = local_dir
        self._credentials = credentials

    def open(self, text: str) -> tuple[ImageSource, RegistryReference | LocalReference]:
        """Blocking. Raises `ImageReferenceInvalid`."""
        reference = parse_reference(text)
        if isinstance(reference, RegistryReference):
            return RegistrySource(reference, self._credentials), reference
        path = self._allowed(Path(reference.path))
        if path.exists() and not (path.is_file() if reference.is_archive else path.is_dir()):
            wanted = "an archive is a file" if reference.is_archive else "an image layout is a directory"
            raise ImageReferenceInvalid(f"What is at the path is of another kind: {wanted}.")
        return (ArchiveSource(path) if reference.is_archive else LayoutSource(path)), reference

    def _allowed(self, path: Path) -> Path:
        if self._local_dir is None:
            raise ImageReferenceInvalid(
                "This server reads no images of its own machine: its setting images_dir is unset."
            )
        resolved = path.resolve()
        if not resolved.is_relative_to(self._local_dir.resolve()):
            raise ImageReferenceInvalid(
                "The path is not below the directory that the server's setting images_dir names."
            )
        return resolved
