"""A server on a free port, on either event loop, and a raw client that sees every byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import uvloop

from paddock.awsapi.http import Address, Server, serve
from paddock.awsapi.messages import Handler, Request, Responder
from paddock.ports.clock import SystemClock

T = TypeVar("T")
LOOPS = {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}
PATIENCE_SECONDS = 10.0
_writers: list[asyncio.StreamWriter] = []


def run(work: Callable[[], Awaitable[T]], loop: str = "uvloop") -> T:
    async def bounded() -> T:
        async with asyncio.timeout(PATIENCE_SECONDS):
            try:
                return await work()
            finally:
                while _writers:
                    writer = _writers.pop()
                    writer.close()
                    writer.transport.abort()
                await asyncio.sleep(0)

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        return runner.run(bounded())


async def until(condition: Callable[[], object]) -> None:
    """Let the loop turn until it holds; `run` bounds the wait."""
    while not condition():  # noqa: ASYNC110 - what is waited for is inside the server, which has no event for it
        await asyncio.sleep(0)


class Kept:
    """A handler that keeps its requests to be answered when the test says so."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.responders: list[Responder] = []

    def __call__(self, request: Request, responder: Responder) -> None:
        self.requests.append(request)
        self.responders.append(responder)

    async def arrived(self, count: int) -> None:
        await until(lambda: len(self.requests) >= count)


@asynccontextmanager
async def serving(handler: Handler, **options: Any) -> AsyncIterator[Server]:
    options.setdefault("grace_seconds", 0.0)
    async with serve(handler, options.pop("address", Address()), clock=SystemClock(), **options) as server:
        yield server


def echo(request: Request, responder: Responder) -> None:
    responder.send(200, (("Content-Type", "text/plain"),), request.body or request.target)


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        _writers.append(writer)

    @classmethod
    async def connect(cls, server: Server) -> Client:
        return cls(*await asyncio.open_connection("127.0.0.1", server.port))

    def send(self, data: bytes | str) -> None:
        self.writer.write(data.encode("latin-1") if isinstance(data, str) else data)

    def get(self, target: str, *headers: str) -> None:
        self.send(f"GET {target} HTTP/1.1\r\nHost: x\r\n" + "".join(f"{line}\r\n" for line in headers) + "\r\n")

    def post(self, target: str, body: bytes, *headers: str) -> None:
        head = f"POST {target} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
        self.send(head + "".join(f"{line}\r\n" for line in headers) + "\r\n")
        self.send(body)

    async def head(self) -> tuple[int, dict[str, str]]:
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:] if line)}
        return int(lines[0].split(" ")[1]), headers

    async def answer(self) -> Answer:
        status, headers = await self.head()
        if headers.get("transfer-encoding") == "chunked":
            return Answer(status, headers, await self._chunks())
        return Answer(status, headers, await self.reader.readexactly(int(headers.get("content-length", "0"))))

    async def ended(self) -> bytes:
        """What else comes before the server closes."""
        return await self.reader.read()

    async def _chunks(self) -> bytes:
        body = b""
        while size := int(await self.reader.readline(), 16):
            body += await self.reader.readexactly(size)
            await self.reader.readline()
        await self.reader.readline()
        return body
