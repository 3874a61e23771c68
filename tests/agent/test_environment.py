"""An environment's life as the server sees it: from its code to the end of its last process."""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import msgspec
import pytest

from paddock.agent.environment_extensions import EnvironmentExtensions
from paddock.agent.environment_processes import EnvironmentProcesses
from paddock.agent.runtime_commands import RuntimeInvitation
from paddock.testing.scripted_runtime import BOOTSTRAP
from paddock.wire.agent import EnvironmentReport, EnvironmentSpec
from tests.agent.instances import PlayedInstance, Prepare, eventually, played_instance
from tests.agent.server_side import environment_spec

TEN_YEARS = 10 * 365 * 86400


def scripted(invitation: RuntimeInvitation) -> tuple[str, ...]:
    return (sys.executable, str(invitation.task_root / "bootstrap"))


def runs(*argv: str) -> Prepare:
    return lambda _: argv


async def started(instance: PlayedInstance, **more: object) -> EnvironmentSpec:
    """An environment of the scripted runtime, ready."""
    spec = environment_spec(instance.server.package({"bootstrap": BOOTSTRAP}), **more)  # type: ignore[arg-type]
    instance.server.configure(spec)
    await instance.server.phase(spec, "ready")
    return spec


async def failure(instance: PlayedInstance, spec: EnvironmentSpec) -> EnvironmentReport:
    instance.server.configure(spec)
    report = await instance.server.phase(spec, "ended")
    assert report.failure is not None
    return report


def stat_of(path: Path) -> os.stat_result:
    return path.stat()


async def test_a_function_is_started_invoked_and_ended() -> None:
    async with played_instance(scripted) as instance:
        spec = await started(instance)
        header, body = await instance.server.invoke(spec, b'{"answer": [1]}').result()
        assert (header.outcome, body) == ("ok", b"[1]")
        report = instance.server.reports[spec.environment_id]
        assert report.runtime_version == "played 1.0"
        assert report.ready_at is not None
        assert TEN_YEARS < report.started_at <= report.ready_at
        assert report.slots == 2

        instance.server.configure()
        assert (await instance.server.phase(spec, "ended")).failure is None
        assert instance.server.phases[spec.environment_id] == ["starting", "ready", "draining", "ended"]
        assert instance.living() == []
        header, _ = await instance.server.invoke(spec).result()
        assert header.error_type == "Client.ExecutionEnvironmentUnhealthy"


async def test_the_environment_of_a_process_is_exactly_what_was_prepared() -> None:
    async with played_instance(runs("/bin/sh", "-c", "env; pwd; ulimit -n; exec sleep 100")) as instance:
        spec = environment_spec(instance.server.package({"a": ""}), environment_variables={"MINE": "1"})
        instance.server.configure(spec)
        await instance.server.logged("4096")
        text = [line.decode() for _, line, _ in instance.server.log_lines]
        names = {line.partition("=")[0] for line in text if "=" in line and not line.startswith("{")}
        assert names - {"PWD", "SHLVL", "_", "OLDPWD"} == {
            "AWS_LAMBDA_RUNTIME_API",
            "AWS_LAMBDA_MAX_CONCURRENCY",
            "PATH",
            "_LAMBDA_TELEMETRY_LOG_FD_PROVIDER_SOCKET",
            "AWS_LAMBDA_METADATA_TOKEN",
            "MINE",
        }
        assert str(instance.runtimes.invitations[spec.environment_id].task_root) in text


@pytest.mark.parametrize(
    ("init", "error_type", "reason_code", "text"),
    [
        ("exit:0", "Runtime.ExitError", "FunctionError.RuntimeInitError", "without providing a reason"),
        ("exit:3", "Runtime.ExitError", "FunctionError.RuntimeInitError", "exit status 3"),
        ("error:Runtime.ImportModuleError", "Runtime.ImportModuleError", "FunctionError.RuntimeInitError", "as asked"),
        ("sleep:9", "Sandbox.Timedout", "FunctionError.InitTimeout", "initialization did not finish"),
    ],
)
async def test_an_init_that_fails_is_reported_with_awss_reason(
    init: str, error_type: str, reason_code: str, text: str
) -> None:
    async with played_instance(scripted) as instance:
        code = instance.server.package({"bootstrap": BOOTSTRAP})
        seconds = 1.5 if reason_code.endswith("InitTimeout") else 30.0
        spec = environment_spec(code, environment_variables={"INIT": init}, init_timeout_seconds=seconds)
        report = await failure(instance, spec)
        assert report.failure is not None
        assert (report.failure.error_type, report.failure.reason_code) == (error_type, reason_code)
        assert text in report.failure.text
        assert report.failure.init
        assert instance.living() == []
        await instance.server.logged('"platform.initReport"')
        assert "ready" not in instance.server.phases[spec.environment_id]


