"""A resolver as a machine has one, played on an address of its own on the loopback: UDP and TCP, same port."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

Answers = Callable[[bytes], list[bytes]]
PORT = 5353
"""The same for all, as 53 is; addresses tell them apart."""


class PlayedNames:
    def __init__(self, address: str, answers: Answers) -> None:
        self.address = address
        self.answers = answers
        self.by_tcp: Answers = answers
        self.asked: list[bytes] = []
        self.ports: list[int] = []
        self.asked_by_tcp: list[bytes] = []

    async def serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            (length,) = struct.unpack("!H", await reader.readexactly(2))
            asked = await reader.readexactly(length)
            self.asked_by_tcp.append(asked)
            for answer in self.by_tcp(asked):
                writer.write(struct.pack("!H", len(answer)) + answer)
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, played: PlayedNames) -> None:
        self._played = played

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._played.asked.append(data)
        self._played.ports.append(addr[1])
        for answer in self._played.answers(data):
            self._transport.sendto(answer, addr)


@asynccontextmanager
async def played_names(address: str, answers: Answers) -> AsyncIterator[PlayedNames]:
    loop = asyncio.get_running_loop()
    played = PlayedNames(address, answers)
    transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(played), local_addr=(address, PORT))
    server = await asyncio.start_server(played.serve_tcp, address, PORT)
    try:
        yield played
    finally:
        transport.close()
        server.close()
