"""The same ordinary function in every language, on managed instances and as default Lambda, from ZIP and from image.

It takes a library or a file from a layer, reads a variable, writes a line of log and answers JSON; an extension runs
beside it. An image holds what the layers hold. Each function is removed when it was tried: an instance has room for
few, and extensions hear of the end.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from paddock.runtimes import InstalledRuntime, RuntimeStore, RuntimeUnavailable
from tests.e2e.conftest import QUICKLY, ROLE, RUNTIMES_DIR, Server, create_function, eventually, invoke
from tests.images.ordinary_images import ordinary_image
from tests.images.registry_server import Registry, registry_server
from tests.runtimes import ordinary
from tests.runtimes.built_functions import ToolchainMissing
from tests.runtimes.ordinary import ORDINARIES
from tests.runtimes.watcher import Watcher, watcher

pytestmark = pytest.mark.e2e

KINDS = ("managed", "default")
OTHERS = (
    ("python3.14", "python"),
    ("python3.15", "python"),
    ("nodejs24.x", "nodejs"),
    ("nodejs26.x", "nodejs"),
    ("java25", "java"),
)
"""Beside the one of each language that the tests above take. What stands in is said."""
SETTINGS: Mapping[str, Any] = {"Environment": {"Variables": {"SHOP": ordinary.SHOP}}, "Timeout": 20}


@pytest.fixture(scope="module")
def _own_opt(server: Server) -> None:
    """The function names `/opt/rate`, which is there where an environment has files of its own."""
    status = server.paddock("status", "--output", "json")
    if '"isolation": "process' in status.stdout:
        pytest.skip("without namespaces a layer's files are not at /opt")


PLAIN = ("python", "shell")
"""What needs nothing that a plain machine may lack."""


@pytest.fixture(
    params=[pytest.param(each, marks=() if each in PLAIN else pytest.mark.toolchain) for each in ORDINARIES]
)
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def runtime(language: str) -> InstalledRuntime:
    try:
        return RuntimeStore(RUNTIMES_DIR).ensure(ORDINARIES[language].runtime)
    except RuntimeUnavailable as unavailable:
        pytest.skip(str(unavailable))


@pytest.mark.usefixtures("_own_opt")
@pytest.mark.parametrize("kind", KINDS)
def test_from_a_zip_with_a_layer(
    api: Any, server: Server, provider: str, language: str, runtime: InstalledRuntime, kind: str
) -> None:
    name, watching = f"{language}-{kind}-zip", watcher(language, in_image=False)
    with deployed(api, provider, name, kind, zipped(api, name, language, runtime, watching)):
        answers_as_all_do(api, server, name)
        was_watched(server, name, kind, watching)
    heard_of_the_end(server, name)


@pytest.mark.toolchain
@pytest.mark.usefixtures("_own_opt")
@pytest.mark.parametrize(("other", "language"), OTHERS)
def test_other_versions_that_managed_instances_take(
    api: Any, server: Server, provider: str, runtime: InstalledRuntime, other: str, language: str
) -> None:
    try:
        runs_on = RuntimeStore(RUNTIMES_DIR).ensure(other).resolution
    except RuntimeUnavailable as unavailable:
        pytest.skip(str(unavailable))
    name = f"{language}-{other.replace('.', '-')}"
    code = zipped(api, name, language, runtime) | {"Runtime": other}
    with deployed(api, provider, name, "managed", code):
        answers_as_all_do(api, server, name)
        published = api.get_function_configuration(FunctionName=name, Qualifier="$LATEST.PUBLISHED")
        told_of = published["RuntimeVersionConfig"].get("Error", {})
        assert told_of.get("Message", "") == runs_on.note
        assert logged(server, name, runs_on.release)


def zipped(
    api: Any, name: str, language: str, runtime: InstalledRuntime, watching: Watcher | None = None
) -> dict[str, Any]:
    """The members that say what the code is, with its layers published: its own under the name."""
    function = ORDINARIES[language]
    try:
        package, layer = function.package(runtime), ordinary.layer_of(function, runtime)
    except ToolchainMissing as missing:
        pytest.skip(str(missing))
    layers = {name: layer} | ({f"{name}-watcher": watching.files} if watching else {})
    return {
        "Code": {"ZipFile": archive(package)},
        "Runtime": function.runtime,
        "Handler": function.handler,
        "Layers": [
            api.publish_layer_version(LayerName=each, Content={"ZipFile": archive(files)})["LayerVersionArn"]
            for each, files in layers.items()
        ],
    }


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    with registry_server() as running:
        yield running


@pytest.mark.usefixtures("_own_opt")
@pytest.mark.parametrize("kind", KINDS)
def test_from_an_image(
    api: Any, server: Server, provider: str, language: str, runtime: InstalledRuntime, kind: str, registry: Registry
) -> None:
    function, watching = ORDINARIES[language], watcher(language, in_image=True)
    try:
        package, opt = function.package(runtime), ordinary.layer_of(function, runtime)
    except ToolchainMissing as missing:
        pytest.skip(str(missing))
    if language not in registry.tags:
        opt |= watching.files
        registry.put(ordinary_image(language, runtime, function.handler, package, opt), language)
    name = f"{language}-{kind}-image"
    code = {"PackageType": "Image", "Code": {"ImageUri": f"{registry.address}/team/fn:{language}"}}
    with deployed(api, provider, name, kind, code):
        answers_as_all_do(api, server, name)
        was_watched(server, name, kind, watching)
    heard_of_the_end(server, name)


INVOCATIONS = (7, 8)


def answers_as_all_do(api: Any, server: Server, name: str) -> None:
    for n in INVOCATIONS:
        answer = invoke(api, name, ordinary.event(n))
        assert {**answer, **ordinary.answer(n)} == answer
    assert eventually(lambda: logged(server, name, "ordered Blue pen 8"))


TOLD = {"managed": {"platform.start", "platform.report", "function"}}
TOLD["default"] = {*TOLD["managed"], "platform.runtimeDone"}


def was_watched(server: Server, name: str, kind: str, watching: Watcher) -> None:
    """The extension was there before the first invocation, hears of what its kind hears of, and has telemetry."""
    for lines in streams(server, name).values():
        ordered = [place for place, line in enumerate(lines) if "ordered" in line]
        if ordered:
            assert "watcher registered" in lines[: ordered[0]], lines

    def heard() -> list[str]:
        return [line.split()[3] for line in said(server, name) if line.startswith("watcher heard INVOKE")]

    wanted = len(INVOCATIONS) if kind == "default" else 0
    assert eventually(lambda: len(set(heard())) == wanted), said(server, name)
    if watching.hears_telemetry:
        assert eventually(lambda: told(server, name) >= TOLD[kind]), said(server, name)


def heard_of_the_end(server: Server, name: str) -> None:
    """In each environment that there was."""
    ends = {"watcher heard SHUTDOWN spindown", "watcher heard SHUTDOWN SPINDOWN"}
    assert eventually(lambda: all(not ends.isdisjoint(lines) for lines in streams(server, name).values())), streams(
        server, name
    )


def told(server: Server, name: str) -> set[str]:
    return {line.removeprefix("watcher was told of ") for line in said(server, name)}


def said(server: Server, name: str) -> list[str]:
    """By the extensions of all environments."""
    return [line for lines in streams(server, name).values() for line in lines if line.startswith("watcher ")]


def streams(server: Server, name: str) -> dict[str, list[str]]:
    """The lines of each environment, in their order; of those that are in JSON, what was written."""
    found: dict[str, list[str]] = {}
    pages = server.client("logs").get_paginator("filter_log_events").paginate(logGroupName=f"/aws/lambda/{name}")
    for event in (event for page in pages for event in page["events"]):
        found.setdefault(event["logStreamName"], []).append(written(event["message"]).strip())
    return found


def written(line: str) -> str:
    try:
        document = json.loads(line)
    except ValueError:
        return line
    return str(document.get("message", line)) if isinstance(document, dict) else line


def logged(server: Server, name: str, text: str) -> bool:
    logs = server.client("logs")
    try:
        found = logs.filter_log_events(logGroupName=f"/aws/lambda/{name}", filterPattern=f'"{text}"')
    except logs.exceptions.ResourceNotFoundException:
        return False
    return bool(found["events"])


@contextmanager
def deployed(api: Any, provider: str, name: str, kind: str, code: Mapping[str, Any]) -> Iterator[None]:
    if kind == "managed":
        create_function(api, provider, name, **code, **SETTINGS)
    else:
        api.create_function(FunctionName=name, Role=ROLE, MemorySize=512, **code, **SETTINGS)
        api.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig=QUICKLY)
    yield
    api.delete_function(FunctionName=name)


def archive(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as package:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o100755 << 16
            package.writestr(entry, content)
    return buffer.getvalue()
