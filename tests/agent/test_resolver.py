"""The forwarder on the loopback, between a client and played resolvers."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from paddock.agent import resolver as resolving
from paddock.agent.limits import NAME_QUERY_BYTES
from paddock.agent.machine_sockets import MachineSockets
from paddock.agent.nameservers import MachineNameServers, nameservers_in, resolv_conf_inside
from paddock.agent.network_namespace import MachineNetwork
from paddock.agent.resolver import Resolver
from paddock.ports.clock import RandomIds
from tests.agent.name_messages import (
    FORMAT_ERROR,
    NO_ERROR,
    NO_SUCH_NAME,
    NOT_IMPLEMENTED,
    REFUSED,
    SERVER_FAILURE,
    answer_to,
    code_of,
    id_of,
    is_truncated,
    name_in,
    query,
    without_question,
)
from tests.agent.played_names import PORT, Answers, PlayedNames, played_names

WITHIN = 60.0
INSIDE = "127.53.1.1"
MACHINE = ("127.53.2.1", "127.53.2.2", "127.53.2.3")


class Client:
    """Speaks as a C library does: one connected socket."""

    def __init__(self, port: int) -> None:
        self._datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._datagrams.setblocking(False)
        self._datagrams.connect((INSIDE, port))
        self._port = port

    def send(self, asked: bytes) -> None:
        self._datagrams.send(asked)

    async def receive(self) -> bytes:
        async with asyncio.timeout(WITHIN):
            return await asyncio.get_running_loop().sock_recv(self._datagrams, 65_535)

    async def ask(self, asked: bytes) -> bytes:
        self.send(asked)
        return await self.receive()

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(INSIDE, self._port)

    def close(self) -> None:
        self._datagrams.close()


class Set:
    def __init__(self, resolver: Resolver, client: Client, machine: list[PlayedNames], resolv_conf: Path) -> None:
        self.resolver, self.client, self.machine, self.resolv_conf = resolver, client, machine, resolv_conf


@asynccontextmanager
async def playing(tmp_path: Path, *answers: Answers) -> AsyncIterator[Set]:
    """One resolver of the machine for each way to answer."""
    resolv_conf = tmp_path / "resolv.conf"
    addresses = MACHINE[: len(answers)]
    resolv_conf.write_text("".join(f"nameserver {address}\n" for address in addresses))
    async with AsyncExitStack() as stack:
        machine = [
            await stack.enter_async_context(played_names(address, way))
            for address, way in zip(addresses, answers, strict=True)
        ]
        sockets = MachineSockets(MachineNetwork())
        stack.callback(sockets.close)
        resolver = Resolver(sockets, MachineNameServers(resolv_conf, PORT), RandomIds(), INSIDE, 0)
        stack.callback(resolver.close)
        client = Client(resolver.port)
        stack.callback(client.close)
        group = await stack.enter_async_context(asyncio.TaskGroup())
        running = group.create_task(resolver.run())
        stack.callback(running.cancel)
        yield Set(resolver, client, machine, resolv_conf)


def known(asked: bytes) -> list[bytes]:
    return [answer_to(asked, "10.0.0.7")]


def silent(asked: bytes) -> list[bytes]:
    return []


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolving, "NAME_ATTEMPT_SECONDS", 0.25)
    monkeypatch.setattr(resolving, "NAME_SECONDS", 10.0)


async def test_a_question_comes_back_answered_under_its_own_id(tmp_path: Path) -> None:
    async with playing(tmp_path, known) as played:
        asked = query("Db.Example", 4711, more=b"\0\0\x29\x10\0\0\0\0\0\0\0")
        assert await played.client.ask(asked) == answer_to(asked, "10.0.0.7")
        (passed_on,) = played.machine[0].asked
        assert passed_on[2:] == asked[2:]


async def test_each_question_has_an_id_and_a_port_that_nobody_can_guess(tmp_path: Path) -> None:
    async with playing(tmp_path, known) as played:
        for _ in range(20):
            await played.client.ask(query("db.example", 1))
        assert len({id_of(asked) for asked in played.machine[0].asked}) > 10
        assert len(set(played.machine[0].ports)) > 10


async def test_answers_to_something_else_are_passed_over(tmp_path: Path) -> None:
    def forging(asked: bytes) -> list[bytes]:
        other = answer_to(query("other.example", id_of(asked)), "6.6.6.6")
        wrong = answer_to(asked, "6.6.6.6", message_id=id_of(asked) ^ 1)
        return [wrong, other, b"", asked, answer_to(asked, "10.0.0.7")]

    async with playing(tmp_path, forging) as played:
        asked = query("db.example")
        assert await played.client.ask(asked) == answer_to(asked, "10.0.0.7")


async def test_an_answer_from_elsewhere_is_none(tmp_path: Path) -> None:
    """The kernel drops it: the socket is connected."""
    async with playing(tmp_path, silent, known) as played:
        forger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

        def forge(asked: bytes) -> list[bytes]:
            forger.sendto(answer_to(asked, "6.6.6.6"), ("127.0.0.1", played.machine[0].ports[-1]))
            return [answer_to(asked, "10.0.0.7")]

        with forger:
            played.machine[0].answers = forge
            asked = query("db.example")
            assert await played.client.ask(asked) == answer_to(asked, "10.0.0.7")


async def test_where_nobody_answers_whoever_asks_is_told_so(tmp_path: Path, quick: None) -> None:
    async with playing(tmp_path, silent, silent) as played:
        answer = await played.client.ask(query("db.example"))
        assert (code_of(answer), name_in(answer)) == (SERVER_FAILURE, "db.example")
        assert [len(one.asked) for one in played.machine] == [2, 2]


async def test_the_next_resolver_is_asked_when_one_is_silent_or_gone(tmp_path: Path, quick: None) -> None:
    async with playing(tmp_path, silent, known) as played:
        played.resolv_conf.write_text(f"nameserver {MACHINE[0]}\nnameserver 127.53.9.9\nnameserver {MACHINE[1]}\n")
        asked = query("db.example")
        assert await played.client.ask(asked) == answer_to(asked, "10.0.0.7")


@pytest.mark.parametrize("code", [SERVER_FAILURE, REFUSED, NOT_IMPLEMENTED])
async def test_the_next_resolver_is_asked_when_one_cannot_answer(tmp_path: Path, code: int) -> None:
    async with playing(tmp_path, lambda asked: [without_question(asked, code)], known) as played:
        asked = query("db.example")
        assert await played.client.ask(asked) == answer_to(asked, "10.0.0.7")


async def test_a_name_that_is_not_there_is_an_answer(tmp_path: Path) -> None:
    async with playing(tmp_path, lambda asked: [answer_to(asked, code=NO_SUCH_NAME)], known) as played:
        assert code_of(await played.client.ask(query("db.example"))) == NO_SUCH_NAME
        assert not played.machine[1].asked


async def test_where_nobody_can_answer_the_first_refusal_is_the_answer(tmp_path: Path) -> None:
    async with playing(
        tmp_path,
        lambda asked: [without_question(asked, REFUSED)],
        lambda asked: [answer_to(asked, code=SERVER_FAILURE)],
    ) as played:
        assert code_of(await played.client.ask(query("db.example"))) == REFUSED
        assert [len(one.asked) for one in played.machine] == [1, 1]


async def test_a_long_answer_is_fetched_by_tcp(tmp_path: Path) -> None:
    addresses = [f"10.1.{number // 250}.{number % 250}" for number in range(1000)]
    async with playing(tmp_path, lambda asked: [answer_to(asked, truncated=True)]) as played:
        played.machine[0].by_tcp = lambda asked: [answer_to(asked, *addresses)]
        asked = query("many.example")
        assert is_truncated(await played.client.ask(asked))
        reader, writer = await played.client.connect()
        for _ in range(2):
            writer.write(struct.pack("!H", len(asked)) + asked)
            async with asyncio.timeout(WITHIN):
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                assert await reader.readexactly(length) == answer_to(asked, *addresses)
        writer.close()
        assert len(played.machine[0].asked_by_tcp) == 2


async def test_a_connection_that_asks_nothing_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolving, "NAME_CONNECTION_SECONDS", 0.05)
    async with playing(tmp_path, known) as played:
        reader, writer = await played.client.connect()
        writer.write(b"\0")
        async with asyncio.timeout(WITHIN):
            assert await reader.read() == b""
        writer.close()


async def test_above_a_number_of_questions_the_oldest_gives_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resolving, "NAME_QUERIES", 3)
    async with playing(tmp_path, lambda asked: known(asked) if name_in(asked) == "db.example" else []) as played:
        for number in range(3):
            played.client.send(query(f"silent-{number}.example", number))
        played.client.send(query("db.example", 99))
        found = [await played.client.receive() for _ in range(2)]
        assert {(id_of(one), code_of(one)) for one in found} == {(0, SERVER_FAILURE), (99, NO_ERROR)}


async def test_after_so_many_questions_there_is_a_pause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resolving, "NAME_BURST", 3)
    monkeypatch.setattr(resolving, "NAME_PAUSE_SECONDS", 3600.0)
    async with playing(tmp_path, known) as played:
        for number in range(5):
            played.client.send(query("db.example", number))
        assert {id_of(await played.client.receive()) for _ in range(3)} == {0, 1, 2}
        assert await by_tcp(played.client, query("db.example")) == answer_to(query("db.example"), "10.0.0.7")
        assert len(played.machine[0].asked) == 3


async def test_what_waited_is_heard_after_the_pause(tmp_path: Path) -> None:
    async with playing(tmp_path, known) as played:
        for number in range(100):
            played.client.send(query("db.example", number))
        assert {id_of(await played.client.receive()) for _ in range(100)} == set(range(100))


async def test_what_is_no_question_ends_a_connection(tmp_path: Path) -> None:
    async with playing(tmp_path, known) as played:
        for message in (b"", b"short", answer_to(query("db.example"), "10.0.0.7")):
            reader, writer = await played.client.connect()
            writer.write(struct.pack("!H", len(message)) + message)
            async with asyncio.timeout(WITHIN):
                assert await reader.read() == b""
            writer.close()


async def by_tcp(client: Client, asked: bytes) -> bytes:
    reader, writer = await client.connect()
    writer.write(struct.pack("!H", len(asked)) + asked)
    async with asyncio.timeout(WITHIN):
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        answer = await reader.readexactly(length)
    writer.close()
    return answer


async def test_localhost_is_nobody_elses_to_answer(tmp_path: Path) -> None:
    async with playing(tmp_path, known) as played:
        answer = await played.client.ask(query("abc.lambda-url.us-east-1.localhost"))
        assert answer.endswith(bytes([127, 0, 0, 1]))
        assert not played.machine[0].asked


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (query("db.example", flags=0x2800), NOT_IMPLEMENTED),
        (b"\0\7\1\0" + b"\0" * 8, FORMAT_ERROR),
        (query("db.example", more=bytes(NAME_QUERY_BYTES)), FORMAT_ERROR),
    ],
)
async def test_what_cannot_be_passed_on_is_refused(tmp_path: Path, asked: bytes, code: int) -> None:
    async with playing(tmp_path, known) as played:
        answer = await played.client.ask(asked)
        assert (code_of(answer), id_of(answer)) == (code, 7)
        assert not played.machine[0].asked


async def test_what_is_no_question_gets_no_answer(tmp_path: Path) -> None:
    async with playing(tmp_path, known) as played:
        for message in (b"", b"short", answer_to(query("db.example"), "10.0.0.7")):
            played.client.send(message)
        assert id_of(await played.client.ask(query("db.example", 5))) == 5
        assert len(played.machine[0].asked) == 1


async def test_the_machines_resolvers_may_change(tmp_path: Path) -> None:
    async with playing(tmp_path, known, lambda asked: [answer_to(asked, "10.0.0.8")]) as played:
        asked = query("db.example")
        assert await played.client.ask(asked) == answer_to(asked, "10.0.0.7")
        changed = tmp_path / "changed"
        changed.write_text(f"nameserver {MACHINE[1]}\n")
        changed.replace(played.resolv_conf)
        assert await played.client.ask(asked) == answer_to(asked, "10.0.0.8")


async def test_an_address_that_is_not_there_is_said_at_once() -> None:
    sockets = MachineSockets(MachineNetwork())
    with pytest.raises(OSError, match="assign"):
        Resolver(sockets, MachineNameServers(), RandomIds(), "192.0.2.1", 0)
    sockets.close()


@pytest.mark.parametrize(
    ("text", "servers"),
    [
        ("", ("127.0.0.1",)),
        ("# nothing\nsearch lan\n", ("127.0.0.1",)),
        ("nameserver 10.0.0.1\n", ("10.0.0.1",)),
        ("options ndots:5\n\tnameserver\t10.0.0.1 # comment\nnameserver\n", ("10.0.0.1",)),
        ("nameserver ::1\nnameserver fe80::1%eth0\n", ("::1", "fe80::1%eth0")),
        ("".join(f"nameserver 10.0.0.{n}\n" for n in range(5)), ("10.0.0.0", "10.0.0.1", "10.0.0.2")),
        ("#nameserver 10.0.0.1\n;nameserver 10.0.0.2\n", ("127.0.0.1",)),
    ],
)
def test_the_machines_resolvers_are_read_as_the_c_library_reads_them(text: str, servers: tuple[str, ...]) -> None:
    assert nameservers_in(text) == servers


def test_a_resolver_that_is_no_address_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    path.write_text("nameserver not-an-address\nnameserver ::1\nnameserver 10.0.0.1\n")
    found = MachineNameServers(path)()
    assert [one.address[:2] for one in found] == [("::1", 53), ("10.0.0.1", 53)]


@pytest.mark.parametrize(
    ("region", "domain"), [("us-east-1", "ec2.internal"), ("eu-west-1", "eu-west-1.compute.internal")]
)
def test_an_environment_finds_what_dhcp_writes_in_a_vpc(region: str, domain: str) -> None:
    assert resolv_conf_inside(region).splitlines() == [
        f"search {domain}",
        "options timeout:2 attempts:5",
        "nameserver 169.254.169.253",
    ]
