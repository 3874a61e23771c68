"""What an extension asks for when it subscribes to telemetry, and whether it may have it. Pure.

Two interfaces: the Telemetry API, and the Logs API before it, which Managed Instances do not have. Sources: Lambda
developer guide, "Telemetry API reference" and "Logs API"; AWS's open agent code for what Managed Instances accept.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import Enum

VALIDATION_ERROR = "ValidationError"
MANAGED_SCHEMA = "2025-01-29"
_FIRST_TELEMETRY_SCHEMA = "2022-07-01"
_JSON_LINES_SCHEMA = "2022-12-13"
_FIRST_LOGS_SCHEMA = "2020-08-15"
_RUNTIME_DONE_SCHEMA = "2021-03-18"
_URI = re.compile(r"http://(sandbox(?:\.localdomain)?)(?::(\d{1,5}))?([/?][!-~]*)?", re.IGNORECASE)
"""Of printable ASCII only: what goes into a request line must not be able to end it."""
_MAX_URI_CHARACTERS = 2048


class TelemetryApi(Enum):
    """The value begins the error types of each."""

    TELEMETRY = "Telemetry"
    LOGS = "Logs"


class Category(Enum):
    """What `types` of a subscription may hold."""

    PLATFORM = "platform"
    FUNCTION = "function"
    EXTENSION = "extension"


class InvalidSubscription(Exception):
    """Its text is for the extension."""


@dataclass(frozen=True, slots=True)
class Schema:
    """The shape of events. Dates, so a later one is a greater one."""

    api: TelemetryApi
    version: str

    @property
    def has_json_lines(self) -> bool:
        """A line that is a JSON object appears as one."""
        return self.api is TelemetryApi.TELEMETRY and self.version >= _JSON_LINES_SCHEMA

    @property
    def has_function_arn(self) -> bool:
        return self.version >= MANAGED_SCHEMA

    @property
    def has_runtime_done(self) -> bool:
        return self.version >= _RUNTIME_DONE_SCHEMA


@dataclass(frozen=True, slots=True)
class Buffering:
    """A batch is closed by whichever it reaches first."""

    max_items: int = 10_000
    max_bytes: int = 262_144
    timeout_ms: int = 1_000


@dataclass(frozen=True, slots=True)
class Destination:
    """A listener inside the environment. `target` is path and query; without a `method` it is plain TCP."""

    port: int
    method: str = ""
    authority: str = ""
    target: str = "/"


@dataclass(frozen=True, slots=True)
class Subscription:
    schema: Schema
    categories: tuple[Category, ...]
    destination: Destination
    buffering: Buffering


_BOUNDS = {
    "maxItems": (1_000, 10_000, Buffering().max_items),
    "maxBytes": (262_144, 1_048_576, Buffering().max_bytes),
    "timeoutMs": (25, 30_000, Buffering().timeout_ms),
}


def schema_versions(api: TelemetryApi, *, managed: bool) -> tuple[str, ...]:
    """What the API accepts; nothing where it is not there at all."""
    if api is TelemetryApi.LOGS:
        return () if managed else (_FIRST_LOGS_SCHEMA, _RUNTIME_DONE_SCHEMA)
    return (MANAGED_SCHEMA,) if managed else (_FIRST_TELEMETRY_SCHEMA, _JSON_LINES_SCHEMA, MANAGED_SCHEMA)


def parse_subscription(api: TelemetryApi, body: bytes, *, managed: bool) -> Subscription:
    """Raises `InvalidSubscription`."""
    request = _object(_parsed(body), "The request body")
    version = request.get("schemaVersion")
    known = schema_versions(api, managed=managed)
    if not isinstance(version, str) or version not in known:
        raise InvalidSubscription(f"schemaVersion must be one of: {', '.join(known)}")
    return Subscription(
        Schema(api, version),
        _categories(request.get("types")),
        _destination(api, _object(request.get("destination"), "destination")),
        _buffering(request.get("buffering")),
    )


def _parsed(body: bytes) -> object:
    try:
        parsed: object = json.loads(body)
    except (ValueError, RecursionError):
        raise InvalidSubscription("The request body is not valid JSON") from None
    return parsed


def _object(value: object, name: str) -> dict[str, object]:
    if not isinstance(value, dict):
        raise InvalidSubscription(f"{name} must be an object")
    return value


def _categories(value: object) -> tuple[Category, ...]:
    names = ", ".join(category.value for category in Category)
    if not isinstance(value, list) or not value:
        raise InvalidSubscription(f"types must hold at least one of: {names}")
    try:
        return tuple(dict.fromkeys(Category(name) for name in value))
    except (ValueError, TypeError):
        raise InvalidSubscription(f"types may hold only: {names}") from None


def _buffering(value: object) -> Buffering:
    if value is None:
        return Buffering()
    given = _object(value, "buffering")
    figures = []
    for name, (least, most, default) in _BOUNDS.items():
        figure = given.get(name)
        figure = default if figure is None else figure
        if not isinstance(figure, int) or isinstance(figure, bool) or not least <= figure <= most:
            raise InvalidSubscription(f"buffering.{name} must be a whole number from {least} to {most}")
        figures.append(figure)
    return Buffering(*figures)


def _destination(api: TelemetryApi, given: dict[str, object]) -> Destination:
    protocol = given.get("protocol")
    if protocol == "TCP":
        port = given.get("port")
        if not isinstance(port, int) or isinstance(port, bool) or not _is_port(port):
            raise InvalidSubscription("destination.port must be a port number")
        return Destination(port)
    if protocol != "HTTP":
        raise InvalidSubscription("destination.protocol must be HTTP or TCP")
    method = "POST"
    if api is TelemetryApi.LOGS:
        method = str(given.get("method") or method)
        if method not in {"POST", "PUT"}:
            raise InvalidSubscription("destination.method must be POST or PUT")
        if given.get("encoding") not in {None, "JSON"}:
            raise InvalidSubscription("destination.encoding must be JSON")
    return _http_destination(method, given.get("URI"))


def _http_destination(method: str, uri: object) -> Destination:
    match = _URI.fullmatch(uri) if isinstance(uri, str) and len(uri) <= _MAX_URI_CHARACTERS else None
    port = int(match[2] or 80) if match is not None else 0
    if match is None or not _is_port(port):
        raise InvalidSubscription("destination.URI must begin with http://sandbox.localdomain:<port>")
    target: str = (match[3] or "").partition("#")[0]
    return Destination(port, method, f"{match[1].lower()}:{port}", target if target.startswith("/") else f"/{target}")


def _is_port(number: int) -> bool:
    return 0 < number < 65_536
