from __future__ import annotations

import asyncio
import gc
import hashlib
import weakref
from pathlib import Path
from typing import cast

import pytest

from paddock.awsapi.http import Address, ListenError, Server
from paddock.awsapi.limits import DIRECT_BODY_BYTES, MIB, SMALL_BODY_BYTES, HttpLimits
from paddock.awsapi.messages import Request, Responder, ResponseStream
from tests.awsapi.serving import LOOPS, Client, Kept, echo, run, serving, until


@pytest.fixture(params=sorted(LOOPS))
def loop(request: pytest.FixtureRequest) -> str:
    return cast("str", request.param)


async def gone(server: Server) -> None:
    await until(lambda: not server.connections)


def sweep(server: Server, seconds: int) -> None:
    for _ in range(seconds):
        server._listening.sweep()


def test_a_request_is_answered_and_the_connection_kept(loop: str) -> None:
    async def work() -> None:
        async with serving(echo) as server:
            client = await Client.connect(server)
            for path in ("/a", "/b?c=%20d"):
                client.get(path)
                answer = await client.answer()
                assert (answer.status, answer.body) == (200, path.encode())
                assert answer.headers["content-type"] == "text/plain"
                assert answer.headers["date"].endswith(" GMT")

    run(work, loop)


def test_path_and_query_stay_as_they_were_sent(loop: str) -> None:
    async def work() -> None:
        kept = Kept()
        async with serving(kept) as server:
            client = await Client.connect(server)
            client.get("/a%2Fb/%C3%A9?x=%2B&y=a+b&x=2", "X-Twice: one", "x-twice:  two ")
            await kept.arrived(1)
            request = kept.requests[0]
            assert (request.method, request.path, request.query) == ("GET", "/a%2Fb/%C3%A9", "x=%2B&y=a+b&x=2")
            assert request.headers[b"x-twice"] == b"one,two"
            assert request.header(b"host") == "x"

    run(work, loop)


