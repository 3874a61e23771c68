"""The relay between a function's side and a server's, both on the loopback under addresses of their own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from paddock.agent import endpoint_relay as relaying
from paddock.agent.endpoint_relay import EndpointRelay, endpoint_in
from paddock.agent.machine_sockets import MachineSockets
from paddock.agent.network_namespace import MachineNetwork
from paddock.agent.relay import Endpoint
from tests.agent.instances import eventually

WITHIN = 60.0
MACHINE = "127.53.3.1"
Served = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def announcement(url: str, pid: int | None = None) -> bytes:
    return json.dumps({"url": url, "region": "x", "pid": os.getpid() if pid is None else pid, "auth": "x"}).encode()


def ended_process() -> int:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


@asynccontextmanager
async def serving(served: Served, port: int = 0) -> AsyncIterator[int]:
    """A server in the machine's network."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await served(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, MACHINE, port)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@asynccontextmanager
async def relaying_to(server_file: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    monkeypatch.setattr(relaying, "RELAY_LOOK_SECONDS", 0.05)
    sockets = MachineSockets(MachineNetwork())
    async with asyncio.TaskGroup() as group:
        running = group.create_task(EndpointRelay(server_file, sockets).run())
        yield
        running.cancel()
    sockets.close()


async def connected(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """As a function does, as soon as the relay listens."""
    async with asyncio.timeout(WITHIN):
        while True:
            try:
                return await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.01)


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(65_536):
        writer.write(piece)
        await writer.drain()


async def test_what_is_said_arrives_and_comes_back_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server_file = tmp_path / "server.json"
    said = os.urandom(3_000_000)
    async with serving(echo) as port:
        server_file.write_bytes(announcement(f"http://{MACHINE}:{port}"))
        async with relaying_to(server_file, monkeypatch), asyncio.timeout(WITHIN):
            reader, writer = await connected(port)
            heard = bytearray()

            async def hear() -> None:
                heard.extend(await reader.read(-1))

            async with asyncio.TaskGroup() as group:
                group.create_task(hear())
                writer.write(said)
                await writer.drain()
                writer.write_eof()
            writer.close()
            assert bytes(heard) == said


async def test_a_server_that_has_said_its_last_ends_the_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also for a client that keeps its own side open, as pools of connections do."""

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(5)
        writer.write(b"a" * 500_000)
        await writer.drain()

    server_file = tmp_path / "server.json"
    monkeypatch.setattr(relaying, "RELAY_CONNECTIONS", 1)
    async with serving(say) as port:
        server_file.write_bytes(announcement(f"http://{MACHINE}:{port}"))
        async with relaying_to(server_file, monkeypatch), asyncio.timeout(WITHIN):
            first = await connected(port)
            first[1].write(b"hello")
            assert await first[0].read(-1) == b"a" * 500_000
            second = await connected(port)
            second[1].write(b"hello")
            assert await second[0].read(-1) == b"a" * 500_000
            first[1].close()
            second[1].close()


async def test_what_nobody_takes_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server may say as much as it likes: what a slow function has not taken waits with the server."""
    said = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal said
        while True:
            writer.write(b"a" * 65_536)
            await writer.drain()
            said += 65_536

    server_file = tmp_path / "server.json"
    async with serving(flood) as port:
        server_file.write_bytes(announcement(f"http://{MACHINE}:{port}"))
        async with relaying_to(server_file, monkeypatch), asyncio.timeout(WITHIN):
            with socket.socket() as slow:
                slow.setblocking(False)
                _, writer = await connected(port)
                writer.close()
                await asyncio.get_running_loop().sock_connect(slow, ("127.0.0.1", port))
                before = -1
                while before != said:
                    before = said
                    await asyncio.sleep(0.5)
                assert 0 < said < 100_000_000


async def test_a_connection_that_breaks_off_is_not_taken_for_one_that_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"half an ans")
        await reader.readexactly(1)
        reset_on_close = struct.pack("ii", 1, 0)
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset_on_close)

    server_file = tmp_path / "server.json"
    async with serving(break_off) as port:
        server_file.write_bytes(announcement(f"http://{MACHINE}:{port}"))
        async with relaying_to(server_file, monkeypatch), asyncio.timeout(WITHIN):
            reader, writer = await connected(port)
            assert await reader.readexactly(11) == b"half an ans"
            writer.write(b"x")
            with pytest.raises(ConnectionResetError):
                await reader.read(-1)
            writer.close()


async def test_a_server_that_is_away_resets_connections_until_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server_file = tmp_path / "server.json"
    async with serving(echo) as port:
        server_file.write_bytes(announcement(f"http://{MACHINE}:{port}"))
        async with relaying_to(server_file, monkeypatch), asyncio.timeout(WITHIN):
            assert await echoed(port)
    async with relaying_to(server_file, monkeypatch), asyncio.timeout(WITHIN):
        assert not await echoed(port)
        server_file.unlink()
        assert not await echoed(port)
        async with serving(echo, port):
            server_file.write_bytes(announcement(f"http://{MACHINE}:{port}"))
            assert await echoed(port)


async def test_a_server_that_comes_back_at_another_port_is_found_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server_file = tmp_path / "server.json"
    async with serving(echo) as first, serving(echo) as second, asyncio.timeout(WITHIN):
        server_file.write_bytes(announcement(f"http://{MACHINE}:{first}"))
        async with relaying_to(server_file, monkeypatch):
            assert await echoed(first)
            server_file.write_bytes(announcement(f"http://{MACHINE}:{second}"))
            assert await echoed(second)
            await eventually(lambda: not listens(first))


async def test_nothing_is_listened_at_before_a_server_was_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server_file = tmp_path / "server.json"
    async with relaying_to(server_file, monkeypatch), serving(echo) as port, asyncio.timeout(WITHIN):
        assert not listens(port)
        server_file.write_bytes(announcement(f"http://{MACHINE}:{port}"))
        assert await echoed(port)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def echoed(port: int) -> bool:
    reader, writer = await connected(port)
    try:
        writer.write(b"ping")
        return await reader.readexactly(4) == b"ping"
    except (ConnectionError, asyncio.IncompleteReadError):
        return False
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@pytest.mark.parametrize(
    ("url", "endpoint"),
    [
        ("http://127.0.0.1:4600", Endpoint("127.0.0.1", 4600)),
        ("http://localhost:4600", Endpoint("127.0.0.1", 4600)),
        ("http://0.0.0.0:4600", Endpoint("127.0.0.1", 4600)),
        ("http://192.0.2.7:80", Endpoint("192.0.2.7", 80)),
        ("http://paddock.example:4600", None),
        ("http://127.0.0.1", None),
        ("http://127.0.0.1:x", None),
        ("", None),
    ],
)
def test_where_a_server_is_stands_in_its_file(url: str, endpoint: Endpoint | None) -> None:
    assert endpoint_in(announcement(url)) == endpoint


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"7", b'{"url": "http://127.0.0.1:1"}', b'{"url": 1, "pid": "x"}'])
def test_a_damaged_file_says_nothing(text: bytes) -> None:
    assert endpoint_in(text) is None


def test_the_port_of_a_server_that_has_died_is_nobodys() -> None:
    assert endpoint_in(announcement("http://127.0.0.1:4600", ended_process())) is None
