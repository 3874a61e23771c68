"""The local launcher with real agents: real processes, sessions and signals."""

import asyncio
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from paddock.launchers.attachments import Attachments
from paddock.launchers.instance_directory import (
    MARKING_VARIABLE,
    InstanceDirectory,
    NotPrivate,
    socket_directory,
    token_beginning,
)
from paddock.launchers.local import AgentTerms, LocalLauncher
from paddock.launchers.processes import all_stats, environ_holds, send_signal, was_started_with
from paddock.model.capacity_provider import Architecture
from paddock.model.ids import InstanceId
from paddock.model.states import InstancePhase
from paddock.ports.clock import SystemClock
from paddock.ports.instance_network import InstanceNetwork
from paddock.ports.launcher import InstanceLauncher, LaunchError, ObservedInstance
from paddock.testing.launcher_conformance import CHECKS, LauncherUnderTest, ended, launch_request, reach, running
from paddock.testing.scripted_runtime import BOOTSTRAP
from paddock.wire.agent import EnvironmentSpec
from tests.agent.server_side import ServerSide, environment_spec

PATIENCE_SECONDS = 30.0
PAUSE_SECONDS = 0.02


class LocalUnderTest:
    architecture = Architecture.ARM64

    def __init__(self, data_dir: Path, network: InstanceNetwork | None = None) -> None:
        self.data_dir = data_dir
        self.network = network
        self.launcher: InstanceLauncher = self._new()

    def _new(self, *, attaches: bool = True) -> LocalLauncher:
        return LocalLauncher(
            self.data_dir,
            SystemClock(),
            region="us-east-1",
            account_id="000000000000",
            attachments=Attachments(self.network, attaches=attaches),
        )

    async def until(self, is_so: Callable[[], Awaitable[bool]]) -> None:
        for _ in range(int(PATIENCE_SECONDS / PAUSE_SECONDS)):
            if await is_so():
                return
            await asyncio.sleep(PAUSE_SECONDS)
        raise AssertionError("it never became so")

    async def crash(self, instance_id: InstanceId) -> None:
        recorded = self.directory(instance_id).process()
        assert recorded is not None
        send_signal(recorded.pid, signal.SIGKILL)

    async def restart(self, *, attaches: bool = True) -> None:
        self.launcher = self._new(attaches=attaches)

    async def leftovers(self, instance_id: InstanceId) -> int:
        return len(self.processes(instance_id))

    def directory(self, instance_id: InstanceId) -> InstanceDirectory:
        return InstanceDirectory(self.data_dir / "instances" / instance_id)

    def processes(self, instance_id: InstanceId) -> list[int]:
        """Of the instance's session; that of an agent and all that did not leave it."""
        recorded = self.directory(instance_id).process()
        assert recorded is not None
        return [stat.pid for stat in all_stats() if stat.session == recorded.pid]

    def agent(self, instance_id: InstanceId) -> int:
        """The watchdog's child."""
        recorded = self.directory(instance_id).process()
        assert recorded is not None
        return next(stat.pid for stat in all_stats() if stat.parent == recorded.pid)


@asynccontextmanager
async def local(data_dir: Path, network: InstanceNetwork | None = None) -> AsyncIterator[LocalUnderTest]:
    under_test = LocalUnderTest(data_dir, network)
    try:
        yield under_test
    finally:
        for one in await under_test.launcher.list():
            await under_test.launcher.terminate(one.instance_id, 0)
            await ended(under_test, one.instance_id)


async def serving(
    under_test: LocalUnderTest, server: ServerSide, *, memory_mb: int = 2048, ephemeral_storage_mb: int = 512
) -> tuple[InstanceId, EnvironmentSpec]:
    """A running instance with one ready environment."""
    one = await running(under_test)
    assert one.address is not None
    await server.connect(one.address.removeprefix("unix:"), token="token-1")
    code = server.package({"bootstrap": BOOTSTRAP}, executable=("bootstrap",))
    spec = environment_spec(
        code,
        environment_id=f"env-{os.getpid()}",
        memory_mb=memory_mb,
        ephemeral_storage_mb=ephemeral_storage_mb,
    )
    server.configure(spec)
    await server.phase(spec, "ready")
    return one.instance_id, spec


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_the_local_launcher_keeps_the_contract(
    check: Callable[[LauncherUnderTest], Awaitable[None]], tmp_path: Path
) -> None:
    async with local(tmp_path) as under_test:
        await check(under_test)


