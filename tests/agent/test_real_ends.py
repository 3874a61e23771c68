"""A crash, an exit and a hang in the hands of a real agent, with the real client of every language; and how many
invocations each runs at once.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from paddock.model.runtimes import MAX_CONCURRENCY_PER_VCPU, default_concurrency
from paddock.wire.agent import EnvironmentSpec
from tests.agent.instances import PlayedInstance, eventually
from tests.agent.test_real_conformance import java_files
from tests.agent.test_real_runtimes import installed
from tests.runtimes.built_functions import FUNCTIONS, ToolchainMissing, bootstrap

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Kind:
    """`serves_on`: one process of several ends, and the others go on. `goes_on`: a refused answer is no harm to it.
    `most_polls`: for a vCPU, where a poll is not a slot.
    """

    runtime: str
    handler: str
    source: str = ""
    serves_on: bool = False
    goes_on: bool = True
    most_polls: int = MAX_CONCURRENCY_PER_VCPU


KINDS: Mapping[str, Kind] = {
    "python": Kind("python3.13", "asked.handler", "python/asked.py", serves_on=True),
    "nodejs": Kind("nodejs22.x", "asked.handler", "nodejs/asked.mjs", most_polls=8),
    "java": Kind("java21", "Asked::handleRequest"),
    "go": Kind("provided.al2023", "unused", goes_on=False),
    "rust": Kind("provided.al2023", "unused"),
}


@pytest.fixture(params=[pytest.param(name, marks=() if name == "python" else pytest.mark.toolchain) for name in KINDS])
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@asynccontextmanager
async def ready(language: str, max_concurrency: int) -> AsyncIterator[tuple[PlayedInstance, EnvironmentSpec]]:
    """Once all its polls are open."""
    kind = KINDS[language]
    files = files_of(language)
    executable = tuple(name for name in files if name == "bootstrap")
    environment = installed(
        kind.runtime,
        kind.handler,
        files,  # type: ignore[arg-type]
        executable=executable,
        max_concurrency=max_concurrency,
        timeout_seconds=60.0,
    )
    async with environment as (instance, spec):
        await instance.server.phase(spec, "ready")
        machine = instance.agent.environments[spec.environment_id].machine
        await eventually(lambda: machine.open_polls == min(max_concurrency, kind.most_polls))
        yield instance, spec


def files_of(language: str) -> dict[str, bytes]:
    if language == "java":
        return java_files()
    source = KINDS[language].source
    if source:
        file = FUNCTIONS / source
        return {file.name: file.read_bytes()}
    try:
        return {"bootstrap": bootstrap(language)}
    except ToolchainMissing as missing:
        pytest.skip(str(missing))


def event(do: str, **more: object) -> bytes:
    return json.dumps({"do": do, "n": 1, **more}).encode()


@pytest.mark.parametrize("end", [event("crash"), event("exit", status=3)], ids=["crash", "exit"])
async def test_an_end_in_a_handler_fails_its_invocation_at_once_and_takes_as_much_as_is_one_process(
    language: str, end: bytes
) -> None:
    async with ready(language, 4) as (instance, spec):
        header, body = await instance.server.invoke(spec, end, invocation_id="r-ended").result()
        document = json.loads(body)
        assert (header.outcome, document["errorType"]) == ("function_error", "Runtime.ExitError")
        assert document["errorMessage"].startswith("RequestId: r-ended Error: Runtime exited with")
        if KINDS[language].serves_on:
            assert await instance.server.until(lambda: instance.server.reports[spec.environment_id].slots == 3)
            assert (await instance.server.invoke(spec, event("echo")).result())[0].outcome == "ok"
            return
        report = await instance.server.phase(spec, "ended")
        assert report.failure is not None
        assert (report.failure.error_type, report.failure.init) == ("Runtime.ExitError", False)


async def test_a_hang_is_timed_out_beside_one_that_is_served_and_keeps_its_slot_until_the_handler_ends(
    language: str,
) -> None:
    async with ready(language, 2) as (instance, spec):
        hanging = instance.server.invoke(spec, event("wait", seconds=4), timeout_seconds=0.3)
        assert (await instance.server.invoke(spec, event("echo")).result())[0].outcome == "ok"
        header, _ = await hanging.result()
        assert (header.error_type, header.slot_held) == ("Sandbox.Timedout", True)
        if not KINDS[language].goes_on:
            assert (await instance.server.phase(spec, "ended")).failure is not None
            return
        assert await instance.server.until(lambda: len(instance.server.released) == 1)
        answers = [instance.server.invoke(spec, event("echo")) for _ in range(2)]
        assert [(await answer.result())[0].outcome for answer in answers] == ["ok"] * 2


@pytest.mark.parametrize("slots", ["default", "maximum"])
async def test_as_many_are_run_at_once_as_is_the_default_and_the_maximum_for_a_vcpu(language: str, slots: str) -> None:
    count = default_concurrency(KINDS[language].runtime, 1) if slots == "default" else MAX_CONCURRENCY_PER_VCPU
    async with ready(language, count) as (instance, spec):
        answers = [instance.server.invoke(spec, event("wait", seconds=3)) for _ in range(count + 1)]
        async with asyncio.TaskGroup() as group:
            results = [group.create_task(answer.result()) for answer in answers]
        assert [result.result()[0].outcome for result in results] == ["ok"] * count + ["refused"]
