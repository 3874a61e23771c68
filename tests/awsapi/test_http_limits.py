from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import cast

import pytest

from paddock.awsapi.connection import Connection
from paddock.awsapi.http import Server
from paddock.awsapi.limits import KIB, MIB, HttpLimits
from paddock.awsapi.messages import Request, Responder
from tests.awsapi.serving import LOOPS, Client, Kept, echo, run, serving, until


@pytest.fixture(params=sorted(LOOPS))
def loop(request: pytest.FixtureRequest) -> str:
    return cast("str", request.param)


async def gone(server: Server) -> None:
    await until(lambda: not server.connections)


def sweep(server: Server, seconds: int) -> None:
    for _ in range(seconds):
        server._listening.sweep()


def only_connection(server: Server) -> Connection:
    (connection,) = server._listening.connections
    assert isinstance(connection, Connection)
    return connection


def test_many_small_chunks_take_no_list_of_small_objects(loop: str) -> None:
    async def work() -> None:
        async with serving(echo) as server:
            client = await Client.connect(server)
            client.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + "1\r\na\r\n" * 9000)
            await until(lambda: server.connections)
            body = only_connection(server)._body
            await until(lambda: body._bytes == 9000)
            assert len(body._pieces) <= 2
            client.send("0\r\n\r\n")
            assert (await client.answer()).body == b"a" * 9000

    run(work, loop)


def test_too_many_pipelined_requests_end_the_connection(loop: str) -> None:
    async def work() -> None:
        kept = Kept()
        async with serving(kept, limits=HttpLimits(pipelined_requests=1)) as server:
            client = await Client.connect(server)
            for _ in range(4):
                client.get("/x")
            for number in range(2):
                await kept.arrived(number + 1)
                kept.responders[number].send(200, (), b"")
            assert [(await client.answer()).status for _ in range(3)] == [200, 200, 503]
            assert await client.ended() == b""

    run(work, loop)


def test_a_body_over_its_limit_is_refused_before_it_is_sent(loop: str) -> None:
    def limit(method: str, path: str, headers: Mapping[bytes, bytes]) -> int:
        return 10 * MIB if path == "/large" else 200_000

    async def work() -> None:
        async with serving(echo, body_limit=limit) as server:
            client = await Client.connect(server)
            client.send("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\nExpect: 100-continue\r\n\r\n")
            answer = await client.answer()
            assert (answer.status, answer.headers["connection"]) == (413, "close")
            client = await Client.connect(server)
            client.post("/large", b"x" * 300_000)
            assert len((await client.answer()).body) == 300_000

    run(work, loop)


def test_a_client_that_sends_a_refused_body_anyway_still_reads_the_refusal(loop: str) -> None:
    async def work() -> None:
        async with serving(echo) as server:
            client = await Client.connect(server)
            client.post("/x", b"x" * (30 * MIB))
            await client.writer.drain()
            assert (await client.answer()).status == 413
            assert await client.ended() == b""
            assert server._listening.arriving_bytes == 0

    run(work, loop)


def test_a_chunked_body_over_its_limit_is_refused(loop: str) -> None:
    async def work() -> None:
        async with serving(echo, body_limit=lambda _m, _p, _h: 100) as server:
            client = await Client.connect(server)
            client.send("POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n" + "x" * 101 + "\r\n")
            assert (await client.answer()).status == 413

    run(work, loop)