@pytest.mark.parametrize(
    ("argv", "error_type", "reason_code"),
    [
        (("/nonexistent/bootstrap",), "Runtime.InvalidEntrypoint", "FunctionError.InvalidEntryPoint"),
        (("/etc/hostname",), "Runtime.InvalidEntrypoint", "FunctionError.InvalidEntryPoint"),
        (("/bin/sh", "-c", "kill -9 $$"), "Runtime.ExitError", "FunctionError.RuntimeInitError"),
    ],
)
async def test_a_program_that_cannot_be_started_is_reported(
    argv: tuple[str, ...], error_type: str, reason_code: str
) -> None:
    async with played_instance(runs(*argv)) as instance:
        report = await failure(instance, environment_spec(instance.server.package({"a": ""})))
        assert report.failure is not None
        assert (report.failure.error_type, report.failure.reason_code) == (error_type, reason_code)


async def test_code_that_is_no_zip_is_reported() -> None:
    async with played_instance() as instance:
        report = await failure(instance, environment_spec(instance.server.keep(b"no zip at all")))
        assert report.failure is not None
        assert report.failure.reason_code == "InvalidZipFileException"


async def test_code_that_is_not_there_is_reported() -> None:
    async with played_instance() as instance:
        report = await failure(instance, environment_spec("bm90IHRoZXJl"))
        assert report.failure is not None
        assert (report.failure.error_type, report.failure.text) == ("Sandbox.Failure", "there is no such package")


async def test_code_that_is_not_what_was_asked_for_is_reported() -> None:
    async with played_instance() as instance:
        instance.server.packages["AAAA"] = b"something else"
        report = await failure(instance, environment_spec("AAAA"))
        assert report.failure is not None
        assert "not what was asked for" in report.failure.text


@pytest.mark.parametrize("status", [0, 1])
async def test_a_process_that_exits_fails_everything_in_flight_at_once(status: int) -> None:
    async with played_instance(scripted) as instance:
        spec = await started(instance)
        other = instance.server.invoke(spec, b'{"sleep": 30}')
        await asyncio.sleep(0.05)
        header, body = await instance.server.invoke(spec, json.dumps({"exit": status}).encode()).result()
        assert (header.outcome, header.error_type) == ("function_error", "Runtime.ExitError")
        assert b"Runtime exited" in body
        assert (await other.result())[0].error_type == "Runtime.ExitError"
        report = await instance.server.phase(spec, "ended")
        assert report.failure is not None
        assert not report.failure.init


async def test_an_environment_that_ended_is_not_started_again_under_the_same_id() -> None:
    async with played_instance(scripted) as instance:
        spec = await started(instance)
        await instance.server.invoke(spec, b'{"exit": 1}').result()
        await instance.server.phase(spec, "ended")
        instance.server.configure(spec)
        instance.server.configure()
        instance.server.configure(spec)
        await asyncio.sleep(0.2)
        assert instance.server.phases[spec.environment_id][-1] == "ended"
        assert instance.living() == []


async def test_what_a_function_forks_ends_with_its_environment() -> None:
    async with played_instance(scripted) as instance:
        spec = await started(instance)
        await instance.server.invoke(spec, b'{"fork": 600}').result()
        assert len(instance.living()) >= 2
        instance.server.configure()
        await instance.server.phase(spec, "ended")
        assert instance.living() == []


