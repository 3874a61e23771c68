"""Functions of the real runtimes that take code from their layers, with AWS's directories and without them."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest

from paddock.agent.runtime_commands import InstalledRuntimes
from paddock.isolation.inside.system import landlock_version
from paddock.isolation.ladder import Isolation, select, ways_of_this_machine
from paddock.isolation.view import Rung
from paddock.runtimes import RuntimeStore, RuntimeUnavailable
from tests.agent.instances import PLAIN, played_instance
from tests.agent.server_side import environment_spec
from tests.agent.test_real_runtimes import CACHE
from tests.runtimes.built_functions import ToolchainMissing, java_classes

PYTHON = """
import os, subprocess
import shared, package_only

def handler(event, context):
    tool = subprocess.run(["tool"], capture_output=True, text=True).stdout
    return {"shared": shared.WHICH, "package": package_only.WHICH, "tool": tool, "wrapped": os.environ.get("WRAPPED")}
"""
WRITER = """
import os, shared

def handler(event, context):
    file = shared.__file__
    attempts = [
        lambda: open(file, "w"), lambda: open(os.path.dirname(file) + "/new", "w"), lambda: os.unlink(file),
        lambda: os.truncate(file, 0),
    ]
    return [outcome(attempt) for attempt in attempts]

def outcome(attempt):
    try:
        attempt()
    except OSError:
        return "refused"
    return "done"
"""
NODE = """
const shared = require("shared");
exports.handler = async () => ({ shared });
"""
CUSTOM = """#!/bin/sh
while true; do
  headers=$(mktemp)
  curl -sS -o /dev/null -D "$headers" "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/next"
  id=$(grep -i Lambda-Runtime-Aws-Request-Id "$headers" | tr -d '[:space:]' | cut -d: -f2)
  curl -sS -o /dev/null -d '"bootstrap of a layer"' \\
    "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/$id/response"
done
"""
WRAPPER = """#!/bin/sh
export WRAPPED=yes
exec "$@"
"""
TOOL = "#!/bin/sh\nprintf found\n"


Files = Mapping[str, str | bytes]


def isolation_of(rung: str, scratch: Path) -> Isolation:
    """`locked` is a plain process with what locks this machine has."""
    if rung == "process":
        return PLAIN
    if rung == "locked":
        return Isolation(next(way for way in ways_of_this_machine(scratch) if way.rung is Rung.PROCESS))
    found = select(None, scratch)
    if found.rung < Rung.NAMESPACES:
        pytest.skip(f"this machine has no namespaces: {found.why_not_higher}")
    return found


async def answer(
    rung: str,
    runtime: str,
    files: Files,
    *layers: tuple[Files, tuple[str, ...]],
    handler: str = "app.handler",
    **variables: str,
) -> object:
    """What one invocation of a function with these layers answers."""
    try:
        RuntimeStore(CACHE).ensure(runtime)
    except RuntimeUnavailable as unavailable:
        pytest.skip(str(unavailable))
    with tempfile.TemporaryDirectory() as scratch:
        isolation = isolation_of(rung, Path(scratch))
        async with played_instance(isolation=isolation) as instance:
            runtimes = InstalledRuntimes(CACHE, "us-east-1", strict=False, aws_layout=isolation.has_aws_layout)
            object.__setattr__(instance.agent._facilities, "runtimes", runtimes)
            server = instance.server
            spec = environment_spec(
                server.package(files),
                runtime=runtime,
                layers=tuple(server.package(layer, executable=executable) for layer, executable in layers),
                environment_variables=variables,
            )
            server.configure(msgspec.structs.replace(spec, handler=handler))
            await server.phase(spec, "ready")
            _, body = await server.invoke(spec).result()
            return json.loads(body)


RUNGS = pytest.mark.parametrize("rung", ["process", "locked", "namespaces"])


@RUNGS
async def test_python_imports_from_layers_and_the_later_one_wins(rung: str) -> None:
    assert await answer(
        rung,
        "python3.13",
        {"app.py": PYTHON},
        ({"python/shared.py": "WHICH = 1", "bin/tool": TOOL, "wrap": WRAPPER}, ("bin/tool", "wrap")),
        ({"python/shared.py": "WHICH = 2", "python/lib/python3.13/site-packages/package_only.py": "WHICH = 3"}, ()),
        AWS_LAMBDA_EXEC_WRAPPER="/opt/wrap",
    ) == {"shared": 2, "package": 3, "tool": "found", "wrapped": "yes"}


@pytest.mark.parametrize("rung", ["locked", "namespaces"])
async def test_layers_cannot_be_written(rung: str) -> None:
    """They are shared with other functions. A plain process without locks is only asked not to."""
    if rung == "locked" and not landlock_version():
        pytest.skip("this kernel has no Landlock")
    layer = ({"python/shared.py": "WHICH = 1"}, ())
    assert await answer(rung, "python3.13", {"app.py": WRITER}, layer, layer) == ["refused"] * 4


@RUNGS
async def test_node_requires_from_a_layer(rung: str) -> None:
    layer = {"nodejs/node_modules/shared/index.js": "module.exports = 'layer';"}
    assert await answer(rung, "nodejs22.x", {"app.js": NODE}, (layer, ())) == {"shared": "layer"}


@RUNGS
async def test_a_custom_runtime_may_come_from_a_layer(rung: str) -> None:
    layer = ({"bootstrap": CUSTOM}, ("bootstrap",))
    assert await answer(rung, "provided.al2023", {"data": "1"}, layer) == "bootstrap of a layer"


@pytest.mark.toolchain
@RUNGS
async def test_java_finds_the_jars_of_a_layer(rung: str) -> None:
    try:
        classes = java_classes(RuntimeStore(CACHE).ensure("java21").runtime_dir)
    except (ToolchainMissing, RuntimeUnavailable) as missing:
        pytest.skip(str(missing))
    layer = ({"java/lib/greeting.jar": classes["layer.jar"]}, ())
    found = await answer(rung, "java21", classes, layer, handler="Layered::handle")
    assert found == "hello from a layer"
