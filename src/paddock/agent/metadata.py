"""Two small endpoints on the loopback for the functions of an instance: where they run, and their credentials.

Source: Lambda developer guide, "Metadata endpoint"; AWS SDK reference, "Container credential provider". Each
environment has a token of its own and the same answers for its life. Not on the way of any invocation: one request, one
answer, one connection.
"""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import httptools

from paddock.agent import runtime_replies as replies
from paddock.agent.credentials import FunctionCredentials
from paddock.agent.limits import ENDPOINT_CONNECTIONS, ENDPOINT_HEAD_BYTES, ENDPOINT_SECONDS

METADATA_PATH = b"/2026-01-15/metadata/execution-environment"
CREDENTIALS_PATH = b"/2021-04-23/credentials"
"""As on default Lambda, where SnapStart needs one."""
_TOKEN_DIGITS = 64
_LOOPBACK = "127.0.0.1"
_METADATA_CACHE = "Cache-Control: private, max-age=43200, immutable\r\n"
_NO_CACHE = "Cache-Control: no-store\r\n"


@dataclass(frozen=True, slots=True)
class EndpointAccess:
    """What one environment is told: `api` is host:port, the token is a secret."""

    api: str
    token: str = field(repr=False)

    @property
    def credentials_url(self) -> str:
        return f"http://{self.api}{CREDENTIALS_PATH.decode()}"


class InstanceEndpoints:
    """One listener for all environments, opened with the first. `hex_digits` makes secrets; each token begins with
    `token_beginning`, which is none.
    """

    def __init__(
        self,
        zone_id: str,
        credentials: FunctionCredentials,
        epoch_seconds: Callable[[], float],
        hex_digits: Callable[[int], str],
        token_beginning: str = "",
    ) -> None:
        self._connections: dict[EndpointConnection, None] = {}
        self._zone = json.dumps({"AvailabilityZoneID": zone_id}).encode()
        self._credentials = credentials
        self._epoch_seconds = epoch_seconds
        self._hex_digits = hex_digits
        self._token_beginning = token_beginning
        self._tokens: dict[str, bytes] = {}
        self._opening = asyncio.Lock()
        self._server: asyncio.Server | None = None

    async def admit(self, environment_id: str) -> EndpointAccess:
        """Raises `OSError` when there is no port to be had."""
        async with self._opening:
            if self._server is None:
                loop = asyncio.get_running_loop()
                self._server = await loop.create_server(lambda: EndpointConnection(self), _LOOPBACK, 0)
        host, port = self._server.sockets[0].getsockname()[:2]
        token = self._token_beginning + self._hex_digits(_TOKEN_DIGITS)
        self._tokens[environment_id] = token.encode()
        return EndpointAccess(f"{host}:{port}", token)

    def forget(self, environment_id: str) -> None:
        """Its token opens nothing any more."""
        self._tokens.pop(environment_id, None)

    def close(self) -> None:
        if self._server is not None:
            self._server.close()

    def opened(self, connection: EndpointConnection) -> None:
        """When there are too many the oldest has to go: who asks is answered at once, who stays does not ask."""
        self._connections[connection] = None
        if len(self._connections) > ENDPOINT_CONNECTIONS:
            next(iter(self._connections)).abort()

    def closed(self, connection: EndpointConnection) -> None:
        self._connections.pop(connection, None)

    def answer(self, method: bytes, path: bytes, authorization: bytes) -> bytes:
        if path == METADATA_PATH:
            allowed, body, cache = self._knows(authorization.removeprefix(b"Bearer ")), self._zone, _METADATA_CACHE
            allowed = allowed and authorization.startswith(b"Bearer ")
        elif path == CREDENTIALS_PATH:
            allowed = self._knows(authorization)
            body = self._credentials.document(self._epoch_seconds()) or b""
            cache = _NO_CACHE
        else:
            return replies.NOT_FOUND
        if method != b"GET":
            return replies.ONLY_GET
        if not allowed:
            return replies.UNAUTHORIZED
        return replies.reply(200, body, more=cache) if body else replies.NO_CREDENTIALS

    def _knows(self, token: bytes) -> bool:
        return any(hmac.compare_digest(token, known) for known in self._tokens.values())


class EndpointConnection(asyncio.Protocol):
    def __init__(self, endpoints: InstanceEndpoints) -> None:
        self._endpoints = endpoints
        self._parser = httptools.HttpRequestParser(self)
        self._received = 0
        self._path = b""
        self._authorization = b""
        self._transport: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._deadline = asyncio.get_running_loop().call_later(ENDPOINT_SECONDS, self.abort)
        self._endpoints.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._endpoints.closed(self)
        if self._deadline is not None:
            self._deadline.cancel()
        self._transport = None

    def abort(self) -> None:
        self._endpoints.closed(self)
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        if self._received > ENDPOINT_HEAD_BYTES:
            self._close_with(replies.HEAD_TOO_LARGE)
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._close_with(replies.MALFORMED)

    def _close_with(self, reply: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(reply)
            self._transport.close()

    # What the parser calls

    def on_url(self, url: bytes) -> None:
        self._path += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"authorization":
            self._authorization = value

    def on_headers_complete(self) -> None:
        """A body, should there be one, interests nobody."""
        self._close_with(self._endpoints.answer(self._parser.get_method(), self._path, self._authorization))
