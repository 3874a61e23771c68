"""What a function may say of itself as a ZIP package and as an image, and how its code arrives in either case."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from paddock.controlplane.api import Api
from paddock.controlplane.packages import package_of
from paddock.model.errors import invalid_parameter
from paddock.model.function import Code, ContainerImage, FunctionConfiguration, ImageConfig

MAX_IMAGE_CONFIG_BYTES = 16 * 1024
"""Of entry point, command and working directory together (developer guide, "Container image settings")."""
_SOURCES = ("ZipFile", "S3Bucket", "S3Key", "S3ObjectVersion")
_NOT_WITH_IMAGES = ("Runtime", "Handler", "Layers")


@dataclass(frozen=True, slots=True)
class Arrival:
    """Code that is here and that no version names yet; `package` is what a ZIP holds."""

    code: Code
    image: ContainerImage | None
    package: bytes | None
    api: Api

    @asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Within it the code is in the store, and nothing removes it."""
        if self.package is None:
            yield
            return
        async with self.api.arriving_code:
            await self.api.code.put(self.package)
            yield


@asynccontextmanager
async def arriving(
    api: Api, given: Mapping[str, Any], operation: str, architecture: str, *, is_image: bool
) -> AsyncIterator[Arrival]:
    """`given` names the source of the code. Raises `ApiError`."""
    if not is_image:
        package, code = await package_of(api, given, operation)
        yield Arrival(code, None, package, api)
        return
    async with api.images.pulled(given["ImageUri"], architecture) as (name, image):
        # AWS shows no size for images.
        yield Arrival(Code(name, 0), image, None, api)


def check_creation(params: Mapping[str, Any]) -> bool:
    """Whether an image is to be created. Raises `ApiError` for what does not go with the package type."""
    is_image = params.get("PackageType") == "Image"
    if is_image:
        _refuse_what_images_bring(params)
        if params.get("CodeSigningConfigArn"):
            raise invalid_parameter("Code signing is not supported for functions created with container images.")
    _check_sources(params["Code"], "when the intended function PackageType is", is_image=is_image)
    return is_image


def check_code_update(params: Mapping[str, Any], before: FunctionConfiguration) -> bool:
    """The same of new code: a function stays of the package type it was created with."""
    is_image = before.image is not None
    _check_sources(params, "when updating a function with packageType", is_image=is_image)
    return is_image


def check_settings_update(params: Mapping[str, Any], before: FunctionConfiguration) -> None:
    if before.image is not None:
        _refuse_what_images_bring(params)


def with_image(
    configuration: FunctionConfiguration, image: ContainerImage | None, params: Mapping[str, Any]
) -> FunctionConfiguration:
    """With this image, and the `ImageConfig` that the parameters give, or else the one it had. Raises `ApiError`."""
    given = params.get("ImageConfig")
    if image is None:
        if given:
            raise invalid_parameter("Please don't provide ImageConfig when the intended function PackageType is Zip.")
        return configuration
    before = configuration.image.config if configuration.image is not None else ImageConfig()
    return replace(configuration, image=replace(image, config=before if given is None else image_config(given)))


def image_config(given: Mapping[str, Any]) -> ImageConfig:
    """From the API's `ImageConfig`; what is empty says nothing. Raises `ApiError`."""
    config = ImageConfig(
        entry_point=tuple(given.get("EntryPoint") or ()) or None,
        command=tuple(given.get("Command") or ()) or None,
        working_directory=given.get("WorkingDirectory") or None,
    )
    said = [*(config.entry_point or ()), *(config.command or ()), config.working_directory or ""]
    if sum(len(text.encode()) for text in said) > MAX_IMAGE_CONFIG_BYTES:
        raise invalid_parameter(f"ImageConfig must be smaller than {MAX_IMAGE_CONFIG_BYTES} bytes.")
    if any("\0" in text for text in said):
        raise invalid_parameter("ImageConfig must not contain null characters.")
    return config


def shown_image_config(config: ImageConfig) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    if config.entry_point is not None:
        shown["EntryPoint"] = list(config.entry_point)
    if config.command is not None:
        shown["Command"] = list(config.command)
    if config.working_directory is not None:
        shown["WorkingDirectory"] = config.working_directory
    return shown


def _refuse_what_images_bring(params: Mapping[str, Any]) -> None:
    if any(params.get(member) for member in _NOT_WITH_IMAGES):
        raise invalid_parameter(
            "Please don't provide Handler or Runtime or Layer when the intended function PackageType is Image."
        )


def _check_sources(given: Mapping[str, Any], when: str, *, is_image: bool) -> None:
    if is_image and not given.get("ImageUri"):
        raise invalid_parameter(f"Please provide ImageUri {when} Image.")
    if is_image and any(given.get(source) for source in _SOURCES):
        raise invalid_parameter(f"Please don't provide a ZIP file {when} Image.")
    if not is_image and given.get("ImageUri"):
        raise invalid_parameter(f"Please don't provide ImageUri {when} Zip.")