async def test_what_runs_in_a_session_and_group_of_its_own_ends_too() -> None:
    command = "setsid sleep 600 & (setsid sh -c 'sleep 600 & sleep 600' &) ; exec sleep 600"
    async with played_instance(runs("/bin/sh", "-c", command)) as instance:
        spec = environment_spec(instance.server.package({"a": ""}))
        instance.server.configure(spec)
        await eventually(lambda: len(instance.living()) >= 5)
        instance.server.configure()
        await instance.server.phase(spec, "ended")
        assert instance.living() == []


async def test_a_drained_environment_finishes_what_is_in_flight_and_takes_nothing_more() -> None:
    async with played_instance(scripted) as instance:
        spec = await started(instance)
        running = instance.server.invoke(spec, b'{"sleep": 0.3, "answer": 1}')
        await asyncio.sleep(0.05)
        instance.server.configure(msgspec.structs.replace(spec, draining=True))
        await instance.server.phase(spec, "draining")
        header, _ = await instance.server.invoke(spec).result()
        assert (header.outcome, header.error_type) == ("refused", "Client.ExecutionEnvironmentShutDown")
        assert (await running.result())[1] == b"1"
        assert (await instance.server.phase(spec, "ended")).failure is None


async def test_whoever_waits_is_answered_before_an_unwanted_environment_is_killed() -> None:
    async with played_instance(scripted) as instance:
        spec = await started(instance)
        running = instance.server.invoke(spec, b'{"sleep": 30}')
        await asyncio.sleep(0.05)
        instance.server.configure()
        header, _ = await running.result()
        assert (header.outcome, header.error_type) == ("function_error", "Client.ExecutionEnvironmentShutDown")


POLLS = """
import os, signal, socket
def look(*_):
    try:
        connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        print("gone", flush=True)
    except BlockingIOError:
        print("there", flush=True)
signal.signal(signal.SIGUSR1, look)
host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
poll = f"GET /2018-06-01/runtime/invocation/next HTTP/1.1\\r\\nHost: {host}\\r\\n\\r\\n"
connection = socket.create_connection((host, int(port)))
print("polling", flush=True)
connection.sendall(poll.encode())
while True:
    try:
        ended = not connection.recv(1000)
    except OSError:
        ended = True
    if ended:
        print("nobody answers", flush=True)
"""


def said(instance: PlayedInstance) -> list[bytes]:
    return [line for _, line, _ in instance.server.log_lines if b'"type":"platform.' not in line]


