"""The agent with the unmodified runtime interface clients of AWS, installed once beside the code."""

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from paddock.agent.runtime_commands import InstalledRuntimes
from paddock.isolation.ladder import select
from paddock.runtimes import RuntimeStore, RuntimeUnavailable
from paddock.wire.agent import EnvironmentSpec
from tests.agent.instances import PlayedInstance, eventually, played_instance
from tests.agent.server_side import environment_spec

CACHE = Path(__file__).parents[2] / ".cache"

PYTHON = """
import json, os, sys, time

def handler(event, context):
    if "print" in event:
        for number in range(event.get("times", 1)):
            print(event["print"])
    time.sleep(event.get("sleep", 0))
    if "exit" in event:
        os._exit(event["exit"])
    if "raise" in event:
        raise ValueError(event["raise"])
    if "remaining" in event:
        return context.get_remaining_time_in_millis()
    return {"pid": os.getpid(), "id": context.aws_request_id, "size": len(json.dumps(event))}
"""
NODE = """
const fs = require("node:fs");
exports.handler = async (event, context) => {
  if (event.sleep) await new Promise((done) => setTimeout(done, event.sleep * 1000));
  if (event.exit !== undefined) process.exit(event.exit);
  if (event.later) {
    setTimeout(() => { throw new Error(event.later); });
    await new Promise(() => {});
  }
  if (event.raise) throw new Error(event.raise);
  if (event.print) console.log(event.print);
  if (event.read) await fs.promises.readFile(__filename);
  return { id: context.awsRequestId };
};
"""


@asynccontextmanager
async def _isolated_instance() -> AsyncIterator[PlayedInstance]:
    """On the strongest rung of this machine."""
    with tempfile.TemporaryDirectory() as scratch:
        async with played_instance(isolation=select(None, Path(scratch))) as instance:
            yield instance


@asynccontextmanager
async def installed(
    runtime: str, handler: str, files: dict[str, str], *, executable: tuple[str, ...] = (), **more: object
) -> AsyncIterator[tuple[PlayedInstance, EnvironmentSpec]]:
    """A ready environment of an installed runtime."""
    try:
        RuntimeStore(CACHE).ensure(runtime)
    except RuntimeUnavailable as unavailable:
        pytest.skip(str(unavailable))
    async with _isolated_instance() as instance:
        facilities = instance.agent._facilities
        runtimes = InstalledRuntimes(CACHE, "us-east-1", strict=False, aws_layout=facilities.isolation.has_aws_layout)
        object.__setattr__(facilities, "runtimes", runtimes)
        spec = environment_spec(instance.server.package(files, executable=executable), runtime=runtime, **more)  # type: ignore[arg-type]
        spec = msgspec.structs.replace(spec, handler=handler)
        instance.server.configure(spec)
        yield instance, spec


def python(**more: object):  # type: ignore[no-untyped-def]  # noqa: ANN201
    return installed("python3.13", "app.handler", {"app.py": PYTHON}, **more)  # type: ignore[arg-type]


def node(**more: object):  # type: ignore[no-untyped-def]  # noqa: ANN201
    return installed("nodejs22.x", "app.handler", {"app.js": NODE}, **more)  # type: ignore[arg-type]


async def test_python_runs_as_many_invocations_at_once_as_it_has_slots() -> None:
    async with python(max_concurrency=8) as (instance, spec):
        await instance.server.phase(spec, "ready")
        answers = [instance.server.invoke(spec, b'{"sleep": 0.4}') for _ in range(8)]
        results = [await answer.result() for answer in answers]
        assert [header.outcome for header, _ in results] == ["ok"] * 8
        assert len({json.loads(body)["pid"] for _, body in results}) == 8
        report = instance.server.reports[spec.environment_id]
        assert "awslambdaric" in report.runtime_version