async def test_an_instance_serves_a_function(tmp_path: Path) -> None:
    async with local(tmp_path) as under_test:
        server = ServerSide()
        _, spec = await serving(under_test, server)
        header, body = await server.invoke(spec, b'{"answer": 7}').result()
        assert (header.outcome, body) == ("ok", b"7")
        await server.close()


@pytest.mark.parametrize("victim", ["watchdog", "agent", "both"])
async def test_nothing_of_an_instance_outlives_its_agent(tmp_path: Path, victim: str) -> None:
    async with local(tmp_path) as under_test:
        server = ServerSide()
        instance_id, spec = await serving(under_test, server)
        await server.invoke(spec, b'{"fork": 600}').result()
        recorded = under_test.directory(instance_id).process()
        assert recorded is not None
        agent = under_test.agent(instance_id)
        for pid in {"watchdog": [recorded.pid], "agent": [agent], "both": [recorded.pid, agent]}[victim]:
            send_signal(pid, signal.SIGKILL)
        assert (await ended(under_test, instance_id)).reason == "the agent's process ended: it said nothing of why"
        assert under_test.processes(instance_id) == []
        marker = f"{MARKING_VARIABLE}={token_beginning(socket_place(under_test, instance_id))}".encode()
        assert [stat.pid for stat in all_stats() if environ_holds(stat.pid, marker)] == []
        await server.close()


def socket_place(under_test: LocalUnderTest, instance_id: InstanceId) -> Path:
    return socket_directory(under_test.directory(instance_id).path, os.environ.get("XDG_RUNTIME_DIR"))


async def test_memory_beyond_the_limit_is_the_kernels_to_take(tmp_path: Path) -> None:
    async with local(tmp_path) as under_test:
        if not under_test.launcher.capabilities().memory_enforced:
            pytest.skip("no cgroups can be made here")
        server = ServerSide()
        instance_id, spec = await serving(under_test, server, memory_mb=64, ephemeral_storage_mb=16)
        running = server.invoke(spec, b'{"sleep": 9}')
        header, _ = await server.invoke(spec, b'{"allocate": 150}').result()
        assert header.error_type == "Runtime.OutOfMemory"
        assert (await running.result())[0].error_type == "Runtime.OutOfMemory"
        report = await server.phase(spec, "ended")
        assert report.failure is not None
        assert report.failure.error_type == "Runtime.OutOfMemory"
        assert under_test.processes(instance_id) != [], "the agent goes on"
        await server.close()


async def test_an_agent_that_does_not_end_in_its_grace_is_killed(tmp_path: Path) -> None:
    async with local(tmp_path) as under_test:
        server = ServerSide()
        instance_id, spec = await serving(under_test, server)
        server.invoke(spec, b'{"sleep": 60}', timeout_seconds=60)
        await server.until(lambda: server.reports[spec.environment_id].in_flight == 1)
        await under_test.launcher.terminate(instance_id, 0.5)
        await ended(under_test, instance_id)
        assert under_test.processes(instance_id) == []
        await server.close()


async def test_a_new_server_ends_what_the_last_one_had_begun_to_end(tmp_path: Path) -> None:
    async with local(tmp_path) as under_test:
        one = await running(under_test)
        under_test.directory(one.instance_id).stopping.write_text("0\n")
        await under_test.restart()
        await ended(under_test, one.instance_id)


async def test_an_instance_goes_on_when_its_launcher_is_gone(tmp_path: Path) -> None:
    async with local(tmp_path) as under_test:
        server = ServerSide()
        _, spec = await serving(under_test, server)
        await under_test.restart()
        assert (await server.invoke(spec, b'{"answer": 1}').result())[1] == b"1"
        await server.close()


async def test_two_launches_at_once_are_one_instance(tmp_path: Path) -> None:
    async with local(tmp_path) as under_test:
        request = launch_request(under_test)
        async with asyncio.TaskGroup() as group:
            for _ in range(3):
                group.create_task(under_test.launcher.launch(request))
        await reach(under_test, request.instance_id, InstancePhase.RUNNING)

        async def is_alone() -> bool:
            """A watchdog and its agent."""
            ours = [stat for stat in all_stats() if str(tmp_path).encode() in command_line(stat.pid)]
            return len(ours) == 2

        await under_test.until(is_alone)


def copy_with_another_address(source: InstanceDirectory, target: InstanceDirectory) -> None:
    target.path.mkdir()
    text = source.bootstrap.read_text().replace(source.path.name, target.path.name)
    target.bootstrap.write_text(text.replace("unix:", "udp:"))


def text_of(path: Path) -> str:
    return path.read_text()


def names_in(path: Path) -> list[str]:
    return [found.name for found in path.iterdir()]


def mode_of(path: Path) -> int:
    return path.stat().st_mode