@pytest.mark.parametrize("after_the_body", ["0\r\nX-Trailer: ", "1;extension="])
def test_what_follows_a_chunk_without_end_is_refused(loop: str, after_the_body: str) -> None:
    async def work() -> None:
        async with serving(echo) as server:
            client = await Client.connect(server)
            client.send("POST /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
            client.send(after_the_body + "x" * 300_000)
            assert (await client.answer()).status == 431

    run(work, loop)


def test_bodies_arriving_together_are_bounded(loop: str) -> None:
    async def work() -> None:
        async with serving(echo, limits=HttpLimits(arriving_bytes=400_000)) as server:
            first, second = await Client.connect(server), await Client.connect(server)
            first.send("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n")
            await until(lambda: server._listening.arriving_bytes)
            second.post("/x", b"x" * 300_000)
            assert (await second.answer()).status == 503
            second.writer.close()
            first.writer.close()
            await gone(server)
            assert server._listening.arriving_bytes == 0

    run(work, loop)


BAD = {
    "no HTTP at all": ("hello\r\n\r\n", 400),
    "no host": ("GET / HTTP/1.1\r\n\r\n", 400),
    "a header without a colon": ("GET / HTTP/1.1\r\nHost: x\r\nbroken\r\n\r\n", 400),
    "a length that is no number": ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: two\r\n\r\n", 400),
    "two lengths": ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n", 400),
    "length and chunks": (
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
        400,
    ),
    "a folded header": ("GET / HTTP/1.1\r\nHost: x\r\nX-A: 1\r\n 2\r\n\r\n", 400),
    "a tunnel": ("CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    "another version": ("GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
    "a version that is none": ("GET / HTTP/9.7\r\nHost: x\r\n\r\n", 505),
    "an unknown expectation": ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: gold\r\n\r\n", 417),
    "a long header": ("GET / HTTP/1.1\r\nHost: x\r\nX-A: " + "a" * 70_000 + "\r\n\r\n", 431),
    "a long line without end": ("GET /" + "a" * 400_000, 431),
}


@pytest.mark.parametrize("sent", BAD)
def test_bad_input_is_refused_and_the_connection_closed(loop: str, sent: str) -> None:
    data, status = BAD[sent]

    async def work() -> None:
        async with serving(echo) as server:
            client = await Client.connect(server)
            client.send(data)
            answer = await client.answer()
            assert (answer.status, answer.headers["connection"]) == (status, "close")
            assert await client.ended() == b""

    run(work, loop)


def test_connections_over_the_limit_are_told_so(loop: str) -> None:
    async def work() -> None:
        async with serving(echo, limits=HttpLimits(connections=1)) as server:
            first = await Client.connect(server)
            first.get("/a")
            await first.answer()
            second = await Client.connect(server)
            assert (await second.answer()).status == 503
            second.writer.close()
            assert await second.ended() == b""
            first.writer.close()
            await gone(server)
            third = await Client.connect(server)
            third.get("/c")
            assert (await third.answer()).status == 200

    run(work, loop)


def test_idle_connections_are_closed_and_busy_ones_are_not(loop: str) -> None:
    async def work() -> None:
        kept = Kept()
        async with serving(kept) as server:
            idle, busy = await Client.connect(server), await Client.connect(server)
            busy.get("/")
            await kept.arrived(1)
            await until(lambda: server.connections == 2)
            sweep(server, server._listening.limits.idle_timeout_seconds)
            assert await idle.ended() == b""
            kept.responders[0].send(200, (), b"done")
            assert (await busy.answer()).body == b"done"

    run(work, loop)


@pytest.mark.parametrize("sent", ["GET / HTTP/1.1\r\nHo", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc"])
def test_a_request_that_does_not_arrive_is_given_up(loop: str, sent: str) -> None:
    async def work() -> None:
        async with serving(echo) as server:
            client = await Client.connect(server)
            client.send(sent)
            await until(lambda: server.connections)
            await until(lambda: only_connection(server)._in_head or only_connection(server)._request)
            sweep(server, server._listening.limits.body_stall_seconds)
            assert (await client.answer()).status == 408
            assert await client.ended() == b""

    run(work, loop)


def test_a_body_that_trickles_is_given_up_and_a_slow_one_is_not(loop: str) -> None:
    async def work() -> None:
        async with serving(echo) as server:
            slow = await Client.connect(server)
            slow.send(f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {200 * KIB}\r\n\r\n")
            await until(lambda: server.connections and only_connection(server)._request)
            body = only_connection(server)._body
            for sent in range(1, 10):
                slow.send("a" * 20 * KIB)
                await until(lambda sent=sent: body._bytes == sent * 20 * KIB)  # type: ignore[misc]
                sweep(server, server._listening.limits.body_stall_seconds)
            slow.send("a" * 20 * KIB)
            assert (await slow.answer()).body == b"a" * 200 * KIB

            slow.send(f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {200 * KIB}\r\n\r\n" + "a" * 20 * KIB)
            await until(lambda: body._bytes == 20 * KIB)
            sweep(server, server._listening.limits.body_stall_seconds)
            slow.send("a" * KIB)
            await until(lambda: body._bytes == 21 * KIB)
            sweep(server, server._listening.limits.body_stall_seconds)
            assert (await slow.answer()).status == 408
            assert await slow.ended() == b""
            slow.writer.close()
            await until(lambda: server._listening.arriving_bytes == 0)

    run(work, loop)


def test_a_client_that_never_reads_its_answer_is_cut_off(loop: str) -> None:
    def large(request: Request, responder: Responder) -> None:
        responder.send(200, (), b"x" * (32 * MIB))

    async def work() -> None:
        async with serving(large) as server:
            client = await Client.connect(server)
            client.get("/")
            await until(lambda: server.connections)
            await until(lambda: only_connection(server).write_paused)
            sweep(server, server._listening.limits.write_stall_seconds)
            await gone(server)

    run(work, loop)


def test_a_client_that_reads_slowly_gets_all_of_its_answer(loop: str) -> None:
    def large(request: Request, responder: Responder) -> None:
        responder.send(200, (), b"x" * (32 * MIB))

    async def work() -> None:
        async with serving(large) as server:
            client = await Client.connect(server)
            client.get("/")
            await client.head()
            left = 32 * MIB
            while only_connection(server).write_paused:
                left -= len(await client.reader.readexactly(MIB))
                sweep(server, server._listening.limits.write_stall_seconds)
            assert left
            assert await client.reader.readexactly(left) == b"x" * left

    run(work, loop)


def test_a_stream_outlives_a_pause_of_its_reader_and_its_end_is_read(loop: str) -> None:
    async def work() -> None:
        kept = Kept()
        async with serving(kept) as server:
            client = await Client.connect(server)
            client.get("/")
            await kept.arrived(1)
            stream = kept.responders[0].start(200, ())
            written = 0
            while not stream.paused:
                stream.write(b"x" * MIB)
                written += MIB
                await asyncio.sleep(0)
            sweep(server, 3 * server._listening.limits.write_stall_seconds - 1)
            stream.write(b"the end")
            stream.end()
            sweep(server, server._listening.limits.write_stall_seconds - 1)
            assert (await client.answer()).body == b"x" * written + b"the end"

    run(work, loop)


def test_a_stream_that_has_ended_and_is_not_read_is_cut_off(loop: str) -> None:
    async def work() -> None:
        kept = Kept()
        async with serving(kept) as server:
            client = await Client.connect(server)
            client.get("/")
            await kept.arrived(1)
            stream = kept.responders[0].start(200, ())
            while not stream.paused:
                stream.write(b"x" * MIB)
                await asyncio.sleep(0)
            stream.end()
            sweep(server, server._listening.limits.write_stall_seconds)
            await gone(server)

    run(work, loop)
