"""Names and the endpoint in a namespace of the test's own, asked by real clients; nothing outside is ever asked."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from paddock.agent.nameservers import resolv_conf_inside
from tests.agent.name_messages import NO_SUCH_NAME, A, answer_to, kind_in, name_in
from tests.agent.network_namespaces import a_namespace
from tests.agent.played_names import PORT, PlayedNames, played_names

REPOSITORY = Path(__file__).parents[2]
WITHIN = 60.0
MACHINE = "127.53.4.1"
KNOWN = {
    "db.office.example": ("10.0.0.7",),
    "many.office.example": tuple(f"10.1.0.{number}" for number in range(1, 101)),
}
PYTHON_LOOKS_UP = (
    "import socket, sys\n"
    "for name in sys.argv[1:]:\n"
    "    try:\n"
    "        found = socket.getaddrinfo(name, 80, socket.AF_INET, socket.SOCK_STREAM)\n"
    "        print(name, *sorted({one[4][0] for one in found}))\n"
    "    except socket.gaierror as error:\n"
    "        print(name, error.args[0] == socket.EAI_NONAME)\n"
)
PYTHON_FETCHES = (
    "import sys, time, urllib.request\n"
    "for left in reversed(range(int((sys.argv + ['100'])[2]))):\n"
    "    try:\n"
    "        print(urllib.request.urlopen(sys.argv[1]).read().decode()); break\n"
    "    except OSError as error:\n"
    "        time.sleep(0.1) if left else print(getattr(error, 'reason', error))\n"
)
NODE_LOOKS_UP = (
    "const dns = require('node:dns').promises;"
    "(async () => { console.log((await dns.lookup(process.argv[1], 4)).address,"
    " (await dns.resolve4(process.argv[1])).join(' ')); })();"
)


def answers(asked: bytes) -> list[bytes]:
    """As a resolver does: what is too long for a datagram is said to be so."""
    addresses = KNOWN.get(name_in(asked).lower())
    if addresses is None:
        return [answer_to(asked, code=NO_SUCH_NAME)]
    whole = answer_to(asked, *(addresses if kind_in(asked) == A else ()))
    return [whole if len(whole) <= 512 else answer_to(asked, truncated=True)]


def whole_answers(asked: bytes) -> list[bytes]:
    return [answer_to(asked, *(KNOWN[name_in(asked).lower()] if kind_in(asked) == A else ()))]


class Inside:
    """A namespace in which an instance's services run while a command does."""

    def __init__(self, namespace: Path, directory: Path, names: PlayedNames) -> None:
        self.names = names
        self.server_file = directory / "server.json"
        self.ports = ""
        self._namespace = namespace
        self._machine = directory / "machine"
        self._machine.write_text(f"nameserver {MACHINE}\n")
        self._seen = directory / "seen"
        self._seen.write_text(resolv_conf_inside("us-east-1"))

    async def run(self, *command: str) -> list[str]:
        """The command sees the `resolv.conf` of an environment."""
        shown = f'mount --bind {self._seen} /etc/resolv.conf && exec "$@"'
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.agent.inside_a_network", str(self._namespace), str(self.server_file)),
            *(self.ports, str(self._machine), str(PORT), "unshare", "--mount", "sh", "-c", shown, "sh", *command),
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        async with asyncio.timeout(WITHIN):
            output, errors = await process.communicate()
        assert process.returncode == 0, errors.decode()
        return output.decode().splitlines()


@asynccontextmanager
async def inside(tmp_path: Path) -> AsyncIterator[Inside]:
    async with AsyncExitStack() as stack:
        namespace = stack.enter_context(a_namespace())
        names = await stack.enter_async_context(played_names(MACHINE, answers))
        names.by_tcp = whole_answers
        yield Inside(namespace, tmp_path, names)


async def test_the_c_library_resolves_names_through_the_machines_resolver(tmp_path: Path) -> None:
    async with inside(tmp_path) as network:
        found = await network.run(sys.executable, "-c", PYTHON_LOOKS_UP, "db.office.example", "nowhere.office.example")
        assert found == ["db.office.example 10.0.0.7", "nowhere.office.example True"]


async def test_the_c_library_gets_long_answers_whole(tmp_path: Path) -> None:
    async with inside(tmp_path) as network:
        (found,) = await network.run(sys.executable, "-c", PYTHON_LOOKS_UP, "many.office.example")
        assert len(found.split()) == 101
        assert network.names.asked_by_tcp


async def test_a_name_without_a_dot_is_looked_for_in_the_domain_of_the_vpc(tmp_path: Path) -> None:
    async with inside(tmp_path) as network:
        assert await network.run(sys.executable, "-c", PYTHON_LOOKS_UP, "db") == ["db True"]
        assert [name_in(asked) for asked in network.names.asked] == ["db.ec2.internal", "db"]


async def test_names_below_localhost_lead_to_the_loopback(tmp_path: Path) -> None:
    async with inside(tmp_path) as network:
        name = "abc.lambda-url.us-east-1.localhost"
        assert await network.run(sys.executable, "-c", PYTHON_LOOKS_UP, name) == [f"{name} 127.0.0.1"]


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js: apt-get install nodejs")
async def test_node_resolves_names_by_the_c_library_and_by_itself(tmp_path: Path) -> None:
    async with inside(tmp_path) as network:
        assert await network.run("node", "-e", NODE_LOOKS_UP, "db.office.example") == ["10.0.0.7 10.0.0.7"]


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\nConnection: close\r\n\r\npaddock")
    await writer.drain()
    writer.close()


def url_of(server: asyncio.Server) -> str:
    return f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def test_the_endpoint_of_the_machine_is_at_the_same_address_inside_and_nothing_else_is(tmp_path: Path) -> None:
    async with inside(tmp_path) as network:
        server, other = [await asyncio.start_server(serve, "127.0.0.1", 0) for _ in range(2)]
        async with server, other:
            network.server_file.write_text(json.dumps({"url": url_of(server), "pid": os.getpid()}))
            assert await network.run(sys.executable, "-c", PYTHON_FETCHES, url_of(server)) == ["paddock"]
            refused = await network.run(sys.executable, "-c", PYTHON_FETCHES, url_of(other), "1")
            assert refused == ["[Errno 111] Connection refused"]


async def test_a_service_of_the_machine_that_was_opened_is_at_the_same_address_inside(tmp_path: Path) -> None:
    async with inside(tmp_path) as network:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            network.ports = f"{server.sockets[0].getsockname()[1]} 9"
            assert await network.run(sys.executable, "-c", PYTHON_FETCHES, url_of(server), "1") == ["paddock"]
            assert await network.run(sys.executable, "-c", PYTHON_FETCHES, "http://127.0.0.1:9", "1") == [
                "[Errno 104] Connection reset by peer"
            ]