async def test_python_answers_every_one_of_many_invocations_at_its_capacity() -> None:
    async with python(max_concurrency=4) as (instance, spec):
        await instance.server.phase(spec, "ready")

        async def one_after_the_other() -> list[str]:
            return [(await instance.server.invoke(spec).result())[0].outcome for _ in range(100)]

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one_after_the_other()) for _ in range(4)]
        assert [outcome for task in tasks for outcome in task.result()] == ["ok"] * 400


async def test_a_python_error_reaches_the_caller_and_the_worker_goes_on() -> None:
    async with python(max_concurrency=1) as (instance, spec):
        await instance.server.phase(spec, "ready")
        header, body = await instance.server.invoke(spec, b'{"raise": "no"}').result()
        assert header.outcome == "function_error"
        assert json.loads(body)["errorType"] == "ValueError"
        assert (await instance.server.invoke(spec).result())[0].outcome == "ok"


async def test_a_killed_python_worker_costs_its_caller_and_one_slot() -> None:
    async with python(max_concurrency=2) as (instance, spec):
        await instance.server.phase(spec, "ready")
        await instance.server.until(lambda: instance.server.reports[spec.environment_id].slots == 2)
        header, _ = await instance.server.invoke(spec, b'{"exit": 9}').result()
        assert header.error_type == "Runtime.ExitError"
        assert (await instance.server.invoke(spec).result())[0].outcome == "ok"
        header, _ = await instance.server.invoke(spec, b'{"exit": 9}').result()
        assert header.error_type == "Runtime.ExitError"
        report = await instance.server.phase(spec, "ended")
        assert report.failure is not None


async def test_a_python_timeout_is_not_interrupted_and_its_slot_comes_back() -> None:
    async with python(max_concurrency=1) as (instance, spec):
        await instance.server.phase(spec, "ready")
        header, _ = await instance.server.invoke(spec, b'{"sleep": 1}', timeout_seconds=0.3).result()
        assert (header.error_type, header.slot_held) == ("Sandbox.Timedout", True)
        await instance.server.until(lambda: len(instance.server.released) == 1)
        assert (await instance.server.invoke(spec).result())[0].outcome == "ok"


async def test_python_knows_the_time_that_remains() -> None:
    async with python(max_concurrency=1) as (instance, spec):
        await instance.server.phase(spec, "ready")
        _, body = await instance.server.invoke(spec, b'{"remaining": 1}', timeout_seconds=7).result()
        assert 5000 < int(body) <= 7000


async def test_lines_that_concurrent_python_invocations_print_find_their_invocation() -> None:
    async with python(max_concurrency=8) as (instance, spec):
        await instance.server.phase(spec, "ready")
        answers = [
            instance.server.invoke(
                spec,
                json.dumps({"print": f"line of r-{number}.", "times": 5, "sleep": 0.2}).encode(),
                invocation_id=f"r-{number}",
            )
            for number in range(8)
        ]
        for answer in answers:
            await answer.result()

        def lines() -> list[tuple[bytes, str]]:
            return [(line, request) for _, line, request in instance.server.log_lines if line.startswith(b"line of")]

        assert await instance.server.until(lambda: len(lines()) == 40)
        assert {line.decode() for line, _ in lines()} == {f"line of r-{number}." for number in range(8)}
        assert all(line.decode() == f"line of {request}." for line, request in lines())


async def test_a_python_handler_that_cannot_be_imported_fails_init_with_its_cause() -> None:
    async with installed("python3.13", "app.handler", {"other.py": ""}, max_concurrency=3) as (instance, spec):
        report = await instance.server.phase(spec, "ended")
        assert report.failure is not None
        assert report.failure.error_type == "Runtime.ImportModuleError"
        assert report.failure.reason_code == "FunctionError.RuntimeInitError"
        assert "No module named 'app'" in report.failure.text


