"""What all connections of one server share: its handlers, limits, ticks, and the count of what is going on."""

from __future__ import annotations

import json
from email.utils import format_datetime
from typing import Protocol

from paddock.awsapi.known_lines import KnownLines
from paddock.awsapi.limits import HttpLimits
from paddock.awsapi.messages import BodyLimit, Handler, Refusal, Request, Responder
from paddock.ports.clock import Clock

FULL = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
"""Said to a connection above the limit, before it has said anything."""

_REFUSALS = {
    400: "Bad request",
    408: "The request took too long to arrive",
    413: "The request body is too large",
    417: "Only 100-continue can be expected",
    431: "The request line and headers are too large",
    500: "Internal failure",
    503: "Too busy to take this request; try again",
    505: "Only HTTP/1.1 and HTTP/1.0 are spoken here",
}


def refuse_plainly(_request: Request, responder: Responder, status: int) -> None:
    body = json.dumps({"message": _REFUSALS.get(status, "Refused")}).encode()
    responder.send(status, (("Content-Type", "application/json"),), body)


class Watched(Protocol):
    """A connection as the sweep sees it. `deadline` is a tick."""

    deadline: int

    def expire(self) -> None: ...

    def close_when_idle(self) -> None: ...

    def abort(self) -> None: ...


class Listening:
    """Written to by its connections and by the one timer of its server, all on one event loop."""

    def __init__(
        self, handler: Handler, refuse: Refusal, body_limit: BodyLimit, limits: HttpLimits, clock: Clock
    ) -> None:
        self.handler = handler
        self.refuse = refuse
        self.body_limit = body_limit
        self.limits = limits
        self.connections: dict[Watched, None] = {}
        """In the order in which they came."""
        self.known_lines = KnownLines()
        self.arriving_bytes = 0
        self.closing = False
        self.tick = 0
        self._clock = clock
        self.date_line = self._date_line()

    def admit(self, connection: Watched) -> bool:
        if self.closing or len(self.connections) >= self.limits.connections:
            return False
        self.connections[connection] = None
        return True

    def forget(self, connection: Watched) -> None:
        self.connections.pop(connection, None)

    def sweep(self) -> None:
        """One tick: end what has been waited for too long."""
        self.tick += 1
        self.date_line = self._date_line()
        for connection in [one for one in self.connections if one.deadline <= self.tick]:
            connection.expire()

    def _date_line(self) -> str:
        return f"Date: {format_datetime(self._clock.now(), usegmt=True)}\r\n"
