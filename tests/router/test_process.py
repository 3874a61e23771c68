"""Several router processes on one port, before one server: real processes, a real port, scripted agents."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from paddock.awsapi.http import Address, serve
from paddock.awsapi.messages import Request, Responder
from paddock.ports.clock import SeededIds, SystemClock
from paddock.router.feed import RouteFeed
from paddock.router.process import RouterOrders, answers_itself
from paddock.router.router import Router
from paddock.router.settings import DEFAULT_ROUTER_SETTINGS, RouterSettings
from paddock.router.siblings import Siblings, sibling_routers
from paddock.wire.routes import EnvironmentRoute, RoutesReplaced
from tests.router.driving import (
    LAMBDA,
    PATIENCE_SECONDS,
    PLACE,
    Answer,
    Client,
    StoredEvents,
    environment_route,
    function_route,
    instance_route,
    until,
)
from tests.router.scripted_agent import ScriptedAgent, refuse, scripted_agent

INVOKE = "/2015-03-31/functions/f/invocations"


def asked(method: str, path: str, kind: str | None = None) -> Request:
    headers = {} if kind is None else {b"x-amz-invocation-type": kind.encode()}
    return Request(method, path.encode(), path, "", headers)


def test_a_router_answers_synchronous_invokes_itself_and_nothing_else() -> None:
    own = [
        asked("POST", INVOKE),
        asked("POST", INVOKE, "RequestResponse"),
        asked("POST", INVOKE, "DryRun"),
        asked("POST", "/2021-11-15/functions/f/response-streaming-invocations"),
    ]
    others = [
        asked("POST", INVOKE, "Event"),
        asked("GET", INVOKE),
        asked("POST", "/2015-03-31/functions"),
        asked("POST", "/2014-11-13/functions/f/invoke-async"),
        asked("GET", "/health"),
        asked("POST", "/of-a-function-url/invocations"),
    ]

    assert all(map(answers_itself, own))
    assert not any(map(answers_itself, others))


@dataclass
class Several:
    port: int
    siblings: Siblings
    feed: RouteFeed

    async def ask(self, method: str, path: str, count: int = 1) -> list[tuple[int, bytes]]:
        return [(answer.status, answer.body) for answer in await self.answers(method, path, count)]

    async def answers(self, method: str, path: str, count: int) -> list[Answer]:
        """Each on a connection of its own, so that every process gets some."""
        found = []
        for _ in range(count):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            client = Client(reader, writer)
            writer.write(
                f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nContent-Length: 2\r\n\r\n{{}}".encode()
            )
            found.append(await client.answer())
            client.close()
        return found


@asynccontextmanager
async def several(
    directory: Path, agent: ScriptedAgent, count: int, settings: RouterSettings = DEFAULT_ROUTER_SETTINGS
) -> AsyncIterator[Several]:
    """A server that says `server` to all but invokes, and router processes that share its port."""
    clock, ids = SystemClock(), SeededIds(1)
    router = Router(
        PLACE,
        clock=clock,
        ids=ids,
        queue=StoredEvents(),
        error_reply=LAMBDA.serialise_error,
        server_id="s-1",
        settings=settings,
    )
    feed = RouteFeed(router)

    def handle(request: Request, responder: Responder) -> None:
        if answers_itself(request):
            router.front.invoke(request, responder, ids.uuid(), "f", None)
        else:
            responder.send(200, (), b"server")

    async with asyncio.TaskGroup() as group:
        running = group.create_task(router.run())
        public, private = Address(reuse_port=True), Address(unix_path=directory / "server.sock")
        async with (
            feed.listening(directory / "feed.sock"),
            serve(handle, public, clock=clock, grace_seconds=0.0) as server,
            serve(handle, private, clock=clock, grace_seconds=0.0),
        ):
            orders = RouterOrders(
                "127.0.0.1",
                server.port,
                PLACE.region,
                PLACE.account_id,
                "none",
                {},
                str(directory / "feed.sock"),
                str(directory / "server.sock"),
                "s-1",
                settings,
            )
            async with sibling_routers(count, orders) as siblings:
                feed.apply(RoutesReplaced((function_route(),), (instance_route(agent),), environments(agent)))
                await until(lambda: feed.routers == count and agent.connections == count + 1)
                yield Several(server.port, siblings, feed)
        running.cancel()


def environments(agent: ScriptedAgent) -> tuple[EnvironmentRoute, ...]:
    return (environment_route("e0", agent, slots=4),)


async def test_processes_share_the_port_and_all_of_them_answer_everything(tmp_path: Path) -> None:
    async with scripted_agent("i-1", tmp_path) as agent, several(tmp_path, agent, 2) as them:
        invoked = await them.ask("POST", INVOKE, 30)
        others = await them.ask("GET", "/2015-03-31/functions", 30)
        await until(lambda: sum(one.counts.invocations for one in them.feed.statistics()) == 30)
        by_router = {id(invocation.writer) for invocation in agent.invocations}

    assert set(invoked) == {(200, b'"done"')}
    assert set(others) == {(200, b"server")}
    assert len(by_router) == 3


async def test_every_router_tells_throttled_callers_what_the_operator_set(tmp_path: Path) -> None:
    settings = RouterSettings(retry_after_seconds=7)
    async with scripted_agent("i-1", tmp_path, refuse) as agent, several(tmp_path, agent, 2, settings) as them:
        told = await them.answers("POST", INVOKE, 30)

    assert {(one.status, one.headers["retry-after"]) for one in told} == {(429, "7")}


async def test_a_router_process_that_ends_is_replaced(tmp_path: Path) -> None:
    async with scripted_agent("i-1", tmp_path) as agent, several(tmp_path, agent, 1) as them:
        [before] = them.siblings.pids
        os.kill(before, signal.SIGKILL)
        await until(lambda: them.siblings.pids and before not in them.siblings.pids and them.feed.routers == 1)
        await until(lambda: agent.connections == 2)
        invoked = await them.ask("POST", INVOKE, 10)

    assert set(invoked) == {(200, b'"done"')}


async def test_a_router_process_that_cannot_be_started_is_tried_again_and_ends_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with scripted_agent("i-1", tmp_path) as agent, several(tmp_path, agent, 1) as them:
        [before] = them.siblings.pids
        with monkeypatch.context() as full:
            full.setattr(sys, "executable", str(tmp_path / "nowhere"))
            os.kill(before, signal.SIGKILL)
            await until(lambda: "cannot be started" in caplog.text)
        await until(lambda: them.siblings.pids and before not in them.siblings.pids and them.feed.routers == 1)


async def test_no_router_process_outlives_its_server(tmp_path: Path) -> None:
    async with scripted_agent("i-1", tmp_path) as agent, several(tmp_path, agent, 1) as them:
        [pid] = them.siblings.pids

    assert not alive(pid)


async def test_a_router_process_that_cannot_listen_ends_so_that_another_is_started(tmp_path: Path) -> None:
    router = Router(
        PLACE,
        clock=SystemClock(),
        ids=SeededIds(1),
        queue=StoredEvents(),
        error_reply=LAMBDA.serialise_error,
        server_id="s-1",
    )
    feed = RouteFeed(router)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        path = str(tmp_path / "feed.sock")
        orders = RouterOrders("127.0.0.1", port, PLACE.region, PLACE.account_id, "none", {}, path, path, "s-1")
        async with feed.listening(Path(path)):
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "paddock.router.process", stdin=asyncio.subprocess.PIPE
            )
            assert process.stdin is not None
            process.stdin.write(msgspec.json.encode(orders) + b"\n")
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    status = await process.wait()
            finally:
                process.stdin.close()
                with contextlib.suppress(ProcessLookupError):
                    process.kill()

    assert status != 0


async def test_a_router_process_without_routes_ends_with_its_standard_input_too(tmp_path: Path) -> None:
    """It waits for a server that is gone: nobody but its standard input tells it so."""
    nowhere = str(tmp_path / "nowhere.sock")
    orders = RouterOrders("127.0.0.1", 0, PLACE.region, PLACE.account_id, "none", {}, nowhere, nowhere, "s-1")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "paddock.router.process", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate(msgspec.json.encode(orders) + b"\n")

    assert (process.returncode, said) == (0, b"")


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
