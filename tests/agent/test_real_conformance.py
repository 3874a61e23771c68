"""What AWS's clients do in the hands of a real agent, where only a real one can show it (conformance 40-45, 74)."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from paddock.agent.runtime_commands import InstalledRuntimes
from paddock.runtimes import RuntimeStore, RuntimeUnavailable
from tests.agent.instances import played_instance
from tests.agent.server_side import environment_spec
from tests.agent.test_real_runtimes import CACHE, installed
from tests.runtimes.built_functions import ToolchainMissing, java_classes

PYTHON = """
import os, signal, time
def handler(event, context):
    if event.get("do") == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    while "until" in event and not os.path.exists(event["until"]):
        time.sleep(0.01)
    if "make" in event:
        open(event["make"], "w").close()
    return os.getpid()
"""
NODE = """
const fs = require("node:fs");
exports.handler = async (event, context) => {
  if (event.do === "exit") process.exit(1);
  await fs.promises.readFile(__filename);
  return context.awsRequestId;
};
"""
SCRIPTED_DOTNET = Path(__file__).parents[1] / "runtimes" / "scripted_dotnet.py"
FIFTEEN_MINUTES = 900.0


def java_files() -> dict[str, bytes]:
    try:
        classes = java_classes(RuntimeStore(CACHE).ensure("java21").runtime_dir)
    except (RuntimeUnavailable, ToolchainMissing) as missing:
        pytest.skip(str(missing))
    return {name: content for name, content in classes.items() if name.endswith(".class")}


@pytest.mark.slow
async def test_node_with_16_workers_answers_100_of_100_that_read_files() -> None:
    variables = {"AWS_LAMBDA_NODEJS_WORKER_COUNT": "16"}
    node = installed("nodejs22.x", "app.handler", {"app.js": NODE}, max_concurrency=64, environment_variables=variables)
    async with node as (instance, spec):
        await instance.server.phase(spec, "ready")
        free = asyncio.Semaphore(64)

        async def one() -> str:
            async with free:
                return (await instance.server.invoke(spec).result())[0].outcome

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one()) for _ in range(100)]
        assert [task.result() for task in tasks] == ["ok"] * 100


async def test_a_python_worker_that_is_killed_fails_its_caller_and_the_others_go_on_with_one_slot_less() -> None:
    async with installed("python3.13", "app.handler", {"app.py": PYTHON}, max_concurrency=3) as (instance, spec):
        await instance.server.phase(spec, "ready")
        await instance.server.until(lambda: instance.server.reports[spec.environment_id].slots == 3)
        file = f"/tmp/killed-{os.getpid()}"  # of the environment, or of the machine where it has none of its own
        other = instance.server.invoke(spec, json.dumps({"until": file}).encode())
        header, _ = await instance.server.invoke(spec, b'{"do": "kill"}').result()
        assert header.error_type == "Runtime.ExitError"
        assert await instance.server.until(lambda: instance.server.reports[spec.environment_id].slots == 2)
        made = instance.server.invoke(spec, json.dumps({"make": file}).encode())
        assert (await made.result())[0].outcome == "ok"
        assert (await other.result())[0].outcome == "ok"
        assert instance.server.reports[spec.environment_id].phase == "ready"


@pytest.mark.slow
async def test_after_a_node_worker_exits_no_event_is_given_to_what_it_left_and_the_environment_ends() -> None:
    node = installed("nodejs22.x", "app.handler", {"app.js": NODE}, max_concurrency=8, timeout_seconds=5.0)
    async with node as (instance, spec):
        await instance.server.phase(spec, "ready")
        header, _ = await instance.server.invoke(spec, b'{"do": "exit"}').result()
        assert header.outcome == "function_error"
        outcomes = [(await instance.server.invoke(spec).result())[0].outcome for _ in range(8)]
        assert set(outcomes) <= {"ok", "refused"}, outcomes
        await instance.server.phase(spec, "ended")


@pytest.mark.toolchain
async def test_a_java_function_with_a_wrong_handler_initialises_and_fails_every_invocation() -> None:
    async with installed("java21", "NoSuchClass::handle", java_files(), max_concurrency=2) as (instance, spec):  # type: ignore[arg-type]
        await instance.server.phase(spec, "ready")
        for _ in range(2):
            header, body = await instance.server.invoke(spec).result()
            assert (header.outcome, header.error_type) == ("function_error", "Runtime.BadFunctionCode")
            assert "NoSuchClass" in json.loads(body)["errorMessage"]


@pytest.mark.toolchain
async def test_a_java_answer_and_error_that_come_too_late_are_refused_and_the_worker_goes_on() -> None:
    async with installed("java21", "Asked::handleRequest", java_files(), max_concurrency=1) as (instance, spec):  # type: ignore[arg-type]
        await instance.server.phase(spec, "ready")
        late = json.dumps({"do": "wait", "seconds": 1, "n": 0}).encode()
        header, _ = await instance.server.invoke(spec, late, timeout_seconds=0.2).result()
        assert (header.error_type, header.slot_held) == ("Sandbox.Timedout", True)
        assert await instance.server.until(lambda: len(instance.server.released) == 1)
        header, body = await instance.server.invoke(spec, b'{"do": "echo", "n": 1}').result()
        assert (header.outcome, json.loads(body)["n"]) == ("ok", 1)


def test_idle_polls_survive_15_minutes_without_traffic() -> None:
    async def scenario() -> None:
        async with played_instance() as instance:
            spec, workers = await instance.start(max_concurrency=4)
            let_pass(FIFTEEN_MINUTES)
            await instance.server.until(lambda: True)
            answers = [instance.server.invoke(spec) for _ in workers]
            for worker in workers:
                await worker.respond(await worker.event(), b"still here")
            assert [(await answer.result())[1] for answer in answers] == [b"still here"] * 4

    asyncio.run(scenario())


def let_pass(seconds: float) -> None:
    """Everything that the loop is to do within that time is due now."""
    loop = asyncio.get_running_loop()
    real: Callable[[], float] = loop.time
    loop.time = lambda: real() + seconds  # type: ignore[method-assign]


async def test_a_function_without_a_bootstrap_is_an_invalid_entrypoint() -> None:
    async with installed("provided.al2023", "unused", {"app.py": ""}, max_concurrency=1) as (instance, spec):
        report = await instance.server.phase(spec, "ended")
        assert report.failure is not None
        assert report.failure.error_type == "Runtime.InvalidEntrypoint"
        assert report.failure.reason_code == "FunctionError.InvalidEntryPoint"


async def test_a_bootstrap_that_is_not_executable_is_an_invalid_entrypoint() -> None:
    async with installed("provided.al2023", "unused", {"bootstrap": "#!/bin/sh\n"}, max_concurrency=1) as (
        instance,
        spec,
    ):
        report = await instance.server.phase(spec, "ended")
        assert report.failure is not None
        assert report.failure.error_type == "Runtime.InvalidEntrypoint"


async def test_a_runtime_that_polls_as_dotnet_does_is_given_no_more_than_its_maximum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its client has a poll open for each task at all times, whatever it is busy with."""
    dotnet = tmp_path / "dotnet" / "dotnet"
    dotnet.parent.mkdir()
    dotnet.write_text(f"#!{sys.executable}\n{SCRIPTED_DOTNET.read_text()}")
    dotnet.chmod(0o755)
    monkeypatch.setenv("PATH", f"{dotnet.parent}:{os.environ['PATH']}")
    async with played_instance() as instance:
        runtimes = InstalledRuntimes(tmp_path / "data", "us-east-1", strict=False, aws_layout=False)
        object.__setattr__(instance.agent._facilities, "runtimes", runtimes)
        package = instance.server.package({"Orders.dll": ""})
        spec = environment_spec(package, runtime="dotnet8", max_concurrency=4)
        instance.server.configure(msgspec.structs.replace(spec, handler="Orders"))
        await instance.server.phase(spec, "ready")
        meeting = tmp_path / "meeting"
        meeting.mkdir()
        event = {"do": "meet", "meeting": str(meeting), "count": 5}
        answers = [instance.server.invoke(spec, json.dumps(event | {"n": n}).encode()) for n in range(5)]
        assert (await answers[4].result())[0].outcome == "refused"
        (meeting / "released").touch()
        assert [(await answer.result())[0].outcome for answer in answers[:4]] == ["ok"] * 4
        assert "dotnet8 (.NET 8.0.11)" in instance.server.reports[spec.environment_id].runtime_version
