"""The Extensions API of one environment: what its extensions ask over HTTP, and the events they wait for.

Who may do what is decided in `core.environment.extensions`; how processes are started and ended is not known here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from paddock.agent import runtime_replies as replies
from paddock.agent.extension_request import ExtensionRequest
from paddock.agent.telemetry import TelemetryHub
from paddock.agent.telemetry_routes import put_subscription, subscription_api
from paddock.core.environment import extensions as rules
from paddock.core.environment.extensions import Extension, ExtensionEvent, Extensions, Fatal, Refused

if TYPE_CHECKING:
    from paddock.agent.runtime_api import RuntimeConnection

_PREFIX = b"/2020-01-01/extension/"
_IDENTIFIER = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_JSON_HEAD = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
_ACCOUNT_ID = "accountId"

Asks = bytes | None
"""A reply, or None for a poll that stays open."""


@dataclass(frozen=True, slots=True)
class RegisteredFunction:
    """What an extension is told of its function. `account_id` only if it asks."""

    name: str
    version: str
    handler: str
    account_id: str


class ExtensionApi:
    """`changed` is called after whatever init, or an invocation on default Lambda, may have waited for; `failed` with
    the first reason why an extension cannot go on.
    """

    def __init__(
        self,
        extensions: Extensions[RuntimeConnection],
        function: RegisteredFunction,
        new_identifier: Callable[[], str],
        changed: Callable[[], None],
        failed: Callable[[Fatal], None],
    ) -> None:
        self.telemetry: TelemetryHub | None = None
        self.extensions = extensions
        self._function = function
        self._new_identifier = new_identifier
        self._changed = changed
        self._failed = failed
        self._routes = {
            _PREFIX + b"register": (b"POST", self._register),
            _PREFIX + b"event/next": (b"GET", self._next),
            _PREFIX + b"init/error": (b"POST", self._init_error),
            _PREFIX + b"exit/error": (b"POST", self._exit_error),
        }

    def answer(self, connection: RuntimeConnection, request: ExtensionRequest) -> Asks:
        method, handle = self._routes.get(request.path, (b"", None))
        if handle is None:
            return self._subscription(request)
        return handle(connection, request) if request.method == method else replies.METHOD_NOT_ALLOWED

    def _subscription(self, request: ExtensionRequest) -> bytes:
        api = subscription_api(request.path, managed=self.extensions.managed)
        if api is None or self.telemetry is None:
            return replies.NOT_FOUND
        if request.method != b"PUT":
            return replies.METHOD_NOT_ALLOWED
        extension = self.identified(request)
        if isinstance(extension, Refused):
            return _refused(extension)
        return put_subscription(self.telemetry, api, extension.name, request.body)

    def identified(self, request: ExtensionRequest) -> Refused | Extension[RuntimeConnection]:
        identifier = request.header(b"lambda-extension-identifier")
        if not identifier:
            return rules.MISSING_IDENTIFIER
        if not _IDENTIFIER.fullmatch(identifier):
            return rules.INVALID_IDENTIFIER
        return self.extensions.find(identifier.lower())

    def disconnected(self, connection: RuntimeConnection) -> None:
        self.extensions.poll_lost(connection)

    # Requests

    def _register(self, _: RuntimeConnection, request: ExtensionRequest) -> Asks:
        name = request.header(b"lambda-extension-name")
        events = _events(request.body)
        if events is None and name:
            return _refused(rules.INVALID_FORMAT)
        registered = self.extensions.register(name, events or (), self._new_identifier())
        if isinstance(registered, Refused):
            return _refused(registered)
        function = self._function
        document = {
            "functionName": function.name,
            "functionVersion": function.version,
            "handler": function.handler,
        }
        features = {one.strip() for one in request.header(b"lambda-extension-accept-feature").split(",")}
        if _ACCOUNT_ID in features:
            document[_ACCOUNT_ID] = function.account_id
        identifier = f"Lambda-Extension-Identifier: {registered.identifier}\r\n"
        reply = replies.reply(200, json.dumps(document).encode(), more=identifier)
        self._changed()
        return reply

    def _next(self, connection: RuntimeConnection, request: ExtensionRequest) -> Asks:
        extension = self.identified(request)
        if isinstance(extension, Refused):
            return _refused(extension)
        asked = self.extensions.ask(extension, connection)
        if isinstance(asked, Refused):
            return _refused(asked)
        if asked is not None:
            return _head(asked, extension.identifier if not self.extensions.managed else "") + asked
        self._changed()
        return None

    def _init_error(self, _: RuntimeConnection, request: ExtensionRequest) -> Asks:
        return self._error(request, init=True)

    def _exit_error(self, _: RuntimeConnection, request: ExtensionRequest) -> Asks:
        return self._error(request, init=False)

    def _error(self, request: ExtensionRequest, *, init: bool) -> bytes:
        extension = self.identified(request)
        if isinstance(extension, Refused):
            return _refused(extension)
        error_type = request.header(b"lambda-extension-function-error-type")
        if not error_type:
            return _refused(rules.MISSING_ERROR_TYPE)
        refused = self.extensions.failed(extension, error_type, init=init)
        if refused is not None:
            return _refused(refused)
        if self.extensions.fatal is not None:
            self._failed(self.extensions.fatal)
        return replies.ACCEPTED

    # Events

    def invoked(self, invocation_id: str, arn: str, deadline_ms: int, trace_header: str) -> None:
        """On default Lambda only."""
        document = {
            "eventType": ExtensionEvent.INVOKE,
            "deadlineMs": deadline_ms,
            "requestId": invocation_id,
            "invokedFunctionArn": arn,
            "tracing": {"type": "X-Amzn-Trace-Id", "value": trace_header},
        }
        self._give(ExtensionEvent.INVOKE, document)

    def shut_down(self, reason: str, deadline_ms: int) -> None:
        document = {"eventType": ExtensionEvent.SHUTDOWN, "shutdownReason": reason, "deadlineMs": deadline_ms}
        self._give(ExtensionEvent.SHUTDOWN, document)

    def _give(self, kind: ExtensionEvent, document: dict[str, object]) -> None:
        event = json.dumps(document, separators=(",", ":")).encode()
        for delivery in self.extensions.give(kind, event):
            if not delivery.poll.gone:
                identifier = "" if self.extensions.managed else delivery.identifier
                delivery.poll.deliver(_head(event, identifier), event)


def _events(body: bytes) -> tuple[str, ...] | None:
    """None when the body is not what a registration looks like."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict) or document.get("configurationKeys"):
        return None
    events = document.get("events") or []
    if not isinstance(events, list) or not all(isinstance(event, str) for event in events):
        return None
    return tuple(events)


def _refused(refused: Refused) -> bytes:
    document = {"errorMessage": refused.message, "errorType": refused.error_type}
    return replies.reply(refused.status, json.dumps(document).encode())


def _head(event: bytes, identifier: str) -> bytes:
    """Default Lambda names the extension in each event."""
    more = f"Lambda-Extension-Event-Identifier: {identifier}\r\n" if identifier else ""
    return f"{_JSON_HEAD}Content-Length: {len(event)}\r\n{more}\r\n".encode()
