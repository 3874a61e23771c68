"""Images of functions as they arrive: resolved to a digest and pulled into the code store before the API answers.

What is pulled and no version names yet is noted, so that the cleanup leaves it. Errors in AWS's words.
"""

from __future__ import annotations

import asyncio
import base64
import logging
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from typing import Any, Protocol, cast

from paddock.images.documents import Descriptor
from paddock.images.errors import (
    ImageAccessDenied,
    ImageArchitectureMismatch,
    ImageError,
    ImageNotFound,
    ImageUnavailable,
    ImageUnsupported,
)
from paddock.images.limits import BLOBS_AT_ONCE, IMAGES_AT_ONCE, MAX_UNPACKED_BYTES
from paddock.images.pull import ResolvedImage, resolve
from paddock.images.reference import ImageReference
from paddock.images.sources import ImageSource, verified
from paddock.model.errors import ApiError, access_denied, invalid_parameter
from paddock.model.function import ContainerImage
from paddock.model.ids import CodeSha256
from paddock.ports.code import CodeStore

log = logging.getLogger(__name__)

_SHOWN_URI_CHARACTERS = 512
"""In an error's text: longer ones are no names of images."""


class SourceOpener(Protocol):
    """`paddock.images.opening.ImageSources`, as far as it is needed here."""

    def open(self, text: str) -> tuple[ImageSource, ImageReference]: ...


class ImageIntake:
    def __init__(self, code: CodeStore, sources: SourceOpener) -> None:
        self._code = code
        self._sources = sources
        self._arriving: Counter[CodeSha256] = Counter()
        self._images = asyncio.Semaphore(IMAGES_AT_ONCE)

    def arriving(self) -> set[CodeSha256]:
        """What must stay although no version names it."""
        return set(self._arriving)

    @asynccontextmanager
    async def pulled(self, uri: str, architecture: str) -> AsyncIterator[tuple[CodeSha256, ContainerImage]]:
        """The manifest's name and the image, all of which is in the store until this is left. Raises `ApiError`."""
        noted: list[CodeSha256] = []
        try:
            image = await self._arrived(uri, architecture, noted)
            yield noted[0], image
        finally:
            self._arriving -= Counter(noted)

    async def _arrived(self, uri: str, architecture: str, noted: list[CodeSha256]) -> ContainerImage:
        """`noted` gets what must stay, as soon as it is known."""
        try:
            async with self._images:
                source, reference, found = await asyncio.to_thread(self._resolved, uri, architecture)
                noted += [code_name(found.descriptor), *(code_name(blob) for blob in found.manifest.blobs)]
                self._arriving.update(noted)
                await self._pull(source, uri, found)
        except ImageError as error:
            raise _in_words_of_aws(uri, error) from error
        except BaseExceptionGroup as errors:
            failed = errors.subgroup(ImageError)
            if failed is None or len(failed.exceptions) != len(errors.exceptions):
                raise
            raise _in_words_of_aws(uri, _first(failed)) from errors
        return ContainerImage(uri, reference.resolved(found.descriptor.digest), tuple(noted[1:]))

    def _resolved(self, uri: str, architecture: str) -> tuple[ImageSource, ImageReference, ResolvedImage]:
        source, reference = self._sources.open(uri)
        return source, reference, resolve(source, reference.name, architecture)

    async def _pull(self, source: ImageSource, uri: str, found: ResolvedImage) -> None:
        """Layers that are here already, of this image or of another, are not asked for again."""
        await self._code.put(found.content)
        await self._code.put(found.configuration_content)
        missing = [blob for blob in dict.fromkeys(found.manifest.layers) if not await self._code.has(code_name(blob))]
        total = sum(blob.size_bytes for blob in missing)
        if total > MAX_UNPACKED_BYTES:
            raise ImageUnsupported(f"The image is larger than {MAX_UNPACKED_BYTES} bytes.")
        log.info("pulling %s: %d of %d layers, %d bytes", uri, len(missing), len(found.manifest.layers), total)
        at_once = asyncio.Semaphore(BLOBS_AT_ONCE)

        async def pull_blob(blob: Descriptor) -> None:
            async with at_once:
                await self._code.put_pieces(code_name(blob), blob.size_bytes, _read(source, blob))
                log.info("pulled %s of %s, %d bytes", blob.digest, uri, blob.size_bytes)

        async with asyncio.TaskGroup() as group:
            for blob in missing:
                group.create_task(pull_blob(blob))


def code_name(blob: Descriptor) -> CodeSha256:
    """What the code store calls it."""
    return CodeSha256(base64.b64encode(bytes.fromhex(blob.hexadecimal)).decode())


def _read(source: ImageSource, blob: Descriptor) -> Iterator[bytes]:
    pieces = source.blob(blob)
    with closing(cast("Any", pieces)):
        yield from verified(pieces, blob)


def _first(errors: BaseExceptionGroup[ImageError]) -> ImageError:
    found = errors.exceptions[0]
    return _first(found) if isinstance(found, BaseExceptionGroup) else found


def _in_words_of_aws(uri: str, error: ImageError) -> ApiError:
    """AWS's sentence, then what it was this time."""
    shown = uri[:_SHOWN_URI_CHARACTERS]
    match error:
        case ImageNotFound():
            return invalid_parameter(f"Source image {shown} does not exist. Provide a valid source image.")
        case ImageAccessDenied():
            return access_denied(
                f"Lambda does not have permission to access the ECR image. Check the ECR permissions. {error}"
            )
        case ImageUnsupported():
            return invalid_parameter(
                f"The image manifest, config or layer media type for the source image {shown} is not supported. {error}"
            )
        case ImageArchitectureMismatch():
            return invalid_parameter(
                f"The source image {shown} does not match the architecture of the function. {error}"
            )
        case ImageUnavailable():
            return invalid_parameter(f"Source image {shown} could not be read. {error}")
        case _:
            return invalid_parameter(f"Source image {shown} is not valid. Provide a valid source image. {error}")
