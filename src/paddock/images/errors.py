"""Why an image cannot be had. Texts are for the person who named it, without credentials."""

from __future__ import annotations


class ImageError(Exception):
    """Base; whoever talks to people translates by class."""


class ImageReferenceInvalid(ImageError):
    """What was written names no image, or none that this server may read."""


class ImageNotFound(ImageError):
    """The place answers and has no such image."""


class ImageAccessDenied(ImageError):
    """The place wants other credentials than we have."""


class ImageUnsupported(ImageError):
    """A kind of manifest or layer that is not read here."""


class ImageArchitectureMismatch(ImageError):
    """An image, but for other processors or another operating system."""


class ImageInvalid(ImageError):
    """Damaged, not what its digest says, larger than allowed, or not harmless."""


class ImageUnavailable(ImageError):
    """The place could not be asked; another try may do."""
