"""Two environments on one instance, as strictly shut off as this machine allows: one misbehaves, the other is watched.

Whatever a function does to itself, its caller gets AWS's answer, what it can take is bounded, and the neighbour goes on
answering.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import pytest

from paddock.agent.limits import ALL_STREAMS_KEEP_BYTES, MAX_LINE_BYTES, OPEN_FILES
from paddock.agent.runtime_commands import InstalledRuntimes, PreparedRuntime, RuntimeInvitation
from paddock.isolation.ladder import select
from paddock.launchers.cgroups import Cgroup, CpuShare, open_cgroups_here
from paddock.wire.agent import EnvironmentSpec
from tests.agent.instances import PlayedInstance, played_instance
from tests.agent.server_side import environment_spec

CACHE = Path(__file__).parents[2] / ".cache"
PROCESSES = 64
"""In place of 4,096: thousands of processes are no test for a machine that others use too."""

BOOTSTRAP = r"""#!/usr/bin/env python3
import http.client, json, os, sys, threading, time
API, PREFIX = os.environ["AWS_LAMBDA_RUNTIME_API"], "/2018-06-01/runtime/invocation/"

def nothing(event):
    with open("/tmp/mine", "w") as file:
        file.write("x")
    os.remove("/tmp/mine")
    return "fine"

def fork(event):
    born = 0
    try:
        while True:
            if os.fork() == 0:
                time.sleep(600)
                os._exit(0)
            born += 1
    except OSError as error:
        return {"born": born, "errno": error.errno}

def fill_tmp(event):
    written = 0
    try:
        with open("/tmp/big", "wb", buffering=0) as file:
            while written < 64 << 20:
                written += file.write(bytes(1 << 20))
    except OSError as error:
        return {"written": written, "errno": error.errno}
    return {"written": written}

def allocate(event):
    held = []
    while True:
        held.append(bytearray(os.urandom(1 << 20) * 8))

def open_files(event):
    held = []
    try:
        while len(held) < 10_000:
            held.append(os.open("/dev/null", os.O_RDONLY))
    except OSError as error:
        return {"opened": len(held), "errno": error.errno}
    finally:
        for number in held:
            os.close(number)

def flood(event):
    for _ in range(40_000):
        sys.stdout.write("x" * 500 + "\n")
    sys.stdout.flush()
    return "written"

def endless(event):
    for _ in range(20):
        os.write(1, b"y" * (1 << 20))
    return "written"

def steal(event):
    got = []
    for method, path in (("GET", PREFIX + "next"), ("POST", PREFIX + event["id"] + "/response")):
        connection = http.client.HTTPConnection(event["api"], timeout=30)
        try:
            connection.request(method, path, b"" if method == "GET" else b"stolen")
            got.append(connection.getresponse().status)
        except OSError:
            pass
    return {"got": got}

def wait(event):
    time.sleep(600)

def work():
    connection = http.client.HTTPConnection(API)
    while True:
        connection.request("GET", PREFIX + "next")
        response = connection.getresponse()
        event = json.loads(response.read())
        answer = globals()[event.get("do", "nothing")](event)
        path = PREFIX + response.headers["Lambda-Runtime-Aws-Request-Id"] + "/response"
        connection.request("POST", path, json.dumps(answer))
        connection.getresponse().read()

for _ in range(int(os.environ["AWS_LAMBDA_MAX_CONCURRENCY"])):
    threading.Thread(target=work).start()
