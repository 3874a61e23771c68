import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from paddock.controlplane.agent_stream import StreamConnector
from paddock.controlplane.function_credentials import EXPIRATION, CredentialSource, FunctionCredentials
from paddock.controlplane.log_lines import kept_line
from paddock.model.ids import CodeSha256
from paddock.ports.logs import LogQuery
from paddock.ports.store import StoreError
from paddock.stores.code import MemoryCodeStore
from paddock.wire.agent import (
    AcknowledgeLogs,
    AgentMessage,
    CodeChunk,
    Configure,
    FetchCode,
    LogBatch,
    LogRecord,
    RenewCredentials,
    ServerHello,
    encoder,
    server_message_decoder,
)
from paddock.wire.frames import FrameKind
from paddock.wire.stream import FrameReader, frames_of
from tests.controlplane.fakes import PlayedAgent
from tests.controlplane.harness import zipped
from tests.controlplane.world import World, run, run_without_server

GROUP = "/aws/lambda/thumbnail"


async def one_agent(world: World) -> PlayedAgent:
    await world.create_provider()
    await world.create_function()
    await world.publish()
    await world.until_state("Active")
    return next(iter(world.launcher.agents.values()))


def batch(sequence: int, *messages: bytes, request_id: str = "") -> LogBatch:
    return LogBatch(sequence, GROUP, "stream", tuple(LogRecord(5, message, request_id) for message in messages))


async def kept(world: World) -> list[str]:
    page = await world.logs.forward(GROUP, LogQuery(), from_position=0, limit=1000)
    return [event.message for event in page.events]


def test_log_lines_are_kept_and_then_acknowledged() -> None:
    async def scenario(world: World) -> None:
        agent = await one_agent(world)
        agent.say(batch(1, b'{"level": "INFO"}'))
        agent.say(batch(2, b'{"level": "WARN"}'))
        await asyncio.sleep(0.1)
        assert await kept(world) == ['{"level": "INFO"}', '{"level": "WARN"}']
        assert [each.sequence for each in agent.received if isinstance(each, AcknowledgeLogs)] == [1, 2]

    run(scenario)