async def test_a_runtime_does_not_live_to_see_its_api_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would say so in the log of the function, at each scale-in."""
    kill = EnvironmentProcesses.kill

    async with played_instance(runs(sys.executable, "-c", POLLS)) as instance:

        async def kill_after_looks(processes: EnvironmentProcesses) -> None:
            """The runtime looks whether its connection is there, twice: what closes in this turn has by the second."""
            for _ in range(2):
                before = len(said(instance))
                processes.signal(processes.runtime, signal.SIGUSR1)
                await eventually(lambda before=before: len(said(instance)) > before)  # type: ignore[misc]
            await kill(processes)

        monkeypatch.setattr(EnvironmentProcesses, "kill", kill_after_looks)
        first = await started(instance, environment_id="env-1")
        instance.server.configure()
        await instance.server.phase(first, "ended")
        await started(instance, environment_id="env-2")
        # the first has told all when the second is heard
        await eventually(lambda: said(instance).count(b"polling") == 2)
        instance.server.configure()
        await eventually(lambda: instance.living() == [])
        assert said(instance) == [b"polling", b"there", b"there"] * 2


async def test_processes_end_also_when_their_extensions_cannot_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(extensions: EnvironmentExtensions, failure: object) -> None:
        raise OSError

    monkeypatch.setattr(EnvironmentExtensions, "shut_down", fail)
    async with played_instance(scripted) as instance:
        spec = await started(instance)
        instance.server.configure()
        assert (await instance.server.phase(spec, "ended")).failure is None
        assert instance.living() == []


async def test_an_environment_can_be_ended_while_its_code_is_still_on_its_way() -> None:
    async with played_instance() as instance:
        code = instance.server.package({"a": ""})
        package = instance.server.packages.pop(code)
        instance.server.sends_code = False
        spec = environment_spec(code)
        instance.server.configure(spec)
        await asyncio.sleep(0.05)
        instance.server.configure()
        assert package
        assert (await instance.server.phase(spec, "ended")).failure is None


async def test_memory_beyond_the_limit_ends_the_environment() -> None:
    """Without a cgroup the agent looks and kills."""
    async with played_instance(scripted) as instance:
        spec = await started(instance, memory_mb=64)
        running = instance.server.invoke(spec, b'{"sleep": 9}')
        instance.server.invoke(spec, b'{"allocate": 150}')
        header, _ = await running.result()
        assert header.error_type == "Runtime.OutOfMemory"
        report = await instance.server.phase(spec, "ended")
        assert report.failure is not None
        assert report.failure.error_type == "Runtime.OutOfMemory"


async def test_use_of_cpu_and_memory_is_reported() -> None:
    async with played_instance(runs("/bin/sh", "-c", "while :; do :; done")) as instance:
        spec = environment_spec(instance.server.package({"a": ""}))
        instance.server.configure(spec)

        def seen() -> bool:
            report = instance.server.reports.get(spec.environment_id)
            return report is not None and report.cpu_seconds > 0.1 and report.memory_bytes > 100_000

        assert await instance.server.until(seen)


async def test_a_node_worker_that_dies_poisons_its_environment() -> None:
    """Its log connection ends; its poll stays open and must not be given another event."""
    async with played_instance() as instance:
        spec, (worker, _) = await instance.start("nodejs22.x", max_concurrency=2)
        log_socket = instance.runtimes.invitations[spec.environment_id].log_socket
        _, log = await asyncio.open_unix_connection(log_socket)
        running = instance.server.invoke(spec, invocation_id="r-1")
        event = await worker.event()
        await worker.poll()
        log.close()
        await instance.server.phase(spec, "draining")
        header, _ = await instance.server.invoke(spec).result()
        assert header.outcome == "refused"
        another = await instance.runtime(spec)
        await another.respond(event, b"1")
        assert (await running.result())[1] == b"1"
        report = await instance.server.phase(spec, "ended")
        assert report.failure is not None
        assert report.failure.error_type == "Runtime.ExitError"


async def test_only_so_many_events_are_given_to_workers_that_always_poll() -> None:
    async with played_instance() as instance:
        spec, workers = await instance.start("nodejs22.x", max_concurrency=2)
        for _ in range(2):
            instance.server.invoke(spec)
        for worker in workers:
            await worker.event()
            await worker.poll()
        header, _ = await instance.server.invoke(spec).result()
        assert header.error_type == "Runtime.Unavailable"


async def test_code_is_unpacked_once_for_all_environments_and_removed_with_the_last() -> None:
    async with played_instance() as instance:
        one = environment_spec(instance.server.package({"a": "1"}), environment_id="env-1")
        two = msgspec.structs.replace(one, environment_id="env-2")
        instance.server.configure(one, two)
        await instance.runtime(one)
        await instance.runtime(two)
        roots = {invitation.task_root for invitation in instance.runtimes.invitations.values()}
        assert len(roots) == 1
        root = roots.pop()
        assert (root / "a").read_text() == "1"
        assert stat_of(root / "a").st_mode & 0o222 == 0
        instance.server.configure(one)
        await instance.server.phase(two, "ended")
        assert root.is_dir()
        instance.server.configure()
        await instance.server.phase(one, "ended")
        await eventually(lambda: not root.exists())


async def test_lines_of_a_python_worker_are_attributed_to_its_invocation(tmp_path: Path) -> None:
    """Two connections to the log socket; the kernel tells whose they are."""
    async with played_instance() as instance:
        spec, (worker,) = await instance.start(max_concurrency=1)
        log_socket = instance.runtimes.invitations[spec.environment_id].log_socket
        _, log = await asyncio.open_unix_connection(log_socket)
        instance.server.invoke(spec, invocation_id="r-1")
        event = await worker.event()
        log.write(b"plain text\n")
        await worker.respond(event, b"1")
        log.write(b"after the answer\n")
        await instance.server.logged("after the answer")
        attributed = {line: request_id for _, line, request_id in instance.server.log_lines}
        assert attributed[b"plain text"] == "r-1"
        assert attributed[b"after the answer"] == "r-1"
        log.close()
