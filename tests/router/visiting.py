"""A router whose function `f` has URLs, a server that hands it what is sent there, and a client for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec

from paddock.awsapi.access import Access
from paddock.awsapi.http import Address, serve
from paddock.awsapi.messages import Request, Responder
from paddock.model.function_url import Cors
from paddock.ports.clock import SeededIds, SystemClock
from paddock.router.router import Router
from paddock.wire.routes import FunctionUrlRoute
from tests.awsapi.signing import CREDENTIALS, SECRET, signed
from tests.router.driving import PATIENCE_SECONDS, PLACE, driven, function_route
from tests.router.scripted_agent import Script, ScriptedAgent, answer, scripted_agent

PAGE = "https://shop.example"
OPEN, STREAMED, SIGNED, CROSS, ALIASED, NOTHING = (letter * 32 for letter in "osicap")
URLS = (
    FunctionUrlRoute(OPEN),
    FunctionUrlRoute(STREAMED, streaming=True),
    FunctionUrlRoute(SIGNED, signed=True, cors=Cors(allow_origins=(PAGE,), allow_methods=("PUT",))),
    FunctionUrlRoute(CROSS, streaming=True, cors=Cors(allow_origins=(PAGE,), expose_headers=("x-a",))),
    FunctionUrlRoute(ALIASED, "live"),
    FunctionUrlRoute(NOTHING, "$LATEST"),
)


def name_of(url_id: str) -> str:
    return f"{url_id}.lambda-url.us-east-1.localhost:4600"


@dataclass(frozen=True)
class Seen:
    """What a client reads. `headers` are pairs, because cookies may be several."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str | None:
        return dict(self.headers).get(name)


@dataclass
class Visitor:
    """One connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(
        self, url_id: str, line: str = "GET /", headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> None:
        lines = {"Host": name_of(url_id), "Content-Length": str(len(body))} | dict(headers or {})
        text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self.writer.write(f"{line} HTTP/1.1\r\n{text}\r\n".encode() + body)

    async def head(self) -> tuple[int, tuple[tuple[str, str], ...]]:
        async with asyncio.timeout(PATIENCE_SECONDS):
            first, *lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        pairs = (line.partition(": ") for line in lines if line)
        return int(first.split()[1]), tuple((name.lower(), value) for name, _, value in pairs)

    async def piece(self) -> bytes:
        """A chunk; empty at the end."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            size = int(await self.reader.readuntil(b"\r\n"), 16)
            chunk = await self.reader.readexactly(size)
            await self.reader.readexactly(2)
        return chunk

    async def seen(self) -> Seen:
        status, headers = await self.head()
        named = dict(headers)
        body = b""
        if named.get("transfer-encoding") == "chunked":
            while piece := await self.piece():
                body += piece
        elif status not in {204, 304}:
            body = await self.reader.readexactly(int(named["content-length"]))
        return Seen(status, headers, body)

    def leave(self) -> None:
        self.writer.transport.abort()


@dataclass
class Visited:
    router: Router
    agent: ScriptedAgent
    port: int

    async def connect(self) -> Visitor:
        return Visitor(*await asyncio.open_connection("127.0.0.1", self.port))

    async def visit(
        self, url_id: str, line: str = "GET /", headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Seen:
        """One request on a connection of its own."""
        visitor = await self.connect()
        try:
            visitor.send(url_id, line, headers, body)
            return await visitor.seen()
        finally:
            visitor.leave()


@asynccontextmanager
async def visited(directory: Path, script: Script = answer, *, slots: int = 1) -> AsyncIterator[Visited]:
    clock, ids = SystemClock(), SeededIds(2)

    def body_limit(*_request: object) -> int:
        return 16 * 1024 * 1024

    async with scripted_agent("i-1", directory, script) as agent, driven(agent, slots=slots) as service:
        published = (("$LATEST.PUBLISHED", 1.0),)
        service.router.apply(msgspec.structs.replace(function_route(), aliases={"live": published}, urls=URLS))
        front = service.router.function_url_front(Access("sigv4", CREDENTIALS, PLACE, clock))

        def handle(request: Request, responder: Responder) -> None:
            front.handle(request, responder, ids.uuid())

        async with serve(handle, Address(), clock=clock, body_limit=body_limit, grace_seconds=0.0) as server:
            yield Visited(service.router, agent, server.port)


def signature(
    line: str, body: bytes = b"", *, at: datetime, service: str = "lambda", secret: str = SECRET
) -> dict[str, str]:
    """The headers that sign such a request at the URL that wants it."""
    method, path = line.split(" ")
    request = signed(f"http://{name_of(SIGNED)}{path}", method=method, body=body, at=at, service=service, secret=secret)
    wanted = ("authorization", "x-amz-date", "x-amz-content-sha256")
    return {name: request.headers[name.encode()].decode() for name in wanted if name.encode() in request.headers}
