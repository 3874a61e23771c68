"""Deployment packages as they arrive, with the request or from a bucket: is it a ZIP that can be unpacked safely,
within Lambda's limits?

Nothing is unpacked here. Whoever unpacks it must hold the same limits against a package that lies about its sizes.
"""

from __future__ import annotations

import asyncio
import io
import lzma
import posixpath
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

from paddock.controlplane.api import Api
from paddock.model.errors import ApiError, access_denied, invalid_parameter
from paddock.model.function import Code
from paddock.ports.objects import HOT_RELOAD_BUCKET, ObjectTooLarge, ObjectUnavailable

MAX_ZIPPED_BYTES = 50 * 1024 * 1024
"""Lambda's limit for direct upload; what comes from a bucket is bounded by what may come out of it."""
MAX_UNZIPPED_BYTES = 250 * 1024 * 1024
MAX_ENTRIES = 100_000
"""Not AWS's: a directory of more entries costs more to read than any package is worth."""
MAX_LINK_BYTES = 4096
_CREATED_ON_UNIX = 3

_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    NotImplementedError,
    RuntimeError,
    ValueError,
    EOFError,
    OSError,
)
"""What `zipfile` raises over archives that are none, damaged, encrypted, or packed in a way it does not know."""

_CANNOT_UNZIP = "Could not unzip uploaded file. Please check your file, then try to upload again."


async def package_of(api: Api, given: Mapping[str, Any], operation: str) -> tuple[bytes, Code]:
    """The package that a request carries or names, checked, and what it is called in the store. Raises `ApiError`."""
    _refuse_what_is_not_kept(given)
    package = await _fetched(api, given) if given.get("S3Bucket") or given.get("S3Key") else _carried(given, operation)
    # Reading its directory and hashing it takes a tenth of a second for a large one: not on the loop.
    unzipped_bytes = await asyncio.to_thread(check_package, package)
    directory = given["S3Key"] if given.get("S3Bucket") == HOT_RELOAD_BUCKET else None
    return package, Code(await asyncio.to_thread(api.code.name_of, package), len(package), unzipped_bytes, directory)


def _refuse_what_is_not_kept(given: Mapping[str, Any]) -> None:
    if given.get("SourceKMSKeyArn"):
        raise invalid_parameter(
            "SourceKMSKeyArn is not supported by this server: packages are encrypted under its own key. "
            "Remove SourceKMSKeyArn from your request."
        )
    if given.get("S3ObjectStorageMode", "COPY") != "COPY":
        raise invalid_parameter("S3ObjectStorageMode REFERENCE is not supported by this server: packages are copied.")


def _carried(given: Mapping[str, Any], operation: str) -> bytes:
    package = given.get("ZipFile")
    if package is None:
        raise invalid_parameter("Please provide a source for function code.")
    if len(package) > MAX_ZIPPED_BYTES:
        raise ApiError(
            "RequestEntityTooLargeException",
            f"Request must be smaller than {MAX_ZIPPED_BYTES * 4 // 3} bytes for the {operation} operation",
            status=413,
        )
    return bytes(package)


async def _fetched(api: Api, given: Mapping[str, Any]) -> bytes:
    """From a bucket: larger than what a request can carry, but no larger than what may come out of it."""
    if given.get("ZipFile") is not None:
        raise invalid_parameter("Please do not provide other FunctionCode parameters when providing a ZipFile.")
    bucket, key = given.get("S3Bucket"), given.get("S3Key")
    if not bucket or not key:
        raise invalid_parameter("Please provide both S3Bucket and S3Key.")
    try:
        return await api.objects.fetch(bucket, key, given.get("S3ObjectVersion"), MAX_UNZIPPED_BYTES)
    except ObjectTooLarge as too_large:
        raise invalid_parameter(f"Unzipped size must be smaller than {MAX_UNZIPPED_BYTES} bytes") from too_large
    except ObjectUnavailable as unavailable:
        said = f"S3 Error Code: {unavailable.code}. S3 Error Message: {unavailable.message}"
        if unavailable.denied:
            raise access_denied(
                "Your access has been denied by S3, please make sure your request credentials have permission to "
                f"GetObject for {bucket}/{key}. {said}"
            ) from unavailable
        raise invalid_parameter(f"Error occurred while GetObject. {said}") from unavailable


def check_package(package: bytes) -> int:
    """How many bytes come out of it. Raises `ApiError` for what is no ZIP, too large, or would write outside the
    directory it is unpacked in.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(package)) as archive:
            return _check_entries(archive)
    except _BROKEN as error:
        raise invalid_parameter(_CANNOT_UNZIP) from error


def _check_entries(archive: zipfile.ZipFile) -> int:
    entries = archive.infolist()
    if not any(not entry.is_dir() for entry in entries):
        raise invalid_parameter("Uploaded file must be a non-empty zip")
    if len(entries) > MAX_ENTRIES:
        raise invalid_parameter(f"Uploaded file must have at most {MAX_ENTRIES} entries")
    unzipped_bytes = sum(entry.file_size for entry in entries)
    if unzipped_bytes > MAX_UNZIPPED_BYTES:
        raise invalid_parameter(f"Unzipped size must be smaller than {MAX_UNZIPPED_BYTES} bytes")
    for entry in entries:
        if entry.flag_bits & 1:
            raise invalid_parameter(f"{_CANNOT_UNZIP} It is encrypted.")
        if _leaves(entry.orig_filename):
            raise invalid_parameter(f"{_CANNOT_UNZIP} An entry's path is absolute or leaves the package with '..'.")
        if _is_symlink(entry) and _link_leaves(archive, entry):
            raise invalid_parameter(f"{_CANNOT_UNZIP} A symbolic link in it points outside the package.")
    return unzipped_bytes


def _leaves(path: str) -> bool:
    return path.startswith(("/", "\\")) or "\0" in path or ".." in path.replace("\\", "/").split("/")


def _is_symlink(entry: zipfile.ZipInfo) -> bool:
    return entry.create_system == _CREATED_ON_UNIX and stat.S_ISLNK(entry.external_attr >> 16)


def _link_leaves(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bool:
    if entry.file_size > MAX_LINK_BYTES:
        return True
    target = archive.read(entry).decode(errors="surrogateescape")
    if target.startswith("/") or "\0" in target:
        return True
    reached = posixpath.normpath(posixpath.join(posixpath.dirname(entry.filename), target))
    return reached == ".." or reached.startswith("../")
