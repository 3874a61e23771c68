"""Requests that a router does not answer itself: to the server and back, whatever their shape."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from paddock.awsapi.http import Address, Server, serve
from paddock.awsapi.messages import Handler, Request, Responder
from paddock.ports.clock import SystemClock
from paddock.router.forwarding import KEPT_CONNECTIONS, WHOLE_ANSWER_BYTES, Forwarder
from tests.router.driving import PATIENCE_SECONDS, Answer, Client, until


def body_limit(*_request: object) -> int:
    return 64 * 1024 * 1024


@asynccontextmanager
async def forwarding(directory: Path, handler: Handler, *, behind: bool = True) -> AsyncIterator[Server]:
    """A server that forwards all to another one, which answers with `handler`; `behind` False: which is not there."""
    path = directory / "server.sock"
    forwarder = Forwarder(str(path))
    clock = SystemClock()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(forwarder.run())
        await asyncio.sleep(0)
        async with serve(forwarder.handle, Address(), clock=clock, body_limit=body_limit, grace_seconds=0.0) as front:
            if behind:
                there = Address(unix_path=path)
                async with serve(handler, there, clock=clock, body_limit=body_limit, grace_seconds=0.0):
                    yield front
            else:
                yield front
        running.cancel()


async def ask(server: Server, head: str, body: bytes = b"") -> Answer:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    client = Client(reader, writer)
    writer.write(f"{head}\r\nHost: signed.example\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    try:
        return await client.answer()
    finally:
        client.close()


def keep(requests: list[Request], answer: Callable[[Responder], None]) -> Handler:
    def handle(request: Request, responder: Responder) -> None:
        requests.append(request)
        answer(responder)

    return handle


async def test_a_request_arrives_as_it_was_signed_and_its_answer_as_it_was_given(tmp_path: Path) -> None:
    requests: list[Request] = []
    handler = keep(requests, lambda one: one.send(202, (("X-Amz-Thing", "a"), ("Content-Type", "t/x")), b"made"))
    async with forwarding(tmp_path, handler) as server:
        answer = await ask(server, "PUT /path%20with?q=%2F&r HTTP/1.1\r\nX-Amz-Date: now", b"the body")

    [request] = requests
    assert (request.method, request.target, request.body) == ("PUT", b"/path%20with?q=%2F&r", b"the body")
    assert request.headers[b"host"] == b"signed.example"
    assert request.headers[b"x-amz-date"] == b"now"
    assert (answer.status, answer.body) == (202, b"made")
    assert answer.headers["x-amz-thing"] == "a"
    assert answer.headers["content-type"] == "t/x"


async def test_long_answers_and_streams_come_through(tmp_path: Path) -> None:
    long = b"x" * (WHOLE_ANSWER_BYTES + 1)

    def handle(request: Request, responder: Responder) -> None:
        if request.path == "/long":
            responder.send(200, (), long)
            return
        stream = responder.start(200, ())
        stream.write(b"in ")
        stream.write(b"pieces")
        stream.end()

    async with forwarding(tmp_path, handle) as server:
        whole = await ask(server, "GET /long HTTP/1.1")
        pieces = await ask(server, "GET /stream HTTP/1.1")

    assert whole.body == long
    assert pieces.body == b"in pieces"


async def test_an_answer_without_a_body_has_none(tmp_path: Path) -> None:
    async with forwarding(tmp_path, lambda _request, responder: responder.send(204, (), b"")) as server:
        answer = await ask(server, "DELETE /thing HTTP/1.1")

    assert (answer.status, answer.body) == (204, b"")


async def test_an_answer_to_head_ends_with_its_head(tmp_path: Path) -> None:
    """Its length is that of a body that does not come."""
    requests: list[Request] = []

    def handle(request: Request, responder: Responder) -> None:
        requests.append(request)
        responder.send(200, (("X-Amz-Thing", "a"),), b"" if request.path == "/empty" else b"not sent")

    async with forwarding(tmp_path, handle) as server:
        heads = []
        for path in ("/thing", "/empty"):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(f"HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            async with asyncio.timeout(PATIENCE_SECONDS):
                heads.append(await Client(reader, writer).head())
            writer.transport.abort()
        after = await ask(server, "GET /thing HTTP/1.1")

    assert [(status, headers["x-amz-thing"]) for status, headers in heads] == [(200, "a")] * 2
    assert after.body == b"not sent"
    assert [request.method for request in requests] == ["HEAD", "HEAD", "GET"]


async def test_connections_to_the_server_are_used_again(tmp_path: Path) -> None:
    requests: list[Request] = []
    kept: list[Responder] = []

    def handle(request: Request, responder: Responder) -> None:
        requests.append(request)
        if request.path == "/held":
            kept.append(responder)
        else:
            responder.send(200, (), b"")

    async with forwarding(tmp_path, handle) as server:
        many = KEPT_CONNECTIONS + 3
        async with asyncio.TaskGroup() as group:
            asked = [group.create_task(ask(server, "GET /held HTTP/1.1")) for _ in range(many)]
            await until(lambda: len(kept) == many)
            for responder in kept:
                responder.send(200, (), b"")
        for _ in range(5):
            await ask(server, "GET /again HTTP/1.1")

    assert [task.result().status for task in asked] == [200] * many
    assert len(requests) == many + 5


async def test_a_server_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    async with forwarding(tmp_path, lambda _request, _responder: None, behind=False) as server:
        answer = await ask(server, "GET / HTTP/1.1")

    assert answer.status == 503
    assert answer.headers["retry-after"] == "1"


async def test_an_answer_that_breaks_off_is_not_passed_on_as_complete(tmp_path: Path) -> None:
    def handle(_request: Request, responder: Responder) -> None:
        stream = responder.start(200, ())
        stream.write(b"begun")
        stream.abort()

    async with forwarding(tmp_path, handle) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /late HTTP/1.1\r\nHost: x\r\n\r\n")
        late = await reader.read()
        writer.close()

    assert not late.endswith(b"0\r\n\r\n")


async def test_a_server_that_answers_nothing_or_nonsense_is_said_so(tmp_path: Path) -> None:
    words = iter([b"", b"nonsense\r\n\r\n"])

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(next(words))
        await writer.drain()
        writer.close()

    async with (
        forwarding(tmp_path, lambda _request, _responder: None, behind=False) as server,
        await asyncio.start_unix_server(answer, tmp_path / "server.sock"),
    ):
        answers = [await ask(server, "GET / HTTP/1.1") for _ in range(2)]

    assert [one.status for one in answers] == [503, 503]


async def test_the_server_learns_that_the_caller_has_gone(tmp_path: Path) -> None:
    left = asyncio.Event()

    async with forwarding(tmp_path, lambda _request, responder: responder.on_disconnect(left.set)) as server:
        _reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.sleep(0.05)
        writer.transport.abort()
        async with asyncio.timeout(10):
            await left.wait()


async def test_a_function_url_s_request_says_where_it_comes_from_and_no_caller_can(tmp_path: Path) -> None:
    requests: list[Request] = []
    handler = keep(requests, lambda one: one.send(200, (), one.peer.encode()))
    async with forwarding(tmp_path, handler) as server:
        name = f"{'a' * 32}.lambda-url.us-east-1.localhost"
        lie = "X-Paddock-Source-Ip: 192.0.2.1"
        for host in (name, "signed.example"):
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(f"GET / HTTP/1.1\r\nHost: {host}\r\n{lie}\r\n\r\n".encode())
            answer = await Client(reader, writer).answer()
            writer.transport.abort()
            assert answer.body == b""

    at_url, elsewhere = (request.headers.get(b"x-paddock-source-ip") for request in requests)
    assert (at_url, elsewhere) == (b"127.0.0.1", None)