"""


class FewProcesses(InstalledRuntimes):
    def prepare(self, invitation: RuntimeInvitation) -> PreparedRuntime:
        prepared = super().prepare(invitation)
        command = replace(prepared.command, view=replace(prepared.command.view, max_processes=PROCESSES))
        return replace(prepared, command=command)


@dataclass
class Neighbours:
    instance: PlayedInstance
    bad: EnvironmentSpec
    good: EnvironmentSpec

    async def misbehaves(self, what: str) -> tuple[str, str, bytes]:
        """Outcome, error type and body, while the neighbour is asked again and again."""
        answer = self.instance.server.invoke(self.bad, json.dumps({"do": what}).encode())
        asked = 0
        while not answer.done.done() or not asked:
            header, body = await self.instance.server.invoke(self.good).result()
            assert (header.outcome, body) == ("ok", b'"fine"')
            asked += 1
            await asyncio.sleep(0.01)
        header, body = await answer.result()
        return header.outcome, header.error_type, body


def _own_cgroup() -> Cgroup | None:
    name = f"paddock-test-neighbours-{os.getpid()}"
    return open_cgroups_here(name, CpuShare(1.0, strict=False))


@asynccontextmanager
async def neighbours(monkeypatch: pytest.MonkeyPatch, **more: object) -> AsyncIterator[Neighbours]:
    monkeypatch.setattr("paddock.agent.environment_processes.PROCESSES", PROCESSES)
    cgroup = _own_cgroup()
    try:
        with tempfile.TemporaryDirectory() as scratch:
            isolation = select(None, Path(scratch))
            async with played_instance(isolation=isolation, cgroup=cgroup) as instance:
                layout = isolation.has_aws_layout
                runtimes = FewProcesses(CACHE, "us-east-1", strict=False, aws_layout=layout)
                object.__setattr__(instance.agent._facilities, "runtimes", runtimes)
                package = instance.server.package({"bootstrap": BOOTSTRAP}, executable=("bootstrap",))
                bad = environment_spec(package, environment_id="env-bad", timeout_seconds=60.0, **more)  # type: ignore[arg-type]
                good = msgspec.structs.replace(bad, environment_id="env-good", log_stream="good")
                instance.server.configure(bad, good)
                for spec in (bad, good):
                    await instance.server.phase(spec, "ready")
                yield Neighbours(instance, bad, good)
    finally:
        if cgroup is not None:
            cgroup.kill()
            cgroup.remove()


async def test_a_fork_bomb_ends_at_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    async with neighbours(monkeypatch) as two:
        outcome, _, body = await two.misbehaves("fork")
        assert outcome == "ok"
        assert 0 < json.loads(body)["born"] <= PROCESSES


async def test_a_full_tmp_is_the_functions_own(monkeypatch: pytest.MonkeyPatch) -> None:
    async with neighbours(monkeypatch, ephemeral_storage_mb=8) as two:
        if not two.instance.agent._facilities.isolation.has_aws_layout:
            pytest.skip("a plain process shares /tmp with the machine")
        outcome, _, body = await two.misbehaves("fill_tmp")
        assert outcome == "ok"
        assert 0 < json.loads(body)["written"] <= 8 << 20


async def test_memory_beyond_the_limit_is_out_of_memory_for_all_its_callers(monkeypatch: pytest.MonkeyPatch) -> None:
    async with neighbours(monkeypatch, memory_mb=192, ephemeral_storage_mb=8) as two:
        waiting = two.instance.server.invoke(two.bad, b'{"do": "wait"}')
        outcome, error_type, body = await two.misbehaves("allocate")
        assert (outcome, error_type) == ("function_error", "Runtime.OutOfMemory")
        assert json.loads(body)["errorMessage"].endswith("Error: Runtime exited with error: signal: killed")
        assert (await waiting.result())[0].error_type == "Runtime.OutOfMemory"
        report = await two.instance.server.phase(two.bad, "ended")
        assert report.failure is not None
        assert report.failure.error_type == "Runtime.OutOfMemory"
        assert two.instance.server.phases[two.good.environment_id][-1] == "ready"


async def test_descriptors_end_at_4096(monkeypatch: pytest.MonkeyPatch) -> None:
    async with neighbours(monkeypatch) as two:
        outcome, _, body = await two.misbehaves("open_files")
        assert outcome == "ok"
        assert OPEN_FILES - 50 < json.loads(body)["opened"] < OPEN_FILES


async def test_a_flood_of_lines_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    async with neighbours(monkeypatch) as two:
        two.instance.server.acknowledges_logs = False
        outcome, _, body = await two.misbehaves("flood")
        assert (outcome, body) == ("ok", b'"written"')
        assert two.instance.agent._shipper.waiting_bytes < ALL_STREAMS_KEEP_BYTES


async def test_output_without_a_line_end_is_cut_into_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    async with neighbours(monkeypatch) as two:
        outcome, _, body = await two.misbehaves("endless")
        assert (outcome, body) == ("ok", b'"written"')
        await two.instance.server.logged("yyy")
        lines = [line for stream, line, _ in two.instance.server.log_lines if stream == two.bad.log_stream]
        assert max(map(len, lines)) <= MAX_LINE_BYTES
        assert two.instance.agent._shipper.waiting_bytes < ALL_STREAMS_KEEP_BYTES


async def test_an_environment_cannot_speak_to_its_neighbours_runtime_api(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not to take its events, nor to answer what it has in flight."""
    async with neighbours(monkeypatch) as two:
        if two.instance.agent._facilities.isolation.user_of("any") is None:
            pytest.skip("here environments share a user, and connections cannot be told apart")
        running = two.instance.server.invoke(two.good, b'{"do": "wait"}', invocation_id="r-good")
        await two.instance.server.logged("r-good")
        port = two.instance.agent.environments[two.good.environment_id]._port
        event = {"do": "steal", "api": f"127.0.0.1:{port}", "id": "r-good"}
        header, body = await two.instance.server.invoke(two.bad, json.dumps(event).encode()).result()
        assert (header.outcome, json.loads(body)) == ("ok", {"got": []})
        assert not running.done.done()
