"""The agent and its servers: hello, generations, reports, restarts, shutdown."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from paddock.wire.agent import (
    AgentHello,
    ConfigurationAccepted,
    ConfigurationRefused,
    LogBatch,
    Report,
    Shutdown,
)
from paddock.wire.frames import FrameKind, pack_head
from tests.agent.instances import played_instance
from tests.agent.server_side import ServerSide, environment_spec


@pytest.mark.parametrize("wrong", [{"token": "guess"}, {"token": ""}, {"version": 99}])
async def test_a_wrong_token_or_version_is_refused(wrong: dict[str, object]) -> None:
    async with played_instance() as instance:
        stranger = ServerSide()
        assert await stranger.connect(instance.socket, **wrong) is None  # type: ignore[arg-type]
        await stranger.close()


@pytest.mark.parametrize(
    "first",
    [
        b"GET / HTTP/1.1\r\n\r\n" * 10,
        pack_head(FrameKind.INVOKE, 1, 0),
        pack_head(FrameKind.CONTROL, 0, 1) + b"\xc1",
        b"\xff" * 100,
        b"x" * 100_000,
    ],
)
async def test_a_connection_that_does_not_say_hello_first_is_closed(first: bytes) -> None:
    async with played_instance() as instance:
        reader, writer = await asyncio.open_unix_connection(instance.socket)
        writer.write(first)
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()
        spec, _ = await instance.start(max_concurrency=1)
        assert spec.environment_id in instance.server.reports


async def test_garbage_after_the_hello_closes_that_connection_only() -> None:
    async with played_instance() as instance:
        router = await instance.another_server()
        await router.connect(instance.socket, role="router")
        router.write([pack_head(FrameKind.RESULT, 1, 0)])
        async with asyncio.timeout(5):
            await router.closed.wait()
        await router.close()
        assert not instance.server.closed.is_set()


async def test_the_hello_tells_a_control_plane_all_and_a_router_nothing_secret() -> None:
    async with played_instance() as instance:
        spec, _ = await instance.start(max_concurrency=1, credentials={"AWS_SECRET_ACCESS_KEY": "s"})
        control, router = await instance.another_server(), await instance.another_server()
        hello = await control.connect(instance.socket)
        assert isinstance(hello, AgentHello)
        assert hello.environments == (spec,)
        assert hello.generation == 1
        assert hello.isolation == "process (limits)"
        report = await control.message(Report)
        assert report is not None
        assert [one.phase for one in report.environments] == ["ready"]
        hello = await router.connect(instance.socket, role="router")
        assert isinstance(hello, AgentHello)
        assert hello.environments == ()
        await control.close()
        await router.close()


async def test_an_older_generation_and_the_same_with_other_contents_are_refused() -> None:
    async with played_instance() as instance:
        spec = environment_spec(instance.server.package({"a": ""}))
        server = instance.server
        server.configure(spec, generation=5)
        assert await server.message(ConfigurationAccepted) == ConfigurationAccepted(5)
        server.configure(spec, generation=5)
        assert await server.message(ConfigurationAccepted) == ConfigurationAccepted(5)
        server.configure(generation=5)
        refused = await server.message(ConfigurationRefused)
        assert refused is not None
        assert (refused.generation, refused.held_generation) == (5, 5)
        server.configure(generation=4)
        assert await server.message(ConfigurationRefused) is not None
        server.configure(spec, spec, generation=6)
        assert await server.message(ConfigurationRefused) is not None
        await server.phase(spec, "starting")


async def test_a_configuration_of_many_megabytes_comes_in_pieces_too() -> None:
    async with played_instance() as instance:
        code = instance.server.package({"a": ""})
        variables = {f"NAME{number}": "v" * 3000 for number in range(100)}
        spec = environment_spec(code, environment_variables=variables)
        instance.server.configure(spec)
        await instance.runtime(spec)
        assert instance.runtimes.invitations[spec.environment_id].spec.environment_variables == variables


async def test_reports_come_without_being_asked_for() -> None:
    async with played_instance() as instance:
        spec, (worker,) = await instance.start(max_concurrency=1)
        instance.server.invoke(spec)
        await worker.event()
        assert await instance.server.until(lambda: instance.server.reports[spec.environment_id].in_flight == 1)
        report = await instance.server.message(Report)
        assert report is not None
        assert report.instance_id == "i-1"
        assert report.cpu_seconds > 0
        assert report.entitled_cores == 1.0


async def test_a_restarted_server_is_served_on_without_anything_starting_anew() -> None:
    async with played_instance() as instance:
        spec, (worker,) = await instance.start(max_concurrency=1)
        router = await instance.another_server()
        await router.connect(instance.socket, role="router")
        await instance.server.close()
        answer = router.invoke(spec, b"1")
        await worker.respond(await worker.event(), b"served")
        assert (await answer.result())[1] == b"served"
        again = await instance.another_server()
        hello = await again.connect(instance.socket)
        assert isinstance(hello, AgentHello)
        assert hello.environments == (spec,)
        await again.phase(spec, "ready")
        await again.close()
        await router.close()


async def test_an_invocation_goes_on_when_its_caller_is_gone() -> None:
    async with played_instance() as instance:
        spec, (worker,) = await instance.start(max_concurrency=1)
        router = await instance.another_server()
        await router.connect(instance.socket, role="router")
        router.invoke(spec, b"1", streaming=True)
        event = await worker.event()
        await worker.begin_stream(event)
        worker.chunk(b"one")
        await asyncio.sleep(0.02)
        await router.close()
        worker.chunk(b"two" * 100_000)
        worker.end_chunks()
        assert (await worker.reply()).status == 202
        assert instance.agent.environments[spec.environment_id].machine.in_flight == 0


async def test_code_that_was_on_its_way_is_asked_for_again_by_the_next_server() -> None:
    async with played_instance() as instance:
        spec = environment_spec(instance.server.package({"a": "1"}))
        instance.server.sends_code = False
        instance.server.configure(spec)
        await instance.server.phase(spec, "starting")
        await instance.server.close()
        again = await instance.another_server()
        await again.connect(instance.socket)
        await instance.runtime(spec)
        await again.close()


async def test_log_lines_that_were_not_acknowledged_are_sent_again_to_the_next_server() -> None:
    async with played_instance() as instance:
        instance.server.acknowledges_logs = False
        spec, _ = await instance.start(max_concurrency=1)
        first = await instance.server.message(LogBatch)
        assert first is not None
        await instance.server.close()
        again = await instance.another_server()
        await again.connect(instance.socket)
        assert await again.message(LogBatch) == first
        await again.close()
        assert spec.log_stream == first.log_stream


async def test_a_shutdown_lets_invocations_finish_within_its_grace() -> None:
    async with played_instance() as instance:
        spec, (worker,) = await instance.start(max_concurrency=1)
        answer = instance.server.invoke(spec)
        event = await worker.event()
        instance.server.send(Shutdown(10.0))
        await instance.server.phase(spec, "draining")
        await worker.respond(event, b"done")
        assert (await answer.result())[1] == b"done"
        async with asyncio.timeout(5):
            await instance.server.closed.wait()


async def test_a_shutdown_whose_grace_runs_out_answers_with_an_error() -> None:
    async with played_instance() as instance:
        spec, (worker,) = await instance.start(max_concurrency=1)
        answer = instance.server.invoke(spec)
        await worker.event()
        instance.server.send(Shutdown(0.1))
        assert (await answer.result())[0].error_type == "Client.ExecutionEnvironmentShutDown"


async def test_a_router_hears_at_once_what_becomes_of_environments() -> None:
    async with played_instance() as instance:
        router = await instance.another_server()
        await router.connect(instance.socket, role="router")
        spec, _ = await instance.start(max_concurrency=1)
        await router.phase(spec, "ready")
        assert not any(isinstance(message, Report) for message in router.messages)
        await router.close()


async def test_a_router_cannot_configure() -> None:
    async with played_instance() as instance:
        router = await instance.another_server()
        await router.connect(instance.socket, role="router")
        router.configure(environment_spec("x"))
        await asyncio.sleep(0.05)
        assert instance.agent.environments == {}
        await router.close()


async def test_an_instance_that_must_not_be_alone_ends_itself() -> None:
    async with played_instance(fence_after_seconds=0.5) as instance:
        spec, _ = await instance.start(max_concurrency=1)
        await asyncio.sleep(1.2)
        assert not instance.server.closed.is_set(), "a server is there"
        await instance.server.close()
        async with asyncio.timeout(10):
            await instance.agent.environments[spec.environment_id].gone.wait()


async def test_more_links_than_servers_can_need_are_closed() -> None:
    async with played_instance() as instance:
        opened = [await asyncio.open_unix_connection(instance.socket) for _ in range(70)]
        async with asyncio.timeout(5):
            assert await opened[-1][0].read() == b""
        for _, writer in opened:
            writer.close()


async def test_a_draining_specification_of_an_unknown_environment_starts_nothing() -> None:
    async with played_instance() as instance:
        spec = msgspec.structs.replace(environment_spec(instance.server.package({"a": ""})), draining=True)
        instance.server.configure(spec)
        await instance.server.message(ConfigurationAccepted)
        assert instance.agent.environments == {}


async def test_the_token_is_in_no_log(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    async with played_instance() as instance:
        stranger = ServerSide()
        await stranger.connect(instance.socket, token="a-guess")
        assert "a-guess" not in caplog.text
        assert "token" not in repr(instance.bootstrap)
        await stranger.close()
