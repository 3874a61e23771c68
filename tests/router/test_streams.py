"""InvokeWithResponseStream: pieces as they come, at the pace of the reader, read with botocore's own decoder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

from botocore.eventstream import EventStreamBuffer

from paddock.wire.agent import ResultHeader
from paddock.wire.frames import FrameKind
from tests.router.driving import driven, until
from tests.router.scripted_agent import Invocation, keep, refuse, scripted_agent

MIB = 1024 * 1024


def events(body: bytes) -> list[tuple[str, bytes]]:
    buffer = EventStreamBuffer()
    buffer.add_data(body)
    found = [(cast("dict[str, str]", event.headers), event.payload) for event in buffer]
    assert {headers[":message-type"] for headers, _ in found} == {"event"}
    return [(headers[":event-type"], payload) for headers, payload in found]


async def test_pieces_reach_the_caller_before_the_function_has_ended(tmp_path: Path) -> None:
    async with scripted_agent("i-1", tmp_path, keep) as agent, driven(agent) as service:
        client = await service.connect()
        client.send(streaming=True)
        await until(lambda: agent.invocations)
        [invocation] = agent.invocations
        invocation.start_stream()
        invocation.stream(b"first")
        status, headers = await client.head()
        pieces = client.pieces()
        first = await anext(pieces)
        invocation.stream(b"second")
        invocation.end_stream()
        rest = b"".join([piece async for piece in pieces])
        client.close()

    assert status == 200
    assert headers["content-type"] == "application/vnd.amazon.eventstream"
    assert headers["x-amz-executed-version"] == "$LATEST.PUBLISHED"
    assert invocation.header.streaming
    assert events(first) == [("PayloadChunk", b"first")]
    assert events(rest) == [("PayloadChunk", b"second"), ("InvokeComplete", b"{}")]


async def test_a_whole_answer_is_a_stream_of_one_piece(tmp_path: Path) -> None:
    async with scripted_agent("i-1", tmp_path) as agent, driven(agent) as service:
        answer = await service.invoke(streaming=True)

    assert events(answer.body) == [("PayloadChunk", b'"done"'), ("InvokeComplete", b"{}")]


async def test_an_error_ends_the_stream_with_its_details(tmp_path: Path) -> None:
    def stream(invocation: Invocation) -> None:
        invocation.start_stream()
        invocation.stream(b"begun")
        invocation.end_stream(ResultHeader("function_error", "Runtime.Unknown"), b'{"errorType":"E"}')

    async with scripted_agent("i-1", tmp_path, stream) as agent, driven(agent) as service:
        answer = await service.invoke(streaming=True)

    [(_, chunk), (last, document)] = events(answer.body)
    assert chunk == b"begun"
    assert last == "InvokeComplete"
    assert json.loads(document) == {"ErrorCode": "Unhandled", "ErrorDetails": '{"errorType":"E"}'}


async def test_a_slow_reader_pauses_the_function_s_stream(tmp_path: Path) -> None:
    async with scripted_agent("i-1", tmp_path, keep) as agent, driven(agent) as service:
        client = await service.connect()
        client.send(streaming=True)
        await until(lambda: agent.invocations)
        [invocation] = agent.invocations
        invocation.start_stream()
        sent = 0
        while not agent.tellings:
            invocation.stream(b"x" * 64 * 1024)
            sent += 64 * 1024
            assert sent < 64 * MIB
            await invocation.writer.drain()
        paused = list(agent.tellings)
        invocation.end_stream()
        answer = await client.answer()
        client.close()

    assert paused == [(FrameKind.PAUSE, invocation.call)]
    assert sum(len(payload) for kind, payload in events(answer.body) if kind == "PayloadChunk") == sent


async def test_a_reader_that_caught_up_lets_the_stream_go_on(tmp_path: Path) -> None:
    async with scripted_agent("i-1", tmp_path, keep) as agent, driven(agent) as service:
        client = await service.connect()
        client.send(streaming=True)
        await until(lambda: agent.invocations)
        [invocation] = agent.invocations
        invocation.start_stream()
        while not agent.tellings:
            invocation.stream(b"x" * 64 * 1024)
            await invocation.writer.drain()
        await client.head()
        pieces = client.pieces()
        while len(agent.tellings) == 1:
            await anext(pieces)
        invocation.end_stream()
        client.close()

    assert agent.tellings[:2] == [(FrameKind.PAUSE, invocation.call), (FrameKind.RESUME, invocation.call)]


async def test_a_stream_of_a_lost_agent_is_cut_and_not_ended(tmp_path: Path) -> None:
    async with scripted_agent("i-1", tmp_path, keep) as agent, driven(agent) as service:
        client = await service.connect()
        client.send(streaming=True)
        await until(lambda: agent.invocations)
        agent.invocations[0].start_stream()
        agent.invocations[0].stream(b"begun")
        await client.head()
        agent.drop_connections()
        rest = await client.reader.read()
        client.close()

    assert b"InvokeComplete" not in rest
    assert not rest.endswith(b"0\r\n\r\n")


async def test_what_never_began_to_stream_gets_an_ordinary_error(tmp_path: Path) -> None:
    async with scripted_agent("i-1", tmp_path, refuse) as agent, driven(agent) as service:
        throttled = await service.invoke(streaming=True)
        agent.script = lambda one: one.agent.drop_connections()
        await until(lambda: service.router.reachable_instances == 1)
        missing = await service.invoke(function="g", streaming=True)
        event = await service.invoke(streaming=True, headers={"X-Amz-Invocation-Type": "Event"})

    assert throttled.status == 429
    assert missing.status == 404
    assert (event.status, event.headers["x-amzn-errortype"]) == (400, "ValidationException")


async def test_a_lost_agent_before_the_first_piece_is_an_ordinary_error(tmp_path: Path) -> None:
    async with (
        scripted_agent("i-1", tmp_path, lambda one: one.agent.drop_connections()) as agent,
        driven(agent) as service,
    ):
        answer = await service.invoke(streaming=True)

    assert answer.status == 500