async def test_a_python_answer_that_is_too_large_is_an_error_and_the_worker_goes_on() -> None:
    source = "def handler(event, context):\n    return 'x' * event\n"
    async with installed("python3.13", "app.handler", {"app.py": source}, max_concurrency=1) as (instance, spec):
        await instance.server.phase(spec, "ready")
        header, _ = await instance.server.invoke(spec, b"7000000").result()
        assert header.error_type == "Function.ResponseSizeTooLarge"
        header, body = await instance.server.invoke(spec, b"6000000").result()
        assert (header.outcome, len(body)) == ("ok", 6000002)


async def test_a_python_flood_of_prints_does_not_stop_the_function() -> None:
    async with python(max_concurrency=1) as (instance, spec):
        await instance.server.phase(spec, "ready")
        event = json.dumps({"print": "x" * 1000, "times": 20_000}).encode()
        header, _ = await instance.server.invoke(spec, event).result()
        assert header.outcome == "ok"
        written = [line for _, line, _ in instance.server.log_lines if line.startswith(b"xxx")]
        assert len(written) > 0
        assert instance.agent._shipper.waiting_bytes < 8_000_000


@pytest.mark.slow
async def test_node_runs_many_invocations_at_once_also_those_that_read_files() -> None:
    async with node(max_concurrency=32) as (instance, spec):
        await instance.server.phase(spec, "ready")
        answers = [instance.server.invoke(spec, b'{"sleep": 0.2, "read": true}') for _ in range(32)]
        assert [(await answer.result())[0].outcome for answer in answers] == ["ok"] * 32
        answers = [instance.server.invoke(spec, b'{"sleep": 0.1, "read": true}') for _ in range(33)]
        outcomes = [(await answer.result())[0].outcome for answer in answers]
        assert outcomes == ["ok"] * 32 + ["refused"]


@pytest.mark.slow
async def test_a_node_error_reaches_the_caller_and_its_lines_carry_the_request() -> None:
    async with node(max_concurrency=4) as (instance, spec):
        await instance.server.phase(spec, "ready")
        header, body = await instance.server.invoke(spec, b'{"raise": "no"}').result()
        assert header.outcome == "function_error"
        assert json.loads(body)["errorMessage"] == "no"
        await instance.server.invoke(spec, b'{"print": "hello"}', invocation_id="r-print").result()
        line = json.loads(await instance.server.logged("hello"))
        assert line["requestId"] == "r-print"


def _lines(instance: PlayedInstance, text: bytes) -> int:
    return sum(text in line for _, line, _ in instance.server.log_lines)


@pytest.mark.slow
@pytest.mark.parametrize("event", [b'{"exit": 3}', b'{"later": "no"}'], ids=["process.exit", "uncaught"])
async def test_a_node_worker_that_ends_fails_its_own_invocations_at_once_and_its_environment_is_replaced(
    event: bytes,
) -> None:
    workers = {"AWS_LAMBDA_NODEJS_WORKER_COUNT": "2"}
    async with node(max_concurrency=8, timeout_seconds=600.0, environment_variables=workers) as (instance, spec):
        await instance.server.phase(spec, "ready")
        machine = instance.agent.environments[spec.environment_id].machine
        await eventually(lambda: machine.open_polls == 2)
        others = [instance.server.invoke(spec, b'{"sleep": 1}') for _ in range(5)]
        assert await instance.server.until(lambda: _lines(instance, b'"platform.start"') == 5)
        header, body = await instance.server.invoke(spec, event, invocation_id="r-lost").result()
        assert header.outcome == "function_error"
        document = json.loads(body)
        assert document["errorType"] == "Runtime.ExitError"
        assert document["errorMessage"].startswith("RequestId: r-lost Error: Runtime exited with error: exit status")
        ended = [await answer.result() for answer in others]
        assert {header.outcome for header, _ in ended} == {"ok", "function_error"}
        report = await instance.server.phase(spec, "ended")
        assert report.failure is not None
        assert (report.failure.error_type, report.failure.init) == ("Runtime.ExitError", False)