@pytest.mark.parametrize("size", [0, 1, DIRECT_BODY_BYTES, DIRECT_BODY_BYTES + 1, SMALL_BODY_BYTES + 1, 3 * MIB])
def test_a_body_of_any_size_arrives_whole(loop: str, size: int) -> None:
    body = bytes(range(256)) * (size // 256) + b"z" * (size % 256)

    async def work() -> None:
        kept = Kept()
        async with serving(kept) as server:
            client = await Client.connect(server)
            client.post("/", body)
            client.get("/next")
            await kept.arrived(1)
            assert kept.requests[0].body == body
            if size > DIRECT_BODY_BYTES:
                assert kept.requests[0].body_sha256 == hashlib.sha256(body).hexdigest()
            kept.responders[0].send(200, (), b"")
            await kept.arrived(2)
            assert kept.requests[1].path == "/next"
            assert server._listening.arriving_bytes == 0

    run(work, loop)


def test_a_body_sent_byte_by_byte_arrives_whole(loop: str) -> None:
    async def work() -> None:
        async with serving(echo) as server:
            client = await Client.connect(server)
            for byte in b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello":
                client.send(bytes([byte]))
                await client.writer.drain()
                await asyncio.sleep(0)
            assert (await client.answer()).body == b"hello"

    run(work, loop)


def test_chunked_bodies_are_put_together_and_trailers_do_not_become_headers(loop: str) -> None:
    async def work() -> None:
        kept = Kept()
        async with serving(kept) as server:
            client = await Client.connect(server)
            client.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            client.send("3\r\nabc\r\n4;e=1\r\ndefg\r\n0\r\nX-Late: yes\r\n\r\n")
            await kept.arrived(1)
            assert kept.requests[0].body == b"abcdefg"
            assert b"x-late" not in kept.requests[0].headers

    run(work, loop)


def test_pipelined_requests_are_answered_in_order_one_at_a_time(loop: str) -> None:
    async def work() -> None:
        kept = Kept()
        async with serving(kept) as server:
            client = await Client.connect(server)
            for number in range(3):
                client.get(f"/{number}")
            await kept.arrived(1)
            for number in range(3):
                await kept.arrived(number + 1)
                assert len(kept.requests) == number + 1
                kept.responders[number].send(200, (), kept.requests[number].target)
                assert (await client.answer()).body == f"/{number}".encode()

    run(work, loop)


def test_pipelined_requests_answered_at_once_do_not_nest(loop: str) -> None:
    async def work() -> None:
        kept = Kept()
        limits = HttpLimits(pipelined_requests=2000)

        def handler(request: Request, responder: Responder) -> None:
            (kept if not kept.requests else echo)(request, responder)

        async with serving(handler, limits=limits) as server:
            client = await Client.connect(server)
            for _ in range(1500):
                client.get("/x")
            await kept.arrived(1)
            kept.responders[0].send(200, (), b"first")
            assert [(await client.answer()).status for _ in range(1500)] == [200] * 1500

    run(work, loop)


def test_expect_continue_is_granted_before_the_body(loop: str) -> None:
    async def work() -> None:
        async with serving(echo) as server:
            client = await Client.connect(server)
            client.send("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
            assert (await client.head())[0] == 100
            client.send("abc")
            assert (await client.answer()).body == b"abc"

    run(work, loop)


def test_expect_continue_waits_for_the_answer_before_it(loop: str) -> None:
    async def work() -> None:
        kept = Kept()
        async with serving(kept) as server:
            client = await Client.connect(server)
            client.get("/first")
            client.send("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
            await kept.arrived(1)
            await asyncio.sleep(0.01)
            kept.responders[0].send(200, (), b"first")
            assert (await client.answer()).body == b"first"
            assert (await client.head())[0] == 100

    run(work, loop)


def test_an_offered_upgrade_is_not_taken_and_the_request_answered(loop: str) -> None:
    async def work() -> None:
        async with serving(echo) as server:
            client = await Client.connect(server)
            client.get("/a", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk")
            assert (await client.answer()).body == b"/a"
            client.get("/b")
            assert (await client.answer()).body == b"/b"

    run(work, loop)


def test_head_gives_the_length_and_no_body(loop: str) -> None:
    async def work() -> None:
        async with serving(echo) as server:
            client = await Client.connect(server)
            client.send("HEAD /abc HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await client.head())[1]["content-length"] == "4"
            client.get("/next")
            assert (await client.answer()).body == b"/next"

    run(work, loop)


def test_http_10_closes_unless_it_asks_not_to(loop: str) -> None:
    async def work() -> None:
        async with serving(echo) as server:
            client = await Client.connect(server)
            client.send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            assert (await client.answer()).headers["connection"] == "keep-alive"
            client.send("GET /b HTTP/1.0\r\n\r\n")
            assert (await client.answer()).headers["connection"] == "close"
            assert await client.ended() == b""

    run(work, loop)


def test_a_stream_is_chunked_and_the_connection_goes_on(loop: str) -> None:
    def stream(request: Request, responder: Responder) -> None:
        out = responder.start(200, ())
        for piece in (b"one", b"", b"x" * 100_000, b"two"):
            out.write(piece)
        out.end()
        assert out.closed

    async def work() -> None:
        async with serving(stream) as server:
            client = await Client.connect(server)
            for _ in range(2):
                client.get("/")
                assert (await client.answer()).body == b"one" + b"x" * 100_000 + b"two"
            client.send("GET / HTTP/1.0\r\n\r\n")
            assert "transfer-encoding" not in (await client.head())[1]
            assert await client.ended() == b"one" + b"x" * 100_000 + b"two"

    run(work, loop)


def test_an_aborted_stream_is_seen_as_cut(loop: str) -> None:
    def stream(request: Request, responder: Responder) -> None:
        out = responder.start(200, ())
        out.write(b"one")
        out.abort()

    async def work() -> None:
        async with serving(stream) as server:
            client = await Client.connect(server)
            client.get("/")
            with pytest.raises((asyncio.IncompleteReadError, ConnectionResetError, ValueError)):
                await client.answer()

    run(work, loop)


def test_a_slow_reader_pauses_the_stream_and_reading_resumes_it(loop: str) -> None:
    async def work() -> None:
        events: list[str] = []
        streams: list[ResponseStream] = []

        def stream(request: Request, responder: Responder) -> None:
            out = responder.start(200, ())
            out.on_flow(lambda: events.append("pause"), lambda: events.append("resume"))
            streams.append(out)
            out.write(b"x" * (16 * MIB))

        async with serving(stream) as server:
            client = await Client.connect(server)
            client.get("/")
            await until(lambda: "pause" in events)
            assert streams[0].paused
            await client.head()
            assert await client.reader.readline() == b"1000000\r\n"
            await client.reader.readexactly(16 * MIB)
            await until(lambda: "resume" in events)
            streams[0].end()
            assert await client.reader.readline() == b"\r\n"
            assert await client.reader.readline() == b"0\r\n"

    run(work, loop)


def test_a_client_that_goes_is_noticed_while_its_answer_is_awaited(loop: str) -> None:
    async def work() -> None:
        kept = Kept()
        gone_away: list[bool] = []
        async with serving(kept) as server:
            client = await Client.connect(server)
            client.get("/")
            await kept.arrived(1)
            kept.responders[0].on_disconnect(lambda: gone_away.append(True))
            client.writer.close()
            await gone(server)
            assert gone_away == [True]
            assert kept.responders[0].closed
            kept.responders[0].send(200, (), b"late")

    run(work, loop)


def test_an_answer_lets_go_of_whom_it_would_have_told(loop: str) -> None:
    """Each knows the other; kept together they would wait for a garbage collection, every few dozen requests."""

    class Caller:
        def __init__(self, responder: Responder) -> None:
            self.responder = responder
            responder.on_disconnect(self.gone)

        def gone(self) -> None:
            raise AssertionError("the client is there")

    async def work() -> None:
        kept = Kept()
        async with serving(kept) as server:
            client = await Client.connect(server)
            client.get("/")
            await kept.arrived(1)
            caller = Caller(kept.responders.pop())
            watched = weakref.ref(caller)
            gc.disable()
            try:
                caller.responder.send(200, (), b"ok")
                del caller
                assert (await client.answer()).body == b"ok"
                assert watched() is None
            finally:
                gc.enable()

    run(work, loop)


def test_a_handler_that_fails_gives_500_and_the_server_goes_on(loop: str, caplog: pytest.LogCaptureFixture) -> None:
    def fail(request: Request, responder: Responder) -> None:
        raise LookupError(request.path)

    async def work() -> None:
        async with serving(fail) as server:
            for _ in range(2):
                client = await Client.connect(server)
                client.get("/x?secret=1")
                answer = await client.answer()
                assert answer.status == 500
                assert b"LookupError" not in answer.body

    run(work, loop)
    assert "secret" not in caplog.records[0].getMessage()


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\rb", "\u2713"])
def test_a_header_value_cannot_begin_another_line(loop: str, value: str) -> None:
    def handler(request: Request, responder: Responder) -> None:
        responder.send(200, (("X-A", value),), b"")

    async def work() -> None:
        async with serving(handler) as server:
            client = await Client.connect(server)
            client.get("/")
            answer = await client.answer()
            assert answer.status == 500
            assert "x-evil" not in answer.headers

    run(work, loop)


def test_closing_lets_an_answer_in_progress_end(loop: str) -> None:
    async def work() -> None:
        kept = Kept()
        async with serving(kept, grace_seconds=5.0) as server:
            client = await Client.connect(server)
            client.get("/")
            await kept.arrived(1)
            asyncio.get_running_loop().call_later(0.02, lambda: kept.responders[0].send(200, (), b"last"))
        answer = await client.answer()
        assert (answer.body, answer.headers["connection"]) == (b"last", "close")

    run(work, loop)


def test_a_busy_port_is_one_clear_line(loop: str) -> None:
    async def work() -> None:
        async with serving(echo) as server:
            with pytest.raises(ListenError, match=f"cannot listen on 127.0.0.1:{server.port}: it is in use"):
                async with serving(echo, address=Address(port=server.port)):
                    pass

    run(work, loop)


def test_several_servers_can_share_a_port(loop: str) -> None:
    async def work() -> None:
        async with (
            serving(echo, address=Address(reuse_port=True)) as server,
            serving(echo, address=Address(port=server.port, reuse_port=True)) as other,
        ):
            assert other.port == server.port

    run(work, loop)


def test_a_unix_socket_serves_too(loop: str, tmp_path: Path) -> None:
    async def work() -> None:
        path = tmp_path / "s"
        async with serving(echo, address=Address(unix_path=path)):
            client = Client(*await asyncio.open_unix_connection(str(path)))
            client.get("/a")
            assert (await client.answer()).body == b"/a"
        assert not path.exists()

    run(work, loop)
