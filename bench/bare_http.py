"""The least HTTP that real clients can be served with: no limits, no errors, no headers looked at but the length."""

from __future__ import annotations

import asyncio
from typing import cast

QUIET_SECONDS = 0.5

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length: "


class BareHttp(asyncio.Protocol):
    """Calls `request(head, body)` for each request that has arrived whole. What comes in pieces is joined once."""

    def __init__(self) -> None:
        self.transport = cast("asyncio.Transport", None)
        self._pieces: list[bytes] = []
        self._have = 0
        self._wanted = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._pieces:
            self._pieces.append(data)
            self._have += len(data)
            if self._have < self._wanted:
                return
            data = b"".join(self._pieces)
            self._pieces = []
        while data:
            end = data.find(_HEAD_END)
            if end < 0:
                break
            head = data[:end]
            at = end + len(_HEAD_END)
            if head.startswith(b"GET"):
                self.request(head, b"")
            else:
                lowered = head.lower()
                length_at = lowered.find(_LENGTH)
                length = int(lowered[length_at + len(_LENGTH) :].split(b"\r\n", 1)[0]) if length_at >= 0 else 0
                self._wanted = at + length
                if len(data) < self._wanted:
                    break
                self.request(head, data[at : self._wanted])
                at = self._wanted
            self._wanted = 0
            data = data[at:]
        if data:
            self._pieces = [data]
            self._have = len(data)

    def request(self, head: bytes, body: bytes) -> None:
        raise NotImplementedError


class Settled:
    """Says `ready` on standard output once no further poll has come for a while: how many come, the runtime decides."""

    def __init__(self) -> None:
        self.said = False
        self._timer: asyncio.TimerHandle | None = None

    def changed(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(QUIET_SECONDS, self._say)

    def _say(self) -> None:
        self.said = True
        print("ready", flush=True)
