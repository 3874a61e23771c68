"""A real external extension beside a real runtime, on every means of isolation that this machine has."""

from __future__ import annotations

import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from paddock.agent.runtime_commands import InstalledRuntimes
from paddock.core.environment import shutdown
from paddock.isolation.ladder import Isolation, select, ways_of_this_machine
from paddock.isolation.view import IsolationUnavailable
from paddock.wire.agent import EnvironmentSpec
from tests.agent.instances import PlayedInstance, eventually, played_instance
from tests.agent.server_side import environment_spec
from tests.agent.test_real_runtimes import CACHE

EXTENSION = r"""#!/usr/bin/env python3
import http.client, json, os, signal
connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])

def ask(method, path, body=None, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, "/2020-01-01/extension/" + path, body, named)
    response = connection.getresponse()
    return response, response.read()

MINE = "/tmp/from-the-extension-" + str(os.getuid())
with open(MINE, "w") as file:
    file.write("hello")
name = os.path.basename(__file__)
events = json.dumps({"events": ["SHUTDOWN"]})
response, body = ask("POST", "register", events, Lambda_Extension_Name=name)
identifier = response.headers["Lambda-Extension-Identifier"]
print("registered", response.status, os.environ.get("_HANDLER"), __file__, flush=True)
response, body = ask("GET", "event/next", Lambda_Extension_Identifier=identifier)
os.remove(MINE)
print("heard", json.loads(body)["shutdownReason"], flush=True)
"""
BOOTSTRAP = r"""#!/usr/bin/env python3
import http.client, json, os, signal, sys
API, PREFIX = os.environ["AWS_LAMBDA_RUNTIME_API"], "/2018-06-01/runtime/invocation/"
connection = http.client.HTTPConnection(API)

def end(*_):
    print("runtime asked to end", flush=True)
    sys.exit(0)

signal.signal(signal.SIGTERM, end)
while True:
    connection.request("GET", PREFIX + "next")
    response = connection.getresponse()
    response.read()
    said = open("/tmp/from-the-extension-" + str(os.getuid())).read()
    path = PREFIX + response.headers["Lambda-Runtime-Aws-Request-Id"] + "/response"
    connection.request("POST", path, json.dumps(said))
    connection.getresponse().read()
"""
LISTS = r"""#!/usr/bin/env python3
import time
with open("/proc/self/environ") as file:
    print("names", *sorted(each.partition("=")[0] for each in file.read().split("\0") if each), flush=True)
time.sleep(600)
"""
WAYS = ("own namespaces", "bubblewrap", "limits")


def isolation_by(layer: str, scratch: Path) -> Isolation:
    for way in ways_of_this_machine(scratch):
        if way.layers[0] == layer:
            try:
                return select(way.rung, scratch, [way])
            except IsolationUnavailable as unavailable:
                pytest.skip(str(unavailable))
    pytest.skip(f"this machine has no {layer}")


@asynccontextmanager
async def with_extension(layer: str, script: str) -> AsyncIterator[tuple[PlayedInstance, EnvironmentSpec]]:
    with tempfile.TemporaryDirectory() as scratch:
        isolation = isolation_by(layer, Path(scratch))
        async with played_instance(isolation=isolation) as instance:
            runtimes = InstalledRuntimes(CACHE, "us-east-1", strict=False, aws_layout=isolation.has_aws_layout)
            object.__setattr__(instance.agent._facilities, "runtimes", runtimes)
            spec = environment_spec(
                instance.server.package({"bootstrap": BOOTSTRAP}, executable=("bootstrap",)),
                max_concurrency=1,
                layers=(instance.server.package({"extensions/watch": script}, executable=("extensions/watch",)),),
            )
            instance.server.configure(spec)
            yield instance, spec


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """More time than AWS gives, for a machine that is busy: what is asserted is the order."""
    monkeypatch.setattr(shutdown, "MANAGED_RUNTIME_SECONDS", 15.0)
    monkeypatch.setattr(shutdown, "EXTENSIONS_SECONDS", 18.0)


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("layer", WAYS)
async def test_an_extension_starts_first_shares_tmp_and_hears_of_the_end_last(layer: str) -> None:
    async with with_extension(layer, EXTENSION) as (instance, spec):
        await instance.server.phase(spec, "ready")
        header, body = await instance.server.invoke(spec).result()
        assert (header.outcome, json.loads(body)) == ("ok", "hello")
        registered = await instance.server.logged("registered 200 None")
        assert registered.endswith(b"/extensions/watch")
        instance.server.configure()
        assert (await instance.server.phase(spec, "ended")).failure is None
        await eventually(lambda: any(line == b"heard spindown" for _, line, _ in instance.server.log_lines))
        lines = [line for _, line, _ in instance.server.log_lines if line.startswith((b"heard", b"runtime"))]
        assert lines == [b"runtime asked to end", b"heard spindown"]


@pytest.mark.parametrize("layer", WAYS)
async def test_an_extension_has_its_own_variables_and_no_others(layer: str) -> None:
    async with with_extension(layer, LISTS) as (instance, spec):
        names = (await instance.server.logged("names ")).decode().split()[1:]
        assert spec.environment_variables == {}
        assert names == [
            "AWS_CONTAINER_AUTHORIZATION_TOKEN",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            "AWS_DEFAULT_REGION",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
            "AWS_LAMBDA_FUNCTION_NAME",
            "AWS_LAMBDA_FUNCTION_VERSION",
            "AWS_LAMBDA_INITIALIZATION_TYPE",
            "AWS_LAMBDA_LOG_FORMAT",
            "AWS_LAMBDA_METADATA_API",
            "AWS_LAMBDA_METADATA_TOKEN",
            "AWS_LAMBDA_RUNTIME_API",
            "AWS_REGION",
            "LANG",
            "LD_LIBRARY_PATH",
            "PATH",
            "TZ",
        ]


@pytest.mark.parametrize("layer", WAYS)
async def test_an_extension_that_exits_ends_the_environment(layer: str) -> None:
    async with with_extension(layer, "#!/bin/sh\nexit 3\n") as (instance, spec):
        report = await instance.server.phase(spec, "ended")
        assert report.failure is not None
        assert report.failure.error_type == "Extension.Crash"
        assert "watch: exit status 3" in report.failure.text
