"""A router with routes to scripted agents, behind a real HTTP server, and a client for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qs, unquote

import botocore.session

from paddock.awsapi.http import Address, serve
from paddock.awsapi.messages import Request, Responder
from paddock.awsapi.rest_json import RestJson
from paddock.model.arns import Place
from paddock.model.ids import AccountId, Region
from paddock.ports.clock import SeededIds, SystemClock
from paddock.ports.invoker import InvokeRequest
from paddock.router.router import Router
from paddock.router.settings import DEFAULT_ROUTER_SETTINGS, RouterSettings
from paddock.wire.routes import EnvironmentRoute, FunctionRoute, InstanceRoute, VersionRoute
from tests.router.scripted_agent import ScriptedAgent

LAMBDA = RestJson(botocore.session.get_session().get_service_model("lambda"))
PLACE = Place(Region("us-east-1"), AccountId("123456789012"))
ARN = "arn:aws:lambda:us-east-1:123456789012:function:f"
PATIENCE_SECONDS = 20
"""A bound for a broken test, never an expectation."""


@dataclass
class StoredEvents:
    """A queue that keeps what it is given; `failing` is what it raises instead, `gate` what it waits for first."""

    events: list[InvokeRequest] = field(default_factory=list)
    failing: Exception | None = None
    gate: asyncio.Event | None = None
    waiting: int = 0

    async def put(self, request: InvokeRequest) -> None:
        if self.gate is not None:
            self.waiting += 1
            await self.gate.wait()
        if self.failing is not None:
            raise self.failing
        self.events.append(request)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Driven:
    router: Router
    stored: StoredEvents
    port: int

    async def connect(self) -> Client:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        return Client(reader, writer)

    async def invoke(
        self,
        body: bytes = b"{}",
        *,
        function: str = "f",
        query: str = "",
        headers: Mapping[str, str] | None = None,
        streaming: bool = False,
    ) -> Answer:
        """One request on a connection of its own."""
        client = await self.connect()
        try:
            client.send(body, function=function, query=query, headers=headers, streaming=streaming)
            return await client.answer()
        finally:
            client.close()


@dataclass
class Client:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def send(
        self,
        body: bytes = b"{}",
        *,
        function: str = "f",
        query: str = "",
        headers: Mapping[str, str] | None = None,
        streaming: bool = False,
    ) -> None:
        operation = "response-streaming-invocations" if streaming else "invocations"
        lines = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        self.writer.write(
            f"POST /2015-03-31/functions/{function}/{operation}{query} HTTP/1.1\r\nHost: x\r\n"
            f"Content-Length: {len(body)}\r\n{lines}\r\n".encode()
            + body
        )

    async def answer(self) -> Answer:
        async with asyncio.timeout(PATIENCE_SECONDS):
            status, headers = await self.head()
            if status == HTTPStatus.NO_CONTENT:
                body = b""
            elif "content-length" in headers:
                body = await self.reader.readexactly(int(headers["content-length"]))
            else:
                body = b"".join([piece async for piece in self.pieces()])
        return Answer(status, headers, body)

    async def head(self) -> tuple[int, dict[str, str]]:
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:] if line)
        return int(lines[0].split()[1]), {name.lower(): value for name, value in headers.items()}

    async def pieces(self) -> AsyncIterator[bytes]:
        """The chunks of a chunked body."""
        while size := int(await self.reader.readuntil(b"\r\n"), 16):
            yield await self.reader.readexactly(size)
            await self.reader.readexactly(2)
        await self.reader.readexactly(2)

    def close(self) -> None:
        self.writer.transport.abort()


def function_route(*, revision: str = "r1", timeout_seconds: int = 3) -> FunctionRoute:
    version = VersionRoute("$LATEST.PUBLISHED", revision, timeout_seconds)
    return FunctionRoute("f", ARN, "$LATEST.PUBLISHED", (VersionRoute("$LATEST", "", 3), version))


def instance_route(agent: ScriptedAgent, zone: str = "a") -> InstanceRoute:
    return InstanceRoute(agent.instance_id, agent.address, f"token of {agent.instance_id}", zone)


def environment_route(
    name: str, agent: ScriptedAgent, *, slots: int = 1, draining: bool = False, revision: str = "r1"
) -> EnvironmentRoute:
    return EnvironmentRoute(name, agent.instance_id, "f", "$LATEST.PUBLISHED", revision, slots, draining)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.001)


@asynccontextmanager
async def driven(
    *agents: ScriptedAgent, slots: int = 1, settings: RouterSettings = DEFAULT_ROUTER_SETTINGS
) -> AsyncIterator[Driven]:
    """One environment on each agent, all connected."""
    ids = SeededIds(1)
    stored = StoredEvents()
    router = Router(
        PLACE,
        clock=SystemClock(),
        ids=ids,
        queue=stored,
        error_reply=LAMBDA.serialise_error,
        server_id="s-1",
        settings=settings,
    )

    def handle(request: Request, responder: Responder) -> None:
        function, operation = request.path.split("/")[3:5]
        qualifier = parse_qs(request.query).get("Qualifier", [None])[0]
        front = router.front
        streaming = operation == "response-streaming-invocations"
        handler = front.invoke_with_response_stream if streaming else front.invoke
        handler(request, responder, ids.uuid(), unquote(function), qualifier)

    def body_limit(*_request: object) -> int:
        return 16 * 1024 * 1024

    async with asyncio.TaskGroup() as group:
        running = group.create_task(router.run())
        for agent in agents:
            router.apply(instance_route(agent))
        router.apply(function_route())
        for number, agent in enumerate(agents):
            router.apply(environment_route(f"e{number}", agent, slots=slots))
        async with serve(handle, Address(), clock=SystemClock(), body_limit=body_limit, grace_seconds=0.0) as server:
            await until(lambda: router.reachable_instances == len(agents))
            yield Driven(router, stored, server.port)
        running.cancel()
