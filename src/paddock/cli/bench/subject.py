"""The function that is benched: one that is deployed, or a package deployed for the time of the bench.

Talks to the server through boto3 and the public API only. Whatever it deploys it also removes.
"""

from __future__ import annotations

import io
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from paddock.advisor.documents import InputError
from paddock.cli import deploying
from paddock.model.errors import StartError
from paddock.ports.clock import Clock

MOST_PACKAGE_BYTES = 50 * 1024 * 1024
"""What the API takes in a request (Lambda's quota for direct uploads)."""

MOST_FILES = 20_000
DOWNLOAD_SECONDS = 60
TIMEOUT_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Package:
    """What is to be deployed."""

    code: bytes = field(repr=False)
    handler: str
    runtime: str
    memory_mb: int
    default_memory_mb: int
    concurrency: int | None
    variables: dict[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Subject:
    """A function on managed instances that answers."""

    name: str
    package: Package
    deployed_here: bool


class DefaultUnavailableError(Exception):
    """This server runs no function without a capacity provider: the text says what it answered."""


def package_of(path: Path) -> bytes:
    """A ZIP as it is; a directory or a single file as a ZIP of it."""
    code = path.read_bytes() if path.is_file() and zipfile.is_zipfile(path) else _zipped(path)
    if len(code) > MOST_PACKAGE_BYTES:
        raise InputError(
            f"{len(code) / 2**20:.0f} MB are more than the {MOST_PACKAGE_BYTES // 2**20} MB a ZIP may have"
        )
    return code


def _zipped(path: Path) -> bytes:
    files = [path] if path.is_file() else sorted(each for each in path.rglob("*") if each.is_file())
    if not files or len(files) > MOST_FILES:
        raise InputError(f"{len(files)} files are no package (1 to {MOST_FILES:,})", file=str(path))
    root = path.parent if path.is_file() else path
    buffer, size = io.BytesIO(), 0
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for each in files:
            size += each.stat().st_size
            if size > 5 * MOST_PACKAGE_BYTES:
                raise InputError("an unzipped package has at most 250 MB", file=str(path))
            archive.write(each, each.relative_to(root))
    return buffer.getvalue()


@contextmanager
def deployed_for_a_while(
    api: Any, account: str, name: str, package: Package, say: Callable[[str], None]
) -> Iterator[Subject]:
    """On managed instances, with a provider of its own; both are gone afterwards, also after Ctrl-C."""
    try:
        say(f"deploying {name} on managed instances of its own")
        arn = deploying.create_provider(api, account, name)
        managed: dict[str, Any] = {"CapacityProviderArn": arn}
        if package.concurrency is not None:
            managed["PerExecutionEnvironmentMaxConcurrency"] = package.concurrency
        api.create_function(
            **_common(name, deploying.role(account, api.meta.region_name), package),
            MemorySize=package.memory_mb,
            CapacityProviderConfig={"LambdaManagedInstancesCapacityProviderConfig": managed},
            Publish=True,
            PublishTo="LATEST_PUBLISHED",
        )
        deploying.wait_until_published(api, name)
        yield Subject(name, package, deployed_here=True)
    finally:
        say(f"removing {name}")
        try:
            deploying.remove(api, (name,), name)
        except StartError as error:
            say(str(error))  # what was measured is not lost to it


@contextmanager
def default_for_a_while(
    api: Any, account: str, subject: Subject, name: str, payload: bytes, clock: Clock
) -> Iterator[float]:
    """The same code without a capacity provider, and the seconds that its first, cold answer took.

    Raises DefaultUnavailableError where the server has no such thing.
    """
    package = subject.package
    try:
        api.create_function(
            **_common(name, deploying.role(account, api.meta.region_name), package),
            MemorySize=package.default_memory_mb,
        )
    except api.exceptions.InvalidParameterValueException as error:
        raise DefaultUnavailableError(error.response["Error"]["Message"]) from error
    try:
        api.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 120})
        began = clock.monotonic()
        _first(api, name, payload)
        yield clock.monotonic() - began
    finally:
        deploying.remove_function(api, name)


def _first(api: Any, name: str, payload: bytes) -> None:
    try:
        api.invoke(FunctionName=name, Payload=payload)["Payload"].read()
    except ClientError as error:
        raise DefaultUnavailableError(f"its first invocation was answered: {error}") from error


def _common(name: str, role: str, package: Package) -> dict[str, Any]:
    return {
        "FunctionName": name,
        "Runtime": package.runtime,
        "Handler": package.handler,
        "Role": role,
        "Code": {"ZipFile": package.code},
        "Timeout": TIMEOUT_SECONDS,
        "Environment": {"Variables": package.variables},
        "Tags": {"project": "paddock-bench"},
    }


def deployed(api: Any, name: str, default_memory_mb: int) -> Subject:
    """A function that is there already; its code is fetched for the copy on default Lambda."""
    try:
        found = api.get_function(FunctionName=name)
    except api.exceptions.ResourceNotFoundException:
        raise InputError(f"no function {name!r} is deployed, and there is no such file") from None
    configuration = found["Configuration"]
    if "CapacityProviderConfig" not in configuration:
        raise InputError(f"{name} has no capacity provider: name a function on managed instances, or a package")
    with urllib.request.urlopen(found["Code"]["Location"], timeout=DOWNLOAD_SECONDS) as response:  # noqa: S310  # the server's own link
        code = response.read(MOST_PACKAGE_BYTES + 1)
    package = Package(
        code=code,
        handler=configuration["Handler"],
        runtime=configuration["Runtime"],
        memory_mb=configuration["MemorySize"],
        default_memory_mb=default_memory_mb,
        concurrency=None,
        variables=configuration.get("Environment", {}).get("Variables", {}),
    )
    return Subject(configuration["FunctionName"], package, deployed_here=False)
