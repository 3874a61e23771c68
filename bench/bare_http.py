"""The least HTTP that real clients can be served with: no limits, no errors, no headers looked at but the length."""

from __future__ import annotations

import asyncio
from typing import cast

QUIET_SECONDS = 0.5

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length: "


class BareHttp(asyncio.Protocol):
    """Calls `request(head, body)` for each request that has arrived whole."""

    def __init__(self) -> None:
        self.transport = cast("asyncio.Transport", None)
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._received:
            data = self._received + data
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
                if len(data) < at + length:
                    break
                self.request(head, data[at : at + length])
                at += length
            data = data[at:]
        self._received = data

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