def command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


async def test_an_agent_that_cannot_start_is_ended_with_its_last_words(tmp_path: Path) -> None:
    async with local(tmp_path) as under_test:
        one = await running(under_test)
        broken = under_test.directory(InstanceId("i-broken"))
        copy_with_another_address(under_test.directory(one.instance_id), broken)
        spawn = under_test.launcher
        assert isinstance(spawn, LocalLauncher)
        spawn._spawn(broken)
        found = await ended(under_test, InstanceId("i-broken"))
        assert found.reason is not None
        assert "unix socket" in found.reason


async def listed(
    data_dir: Path, terms: AgentTerms, is_enough: Callable[[tuple[ObservedInstance, ...]], bool], *names: str
) -> tuple[ObservedInstance, ...]:
    """What is listed once it is enough, after instances of these names were launched one after the other."""
    launcher = LocalLauncher(data_dir, SystemClock(), region="us-east-1", account_id="000000000000", terms=terms)
    for name in names:
        await launcher.launch(replace(launch_request(LocalUnderTest(data_dir)), instance_id=InstanceId(name)))
    found: tuple[ObservedInstance, ...] = ()
    for _ in range(int(PATIENCE_SECONDS / PAUSE_SECONDS)):
        found = await launcher.list()
        if is_enough(found):
            return found
        await asyncio.sleep(PAUSE_SECONDS)
    raise AssertionError(f"it stayed at {found}")


async def test_an_agent_that_hangs_before_it_begins_is_given_up_when_the_operator_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hanging = tmp_path / "hanging"
    hanging.write_text("#!/bin/sh\nsleep 600; :\n")
    hanging.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(hanging))

    (one,) = await listed(
        tmp_path, AgentTerms(start_seconds=0.2), lambda found: found[0].phase is InstancePhase.TERMINATED, "i-1"
    )

    assert one.reason == "no agent began within 0.2 s: it left no log"
    bootstrap = InstanceDirectory(tmp_path / "instances" / "i-1").bootstrap
    assert not [stat for stat in all_stats() if was_started_with(stat.pid, "--bootstrap", str(bootstrap))]


async def test_of_instances_that_have_ended_the_newest_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")

    def all_ended(found: tuple[ObservedInstance, ...]) -> bool:
        return len(found) == 2 and all(one.phase is InstancePhase.TERMINATED for one in found)

    found = await listed(tmp_path, AgentTerms(ended_kept=2), all_ended, "i-1", "i-2", "i-3")

    assert [one.instance_id for one in found] == ["i-2", "i-3"]
    assert sorted(path.name for path in (tmp_path / "instances").iterdir()) == ["i-2", "i-3"]


@pytest.mark.parametrize("instance_id", ["", "../x", "i/x", "-x", "x" * 65])
async def test_what_is_no_instance_id_makes_no_directory(tmp_path: Path, instance_id: str) -> None:
    under_test = LocalUnderTest(tmp_path)
    request = launch_request(under_test)
    object.__setattr__(request, "instance_id", instance_id)
    with pytest.raises(LaunchError) as raised:
        await under_test.launcher.launch(request)
    assert not raised.value.transient
    await under_test.launcher.terminate(InstanceId(instance_id), 0)
    assert names_in(tmp_path) == []


async def test_the_bootstrap_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    async with local(tmp_path) as under_test:
        one = await running(under_test)
        directory = under_test.directory(one.instance_id)
        assert mode_of(directory.bootstrap) & 0o777 == 0o600
        assert mode_of(directory.path) & 0o777 == 0o700
        assert one.address is not None
        assert mode_of(Path(one.address.removeprefix("unix:"))) & 0o177 == 0
        assert len(one.address) < 100
        assert "token-1" not in text_of(directory.log)


@pytest.fixture
def short_path() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="pd-"))
    yield path
    shutil.rmtree(path)


def test_a_directory_for_sockets_that_others_can_write_to_is_refused(short_path: Path) -> None:
    (short_path / "paddock").mkdir()
    (short_path / "paddock").chmod(0o777)
    with pytest.raises(NotPrivate):
        socket_directory(short_path / "i-1", str(short_path))
    (short_path / "paddock").chmod(0o700)
    assert socket_directory(short_path / "i-1", str(short_path)).is_relative_to(short_path)


def test_a_runtime_directory_with_a_long_path_is_not_used_for_sockets(short_path: Path) -> None:
    long = short_path / ("x" * 90)
    long.mkdir()
    place = socket_directory(short_path / "i-1", str(long))
    assert not place.is_relative_to(long)
    place.rmdir()
