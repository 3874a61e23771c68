"""The limit: the barest server that can join runtime clients and HTTP callers. `python -m bench.limit`.

One process, one port for callers and one for runtime clients. Unsigned, unlogged, unlimited; an event that finds no
poll waits. Nothing that does more in Python can be faster.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque

import uvloop

from bench.bare_http import BareHttp, Settled

_ACCEPTED = b'HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{"status":"OK"}\n'
_EVENT = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nLambda-Runtime-Aws-Request-Id: %016x\r\n"
    b"Lambda-Runtime-Deadline-Ms: %d\r\n"
    b"Lambda-Runtime-Invoked-Function-Arn: arn:aws:lambda:us-east-1:000000000000:function:f\r\n"
    b"Lambda-Runtime-Trace-Id: \r\nContent-Length: %d\r\n\r\n"
)


_ID = slice(len("POST /2018-06-01/runtime/invocation/"), len("POST /2018-06-01/runtime/invocation/") + 16)
"""Where the invocation's id stands in the first line of an answer."""


class Exchange:
    """Polls that wait for events, events that wait for polls, callers that wait for answers."""

    def __init__(self) -> None:
        self._polls: list[RuntimeClient] = []
        self._events: deque[tuple[Caller, bytes]] = deque()
        self._callers: dict[bytes, Caller] = {}
        self._number = 0
        self._settled = Settled()

    def poll(self, client: RuntimeClient) -> None:
        if self._events:
            self._give(client, *self._events.popleft())
            return
        self._polls.append(client)
        if not self._settled.said:
            self._settled.changed()

    def event(self, caller: Caller, body: bytes) -> None:
        if self._polls:
            self._give(self._polls.pop(), caller, body)
        else:
            self._events.append((caller, body))

    def answer(self, invocation_id: bytes, body: bytes) -> None:
        caller = self._callers.pop(invocation_id, None)
        if caller is not None:
            caller.answer(body)

    def _give(self, client: RuntimeClient, caller: Caller, body: bytes) -> None:
        self._number += 1
        self._callers[b"%016x" % self._number] = caller
        deadline = int((time.time() + 3) * 1000)
        client.transport.write(_EVENT % (self._number, deadline, len(body)) + body)


class RuntimeClient(BareHttp):
    def __init__(self, exchange: Exchange) -> None:
        super().__init__()
        self._exchange = exchange

    def request(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"GET"):
            self._exchange.poll(self)
            return
        self.transport.write(_ACCEPTED)
        self._exchange.answer(head[_ID], body)


class Caller(BareHttp):
    def __init__(self, exchange: Exchange) -> None:
        super().__init__()
        self._exchange = exchange

    def request(self, head: bytes, body: bytes) -> None:
        self._exchange.event(self, body)

    def answer(self, body: bytes) -> None:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        self.transport.write(head + body)


async def serve() -> None:
    loop = asyncio.get_running_loop()
    exchange = Exchange()
    callers = await loop.create_server(lambda: Caller(exchange), "127.0.0.1", 0)
    async with callers, await loop.create_server(lambda: RuntimeClient(exchange), "127.0.0.1", 0) as clients:
        ports = [server.sockets[0].getsockname()[1] for server in (callers, clients)]
        print(json.dumps({"port": ports[0], "runtime_api_port": ports[1]}), flush=True)
        await loop.create_future()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())
