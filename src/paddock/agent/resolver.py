"""The resolver of an instance with a network of its own: passes what functions ask on to the machine's resolvers.

It listens where VPCs have theirs, on the instance's loopback: no security group filters it, and no route is needed.
Nothing is cached and nothing but the question is understood. Each question goes out from a socket and under an id of
its own, and only an answer to it comes back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
from collections.abc import Callable
from functools import partial
from typing import TypeAlias, cast

from paddock.agent import dns_messages as messages
from paddock.agent.accepting import accept_connections, listener_at
from paddock.agent.limits import (
    NAME_ATTEMPT_SECONDS,
    NAME_BURST,
    NAME_CONNECTION_SECONDS,
    NAME_CONNECTIONS,
    NAME_PAUSE_SECONDS,
    NAME_QUERIES,
    NAME_QUERY_BYTES,
    NAME_ROUNDS,
    NAME_SECONDS,
)
from paddock.agent.machine_sockets import MachineSockets
from paddock.agent.nameservers import NAME_PORT, NameServer
from paddock.ports.clock import IdSource
from paddock.ports.instance_network import RESOLVER_ADDRESS

_LOG = logging.getLogger("paddock.agent")
_ID_DIGITS = 4
_MOST_BYTES = 65_535
_LENGTH = struct.Struct("!H")
Address: TypeAlias = tuple[str, int]
_TRY_ANOTHER = frozenset({messages.SERVER_FAILURE, messages.NOT_IMPLEMENTED, messages.REFUSED})


class Resolver:
    """Sockets are bound from the beginning, so that no environment comes before them. Raises `OSError`."""

    def __init__(
        self,
        sockets: MachineSockets,
        servers: Callable[[], tuple[NameServer, ...]],
        ids: IdSource,
        address: str = RESOLVER_ADDRESS,
        port: int = NAME_PORT,
    ) -> None:
        self._sockets = sockets
        self._servers = servers
        self._ids = ids
        self._in_flight: dict[asyncio.Timeout, None] = {}
        self._listener = listener_at(address, port)
        self._datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._datagrams.setblocking(False)
            self._datagrams.bind(self._listener.getsockname())
        except OSError:
            self.close()
            raise

    @property
    def port(self) -> int:
        found: int = self._listener.getsockname()[1]
        return found

    def close(self) -> None:
        self._listener.close()
        self._datagrams.close()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(accept_connections(self._listener, NAME_CONNECTIONS, self._serve))
            group.create_task(self._hear(group))

    async def _hear(self, group: asyncio.TaskGroup) -> None:
        """Who floods takes no time from invocations: what comes faster than it is heard waits with the kernel, which
        drops what is too much.
        """
        while True:
            for _ in range(NAME_BURST):
                query, asker = await _receive_datagram(self._datagrams)
                answer = self.answer_at_once(query)
                if answer is None:
                    group.create_task(self._forward_datagram(query, asker))
                else:
                    self._send(answer, asker)
            await asyncio.sleep(NAME_PAUSE_SECONDS)

    async def _forward_datagram(self, query: bytes, asker: Address) -> None:
        self._send(await self.forward(query, socket.SOCK_DGRAM), asker)

    def _send(self, answer: bytes, asker: Address) -> None:
        """Who has gone, or does not read, asks again."""
        if answer:
            with contextlib.suppress(OSError):
                self._datagrams.sendto(answer, asker)

    async def _serve(self, connection: socket.socket) -> None:
        """One question after the other. The same way out as in: who asks by TCP wants a long answer."""
        loop = asyncio.get_running_loop()
        while True:
            async with asyncio.timeout(NAME_CONNECTION_SECONDS):
                query = await _receive_message(connection)
            answer = self.answer_at_once(query)
            if answer is None:
                answer = await self.forward(query, socket.SOCK_STREAM)
            if not answer:
                return
            async with asyncio.timeout(NAME_CONNECTION_SECONDS):
                await loop.sock_sendall(connection, _LENGTH.pack(len(answer)) + answer)

    def answer_at_once(self, query: bytes) -> bytes | None:
        """What needs nobody else; empty for what deserves no answer. None: it is to be passed on."""
        if not messages.is_query(query):
            return b""
        if not messages.is_standard(query):
            return messages.refusal(query, messages.NOT_IMPLEMENTED)
        question = messages.question_of(query)
        if question is None or len(query) > NAME_QUERY_BYTES:
            return messages.refusal(query, messages.FORMAT_ERROR)
        return messages.loopback_answer(query, question) if question.is_localhost else None

    async def forward(self, query: bytes, kind: int) -> bytes:
        """An answer in any case, at the latest after `NAME_SECONDS`. When there are too many questions the oldest has
        to give way: it is the least likely to be answered still.
        """
        limit = asyncio.timeout(NAME_SECONDS)
        try:
            async with limit:
                self._in_flight[limit] = None
                if len(self._in_flight) > NAME_QUERIES:
                    oldest = next(iter(self._in_flight))
                    del self._in_flight[oldest]
                    oldest.reschedule(asyncio.get_running_loop().time())
                answer = await self._asked(query, kind)
        except TimeoutError:
            answer = messages.refusal(query, messages.SERVER_FAILURE)
        except Exception:  # noqa: BLE001  # whatever it was, the next question is another
            _LOG.exception("a name could not be resolved")
            answer = messages.refusal(query, messages.SERVER_FAILURE)
        finally:
            self._in_flight.pop(limit, None)
        return messages.with_id(answer, messages.message_id(query))

    async def _asked(self, query: bytes, kind: int) -> bytes:
        """Those that do not answer are asked again, those that cannot are not."""
        question = messages.question_of(query)
        assert question is not None
        servers = await self._sockets.ask(self._servers)
        unable: dict[NameServer, bytes] = {}
        for server in servers * NAME_ROUNDS:
            if server in unable:
                continue
            try:
                async with asyncio.timeout(NAME_ATTEMPT_SECONDS):
                    answer = await self._ask(server, query, question, kind)
            except (OSError, TimeoutError):
                continue
            if messages.code_of(answer) not in _TRY_ANOTHER:
                return answer
            unable[server] = answer
        return next(iter(unable.values()), messages.refusal(query, messages.SERVER_FAILURE))

    async def _ask(self, server: NameServer, query: bytes, question: messages.Question, kind: int) -> bytes:
        loop = asyncio.get_running_loop()
        expected_id = int(self._ids.hex(_ID_DIGITS), 16)
        asked = messages.with_id(query, expected_id)
        with await self._sockets.open(server.family, kind) as connected:
            await loop.sock_connect(connected, server.address)
            if kind == socket.SOCK_STREAM:
                await loop.sock_sendall(connected, _LENGTH.pack(len(asked)) + asked)
                receive = partial(_receive_message, connected)
            else:
                await loop.sock_sendall(connected, asked)
                receive = partial(loop.sock_recv, connected, _MOST_BYTES)
            while True:
                answer = await receive()
                if messages.is_answer_to(answer, expected_id, question):
                    return answer


async def _receive_datagram(datagrams: socket.socket) -> tuple[bytes, Address]:
    loop = asyncio.get_running_loop()
    while True:
        try:
            return cast("tuple[bytes, Address]", datagrams.recvfrom(_MOST_BYTES))
        except BlockingIOError:
            readable = asyncio.Event()
            loop.add_reader(datagrams, readable.set)
            try:
                await readable.wait()
            finally:
                loop.remove_reader(datagrams)
        except OSError:
            await asyncio.sleep(NAME_PAUSE_SECONDS)  # no memory for it, say


async def _receive_message(connection: socket.socket) -> bytes:
    (length,) = _LENGTH.unpack(await _receive_exactly(connection, _LENGTH.size))
    return await _receive_exactly(connection, length)


async def _receive_exactly(connection: socket.socket, length: int) -> bytes:
    """Raises `ConnectionError` when there is no more."""
    loop = asyncio.get_running_loop()
    received = b""
    while len(received) < length:
        piece = await loop.sock_recv(connection, length - len(received))
        if not piece:
            raise ConnectionError("it ended early")
        received += piece
    return received
