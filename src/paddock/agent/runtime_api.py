"""The Runtime API of one execution environment: HTTP on one connection of its runtime.

Decides nothing about invocations. A poll stays open until there is an event; it is never answered with an error and
never closed by us while the environment lives, because clients lose their worker over it. The bytes of a client's poll
never change, and those of its answers hardly: after the first one they are recognised without being parsed.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, cast

import httptools

from paddock.agent import runtime_replies as replies
from paddock.agent.extension_request import ExtensionRequest
from paddock.agent.known_answers import HEADS_LEARNED, HELD_BYTES, KnownHead, known_head
from paddock.agent.limits import JOINED_EVENT_BYTES, MAX_HEAD_BYTES, MAX_POLL_BYTES
from paddock.agent.runtime_headers import header
from paddock.agent.runtime_requests import BYTES, RuntimeRequests
from paddock.agent.runtime_routes import Route
from paddock.core.environment import Invocation, Rejection

if TYPE_CHECKING:
    from paddock.agent.calls import Call
    from paddock.agent.doorkeeper import Doorkeeper
    from paddock.agent.runtime_environment import RuntimeApi

_LOG = logging.getLogger("paddock.agent")


class RuntimeConnection(RuntimeRequests):
    """`last_invocation_id` is what was delivered here last, for the log lines of its process."""

    def __init__(self, api: RuntimeApi, doorkeeper: Doorkeeper | None = None) -> None:
        super().__init__(api)
        self.peer_port = 0
        self.last_invocation_id = ""
        self._doorkeeper = doorkeeper
        self._poll_request = b""
        self._known_head: KnownHead | None = None
        self._heads_learned = 0
        self._held = b""
        self._delivered: Invocation[Call, RuntimeConnection] | None = None

    # The connection

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self.peer_port = peer[1] if peer else 0
        if self._doorkeeper is not None and not self._doorkeeper.admits(transport):
            self._transport.abort()
        elif not self._api.admits(self):
            transport.close()

    @property
    def silent(self) -> bool:
        """Nothing was ever asked on it."""
        return not self._completed and self._between_requests

    def data_received(self, data: bytes) -> None:
        if self._between_requests and not self._polling:
            if data == self._poll_request:
                self._polling = True
                self._api.polled(self)
                return
            if self._known_head is not None and self._take_known(self._known_head, data):
                return
        self._parse(data)

    def _take_known(self, head: KnownHead, data: bytes) -> bool:
        """An answer like the last one, at once if it is whole; one whose body is still to come is held until then."""
        held = self._held
        if held:
            self._held = b""
            data = held + data
        delivered = self._delivered
        if delivered is not None:
            # Most clients answer where they polled, and then it is known what an answer begins with.
            own = head.read_own(data, delivered.invocation_id, delivered.nonce)
            if own is not None and own[1] == len(data):
                reply = self._api.respond_at_once(delivered, head.content_type, data[own[0] :])
                if reply is not None:
                    self._delivered = None
                    self._write(reply)
                    return True
            elif own is not None and self._hold(data, own[1], held=held):
                return True
        known = head.read(data)
        if known is not None and known.end == len(data):
            begun = self._api.begin_response(known.invocation_id, known.nonce, streaming=False)
            if isinstance(begun, Rejection):
                self._write(self._api.rejected(begun))
            else:
                self._write(self._api.respond(begun, head.content_type, [data[known.body_at :]]))
            return True
        if known is not None and self._hold(data, known.end, held=held):
            return True
        if held:
            self._parse(data)
        return bool(held)

    def _hold(self, data: bytes, end: int, *, held: bytes) -> bool:
        if held or not len(data) < end < HELD_BYTES:
            return False
        self._held = data
        return True

    def _parse_held(self) -> None:
        """What was held is not going to be an answer like the last one."""
        held, self._held = self._held, b""
        if held:
            self._parse(held)

    def _parse(self, data: bytes) -> None:
        alone = self._between_requests
        completed = self._completed
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._break_off(replies.MALFORMED)
            return
        except httptools.HttpParserCallbackError:
            _LOG.exception("a request of a runtime could not be handled")
            self._break_off(self._end_badly() or replies.MALFORMED)
            return
        except httptools.HttpParserError:
            self._break_off(self._end_badly() or replies.MALFORMED)
            return
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._break_off(replies.HEAD_TOO_LARGE)
        elif alone:
            self._learn(data, whole=self._between_requests and self._completed == completed + 1)

    def _learn(self, data: bytes, *, whole: bool) -> None:
        """From what has just begun a request, and perhaps ended it."""
        if self._polling and whole:
            plain = self._route is Route.NEXT and len(data) <= MAX_POLL_BYTES
            self._poll_request = data if plain else b""
        elif self._route is Route.RESPONSE and self._collected is not None and self._heads_learned < HEADS_LEARNED:
            self._heads_learned += 1
            self._known_head = known_head(data, header(self._headers, b"content-type", BYTES))

    def eof_received(self) -> None:
        """The runtime has no more to say; a request that breaks off here is answered, then the transport closes."""
        self._parse_held()
        reply = self._end_badly()
        if reply is not None:
            self._write(reply)

    def connection_lost(self, exc: Exception | None) -> None:
        self._parse_held()
        self._end_badly()
        self._transport = None
        self._polling = False
        self._api.disconnected(self)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _polled(self) -> None:
        self._api.polled(self)

    def _asked_by_extension(self, asked: ExtensionRequest) -> bytes | None:
        return self._api.asked_by_extension(self, asked)

    # What the environment answers polls with

    def deliver(self, head: bytes, piece: bytes) -> None:
        """To an extension."""
        assert self._transport is not None
        self._polling = False
        self._transport.write(head + piece)

    def deliver_event(self, invocation: Invocation[Call, RuntimeConnection], head: bytes, pieces: list[bytes]) -> bool:
        """False when the poll has gone."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return False
        self._delivered = invocation
        self.last_invocation_id = invocation.invocation_id
        self._polling = False
        if len(pieces) == 1 and len(pieces[0]) < JOINED_EVENT_BYTES:
            transport.write(head + pieces[0])
        else:
            transport.writelines([head, *pieces])
        return True

    def refuse_poll(self) -> None:
        self._polling = False
        self._write(replies.TOO_MANY_POLLS)
