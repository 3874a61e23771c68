"""So many requests in one turn of the event loop, and no more: the rest wait for the next turns, in order.

A loop that is handed a thousand requests at once would work on them for tens of milliseconds before it looked at
anything else, also at the answers that would free the slots those requests are waiting for. With a bound on one turn
the answers are never far away, and a server that is offered twenty times what it can do still does what it can.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque

from paddock.awsapi.listening import refuse_plainly
from paddock.awsapi.messages import Handler, Request, Responder

log = logging.getLogger(__name__)

REQUESTS_PER_TURN = 8
"""About 0.5 ms of work, and a few when the processor is shared: what an answer may have to wait for behind requests.

With a thousand callers on 16 slots of 20 ms, 8 keep nine tenths of the goodput, 32 a quarter, no bound a tenth.
"""


class Turns:
    """Stands before a handler. What waits is bounded by the connections, each of which has one request in work."""

    def __init__(self, handler: Handler, requests_per_turn: int = REQUESTS_PER_TURN) -> None:
        self._handler = handler
        self._per_turn = requests_per_turn
        self._loop = asyncio.get_running_loop()
        self._turn = -1.0
        self._taken = 0
        self._waiting: deque[tuple[Request, Responder]] = deque()

    def handle(self, request: Request, responder: Responder) -> None:
        now = self._loop.time()  # uvloop's stands still within a turn
        if now != self._turn:
            self._turn = now
            self._taken = 0
        if self._taken < self._per_turn and not self._waiting:
            self._taken += 1
            self._handler(request, responder)
            return
        if not self._waiting:
            self._loop.call_soon(self._next)
        self._waiting.append((request, responder))

    def _next(self) -> None:
        for _ in range(min(self._per_turn, len(self._waiting))):
            request, responder = self._waiting.popleft()
            if not responder.closed:
                self._handle_late(request, responder)
        if self._waiting:
            self._loop.call_soon(self._next)

    def _handle_late(self, request: Request, responder: Responder) -> None:
        """Here no connection stands around the handler to answer for one that fails."""
        try:
            self._handler(request, responder)
        except Exception:
            log.exception("a handler failed on %s %s", request.method, request.path)
            if not responder.closed:
                refuse_plainly(request, responder, 500)
