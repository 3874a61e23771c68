"""The least agent: frames on one side, polls on the other, nothing between. `python -m bench.bare_agent SOCKET`.

Shows what the agent hop itself costs, whatever the real agent does besides.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from typing import cast

import uvloop

from bench.bare_http import BareHttp, Settled
from paddock.wire.agent import AgentHello, ResultHeader, encoder, invoke_header_decoder
from paddock.wire.frames import HEAD, FrameKind, pack_head
from paddock.wire.stream import FrameReader

_ACCEPTED = b'HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n{"status":"OK"}\n'
_EVENT = (
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nLambda-Runtime-Aws-Request-Id: {}\r\n"
    "Lambda-Runtime-Deadline-Ms: {}\r\nLambda-Runtime-Invoked-Function-Arn: {}\r\n"
    "Lambda-Runtime-Trace-Id: {}\r\nContent-Length: {}\r\n\r\n"
)
_OK = encoder.encode(ResultHeader("ok", duration_us=100))


class Polls:
    def __init__(self) -> None:
        self.free: list[RuntimeClient] = []
        self.waiting: list[tuple[Router, int, bytes]] = []
        self._settled = Settled()

    def add(self, client: RuntimeClient) -> None:
        if self.waiting:
            router, call, event = self.waiting.pop(0)
            client.take(router, call, event)
            return
        self.free.append(client)
        if not self._settled.said:
            self._settled.changed()


class RuntimeClient(BareHttp):
    def __init__(self, polls: Polls) -> None:
        super().__init__()
        self._polls = polls
        self._router: Router | None = None
        self._call = 0

    def take(self, router: Router, call: int, event: bytes) -> None:
        self._router = router
        self._call = call
        self.transport.write(event)

    def request(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"GET"):
            self._polls.add(self)
            return
        self.transport.write(_ACCEPTED)
        if self._router is not None:
            self._router.answer(self._call, _OK, body)
            self._router = None


class Router(asyncio.Protocol):
    def __init__(self, polls: Polls, instance_id: str) -> None:
        self._polls = polls
        self._instance_id = instance_id
        self._reader = FrameReader()
        self._loop = asyncio.get_running_loop()
        self._frames: list[bytes] = []
        self._transport = cast("asyncio.Transport", None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        for frame in self._reader.feed(data):
            if frame.kind is FrameKind.INVOKE:
                self._invoke(frame.call, frame.header, frame.payload)
            elif frame.kind is FrameKind.CONTROL:
                hello = encoder.encode(AgentHello(self._instance_id, "bare", 0, 0, (), "none"))
                self._transport.write(pack_head(FrameKind.CONTROL, 0, len(hello)) + hello)

    def answer(self, call: int, header: bytes, body: bytes) -> None:
        head = HEAD.pack(len(header) + len(body), FrameKind.RESULT, 0, len(header), call)
        if not self._frames:
            self._loop.call_soon(self._flush)
        self._frames.append(b"".join((head, header, body)))

    def _flush(self) -> None:
        self._transport.write(b"".join(self._frames))
        self._frames.clear()

    def _invoke(self, call: int, header: bytes, payload: bytes) -> None:
        known = invoke_header_decoder.decode(header)
        deadline = int(time.time() * 1000) + known.timeout_ms
        head = _EVENT.format(
            known.invocation_id, deadline, known.invoked_function_arn, known.trace_header, len(payload)
        )
        event = head.encode("latin-1") + payload
        if self._polls.free:
            self._polls.free.pop().take(self, call, event)
        else:
            self._polls.waiting.append((self, call, event))


async def serve(path: str) -> None:
    loop = asyncio.get_running_loop()
    polls = Polls()
    clients = await loop.create_server(lambda: RuntimeClient(polls), "127.0.0.1", 0)
    async with await loop.create_unix_server(lambda: Router(polls, "i-bench"), path), clients:
        print(json.dumps({"runtime_api_port": clients.sockets[0].getsockname()[1]}), flush=True)
        await loop.create_future()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(sys.argv[1]))
