"""Listeners as extensions open them for telemetry, on the loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.agent.instances import eventually


@dataclass
class Request:
    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Listener:
    """`statuses` are answered first, in order; then 200. While `held` is clear nothing is answered."""

    port: int = 0
    statuses: list[int] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)
    connections: int = 0
    may_answer: asyncio.Event = field(default_factory=asyncio.Event)

    def uri(self, path: str = "") -> str:
        return f"http://sandbox.localdomain:{self.port}{path}"

    def events(self) -> list[dict[str, Any]]:
        """In the order in which they came, from requests that were accepted."""
        return [event for request in self.requests for event in json.loads(request.body)]

    def records(self, kind: str) -> list[Any]:
        return [event["record"] for event in self.events() if event["type"] == kind]

    async def has(self, condition: Callable[[], object]) -> None:
        await eventually(lambda: bool(condition()))


@asynccontextmanager
async def http_listener(*statuses: int, answering: bool = True) -> AsyncIterator[Listener]:
    listener = Listener(statuses=list(statuses))
    if answering:
        listener.may_answer.set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        listener.connections += 1
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
            body = await reader.readexactly(int(headers["content-length"]))
            await listener.may_answer.wait()
            status = listener.statuses.pop(0) if listener.statuses else 200
            listener.requests.append(Request(head[0], headers, body))
            writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: 2\r\n\r\nOK".encode())
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            listener.requests.append(Request("broken", {}, b"[]"))
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1024 * 1024)
    listener.port = server.sockets[0].getsockname()[1]
    try:
        yield listener
    finally:
        listener.may_answer.set()
        server.close()


@asynccontextmanager
async def tcp_listener() -> AsyncIterator[Listener]:
    listener = Listener()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        listener.connections += 1
        while line := await reader.readline():
            listener.lines.append(line)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1024 * 1024)
    listener.port = server.sockets[0].getsockname()[1]
    try:
        yield listener
    finally:
        server.close()