def test_what_cannot_be_kept_is_tried_again_and_said_once_on_the_same_connection(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(world: World) -> None:
        agent = await one_agent(world)
        hellos = sum(isinstance(each, ServerHello) for each in agent.received)

        async def full(*_: object) -> None:
            raise StoreError("the disk is full")

        with monkeypatch.context() as patched:
            patched.setattr(world.logs, "append", full)
            agent.say(batch(1, b'{"a": 1}'))
            agent.say(batch(2, b'{"a": 2}'))
            await asyncio.sleep(60)
        assert not [each for each in agent.received if isinstance(each, AcknowledgeLogs)]
        await world.until(lambda: len([each for each in agent.received if isinstance(each, AcknowledgeLogs)]) == 2, 10)
        assert await kept(world) == ['{"a": 1}', '{"a": 2}']
        assert sum(isinstance(each, ServerHello) for each in agent.received) == hellos

    run(scenario)
    assert [record.message.partition(" are ")[2] for record in caplog.records if "log lines" in record.message] == [
        "kept back: the disk is full",
        "kept again",
    ]


def test_an_agent_that_says_more_than_can_be_kept_is_cut_off_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(world: World) -> None:
        agent = await one_agent(world)
        for sequence in range(500):
            agent.say(batch(sequence, b"{}"))
        await asyncio.sleep(3)
        assert sum(isinstance(each, ServerHello) for each in agent.received) >= 2
        assert len(world.routes.serving()) == 3

    run(scenario)


def test_a_package_is_sent_whole_and_in_order() -> None:
    async def scenario(world: World) -> None:
        agent = await one_agent(world)
        package = b"0123456789" * 100_000
        sha256 = await world.code.put(package)
        agent.say(FetchCode(sha256))
        await world.until(lambda: any(isinstance(each, CodeChunk) and each.last for each in agent.received), 5)
        chunks = [each for each in agent.received if isinstance(each, CodeChunk)]
        assert [chunk.offset for chunk in chunks] == [
            sum(len(before.data) for before in chunks[:number]) for number in range(len(chunks))
        ]
        assert b"".join(chunk.data for chunk in chunks) == package
        assert [chunk.last for chunk in chunks] == [False] * (len(chunks) - 1) + [True]

    run(scenario)


def test_a_small_package_does_not_wait_behind_a_large_one(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = MemoryCodeStore.chunks

    async def piece_by_piece(store: MemoryCodeStore, sha256: CodeSha256) -> AsyncGenerator[bytes, None]:
        async for piece in at_once(store, sha256):
            await asyncio.sleep(0)
            yield piece

    monkeypatch.setattr(MemoryCodeStore, "chunks", piece_by_piece)

    async def scenario(world: World) -> None:
        agent = await one_agent(world)
        large, small = await world.code.put(bytes(20 * 1024 * 1024)), await world.code.put(b"small")

        def ended() -> list[str]:
            return [each.code_sha256 for each in agent.received if isinstance(each, CodeChunk) and each.last]

        agent.say(FetchCode(large))
        agent.say(FetchCode(small))
        await world.until(lambda: large in ended(), 5)
        assert ended() == [small, large]

    run(scenario)


def test_a_package_that_is_not_there_is_said() -> None:
    async def scenario(world: World) -> None:
        agent = await one_agent(world)
        agent.say(FetchCode("bm9ib2R5"))
        await world.until(lambda: any(isinstance(each, CodeChunk) for each in agent.received), 5)
        chunk = next(each for each in agent.received if isinstance(each, CodeChunk))
        assert chunk.last
        assert "not here" in (chunk.error or "")
        agent.say(FetchCode(world.code.name_of(zipped())))
        await world.until(lambda: any(isinstance(each, CodeChunk) and each.data for each in agent.received), 5)

    run(scenario)


@pytest.mark.parametrize(
    ("message", "request_id", "expected"),
    [
        (b'{"level": "ERROR", "x": [1]}', "r", '{"level": "ERROR", "x": [1]}'),
        (
            b"plain",
            "r-1",
            {"timestamp": "1970-01-01T00:00:01.234Z", "level": "INFO", "message": "plain", "requestId": "r-1"},
        ),
        (b"plain", "", {"timestamp": "1970-01-01T00:00:01.234Z", "level": "INFO", "message": "plain"}),
        (b"{not json", "", {"timestamp": "1970-01-01T00:00:01.234Z", "level": "INFO", "message": "{not json"}),
        (b"\xff\xfe", "", {"timestamp": "1970-01-01T00:00:01.234Z", "level": "INFO", "message": "\ufffd\ufffd"}),
        (b'{"a": "\xff"}', "", {"a": "\ufffd"}),
    ],
)
def test_every_kept_line_is_json(message: bytes, request_id: str, expected: object) -> None:
    line = kept_line(LogRecord(1234, message, request_id))
    assert line.at_ms == 1234
    assert (line.message if isinstance(expected, str) else json.loads(line.message)) == expected


# Over a real socket


async def test_messages_travel_whole_or_in_pieces_over_a_unix_socket(tmp_path: Path) -> None:
    heard: asyncio.Queue[AgentMessage] = asyncio.Queue()
    said: list[object] = []
    large = LogBatch(2, GROUP, "s", tuple(LogRecord(1, b"x" * 1000) for _ in range(300)))

    async def agent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frames = FrameReader()
        while data := await reader.read(65536):
            for frame in frames.feed(data):
                said.append(server_message_decoder.decode(frame.payload))
                writer.writelines(frames_of(FrameKind.CONTROL, 0, b"", encoder.encode(large)))
        writer.close()

    server = await asyncio.start_unix_server(agent, tmp_path / "agent.sock")
    async with server, asyncio.timeout(10):
        channel = await StreamConnector().connect(f"unix:{tmp_path}/agent.sock", heard.put_nowait)
        channel.send(ServerHello("control", "token", "server"))
        assert await heard.get() == large
        assert said == [ServerHello("control", "token", "server")]
        await channel.drained()
        channel.close()
        await channel.wait_closed()
        channel.send(ServerHello("control", "token", "server"))


async def test_a_peer_that_speaks_something_else_is_cut_off(tmp_path: Path) -> None:
    async def stranger(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 10)
        await reader.read()
        writer.close()

    server = await asyncio.start_unix_server(stranger, tmp_path / "agent.sock")
    async with server, asyncio.timeout(10):
        channel = await StreamConnector().connect(f"unix:{tmp_path}/agent.sock", lambda message: None)
        await channel.wait_closed()


@pytest.mark.parametrize("address", ["unix:/nowhere/agent.sock", "tcp:127.0.0.1:1", "carrier-pigeon", "tcp:no-port"])
async def test_an_address_where_nobody_is_raises_oserror(address: str) -> None:
    with pytest.raises(OSError):  # noqa: PT011  # which one, the platform decides
        await StreamConnector().connect(address, lambda message: None)


def keys_of(key_id: str) -> CredentialSource:
    return lambda now, lifetime: FunctionCredentials({"AWS_ACCESS_KEY_ID": key_id}, now + lifetime)


def credentials_said(agent: PlayedAgent) -> list[dict[str, str]]:
    return [each.variables for each in agent.received if isinstance(each, RenewCredentials)]


def test_an_agent_hears_what_functions_sign_with_before_it_is_told_to_run_any() -> None:
    async def scenario(world: World) -> None:
        agent = await one_agent(world)
        kinds = [type(each) for each in agent.received if isinstance(each, RenewCredentials | Configure)]
        assert kinds[0] is RenewCredentials
        assert credentials_said(agent)[0]["AWS_ACCESS_KEY_ID"] == "AKIAONE"

    run(scenario, function_credentials=keys_of("AKIAONE"))


def test_an_agent_hears_of_new_credentials_long_before_the_old_ones_end() -> None:
    async def scenario(world: World) -> None:
        agent = await one_agent(world)
        await asyncio.sleep(65 * 60)
        ends = [datetime.fromisoformat(each[EXPIRATION]) for each in credentials_said(agent)]
        assert len(ends) == 4
        assert all(later - sooner < timedelta(minutes=21) for sooner, later in pairwise(ends))
        assert ends[-1] - world.clock.now() > timedelta(minutes=39)

    run(scenario, function_credentials=keys_of("AKIAONE"))


def test_a_new_key_pair_reaches_agents_that_outlived_the_server() -> None:
    async def scenario(world: World) -> None:
        world.settings = replace(world.settings, function_credentials=keys_of("AKIAONE"))
        async with world.server():
            agent = await one_agent(world)
        world.settings = replace(world.settings, function_credentials=keys_of("AKIATWO"))
        async with world.server():
            await world.until(lambda: "AKIATWO" in [each["AWS_ACCESS_KEY_ID"] for each in credentials_said(agent)], 30)

    run_without_server(scenario)
