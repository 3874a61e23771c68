"""What an event looks like to a subscriber: the envelope, and where the schemas differ. Pure.

An event is kept in the form in which it was made until it is known who wants it: an older schema has fewer of them and
less in them. Sources: Lambda developer guide, "Telemetry API event schema reference", "Logs API reference".
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from paddock.core.environment.telemetry import Category, Schema, TelemetryApi

LOGS_DROPPED_REASON = "Some logs could not be delivered to the subscriber in time."
_TELEMETRY = TelemetryApi.TELEMETRY
_OF_BOTH_APIS = {"platform.start", "platform.runtimeDone", "platform.report", "platform.extension"}
_OF_LOGS_API = {*_OF_BOTH_APIS, "platform.end", "platform.fault", "platform.logsSubscription"}
_ONLY_LOGS_API = _OF_LOGS_API - _OF_BOTH_APIS
_LOGS_FIELDS = {
    "platform.start": ("requestId", "version"),
    "platform.runtimeDone": ("requestId", "status"),
    "platform.report": ("requestId", "metrics", "tracing"),
    "platform.extension": ("name", "state", "events"),
}
"""What the records of the Logs API hold of those of the Telemetry API."""


@dataclass(frozen=True, slots=True)
class ReadyEvent:
    """A platform event of Managed Instances, which know one schema only: the JSON that is logged as well."""

    text: bytes

    @property
    def category(self) -> Category:
        return Category.PLATFORM

    @property
    def size(self) -> int:
        return len(self.text)

    def shaped(self, schema: Schema, *, json_logs: bool) -> bytes:
        return self.text


@dataclass(frozen=True, slots=True)
class PlatformEvent:
    """A platform event of default Lambda, with all that any schema tells of it. `time` is ISO 8601."""

    time: str
    name: str
    record: Mapping[str, object] | str

    @property
    def category(self) -> Category:
        return Category.PLATFORM

    @property
    def size(self) -> int:
        return len(self.shaped(Schema(_TELEMETRY, "9999"), json_logs=False) or b"")

    def shaped(self, schema: Schema, *, json_logs: bool) -> bytes | None:
        """None when the schema has no such event."""
        if not _knows(schema, self.name):
            return None
        record = self.record
        if not isinstance(record, str):
            if schema.api is TelemetryApi.LOGS and self.name in _LOGS_FIELDS:
                record = {name: _of_logs_api(record[name]) for name in _LOGS_FIELDS[self.name] if name in record}
            elif not schema.has_function_arn:
                record = {name: value for name, value in record.items() if name != "functionArn"}
        return envelope(self.time, self.name, _json(record))


@dataclass(frozen=True, slots=True)
class LineEvent:
    """A line of the function's or of an extension's output, as it was read."""

    category: Category
    time: str
    line: bytes

    @property
    def size(self) -> int:
        return len(self.line)

    def shaped(self, schema: Schema, *, json_logs: bool) -> bytes:
        """`json_logs`: the function's log format is JSON."""
        if json_logs and schema.has_json_lines and is_json_object(self.line):
            record = self.line.strip()
        else:
            record = _json(self.line.decode("utf-8", "replace"))
        return envelope(self.time, self.category.value, record)


TelemetryEvent = ReadyEvent | PlatformEvent | LineEvent


def envelope(time: str, name: str, record: bytes) -> bytes:
    return b'{"time":"%b","type":"%b","record":%b}' % (time.encode(), name.encode(), record)


def logs_dropped(time: str, records: int, dropped_bytes: int) -> bytes:
    """For the subscriber that did not get them."""
    record = {"reason": LOGS_DROPPED_REASON, "droppedRecords": records, "droppedBytes": dropped_bytes}
    return envelope(time, "platform.logsDropped", _json(record))


def subscription_event(api: TelemetryApi) -> str:
    return "platform.telemetrySubscription" if api is _TELEMETRY else "platform.logsSubscription"


def as_array(events: Sequence[bytes]) -> bytes:
    """The body of a delivery by HTTP."""
    return b"[" + b",".join(events) + b"]"


def as_lines(events: Sequence[bytes]) -> bytes:
    """What goes over TCP."""
    return b"\n".join(events) + b"\n"


def is_json_object(line: bytes) -> bool:
    """Only what every JSON parser takes: a line is passed on as it is, into a document that others must read."""
    if not line.lstrip().startswith(b"{"):
        return False
    try:
        parsed: object = json.loads(line.decode(), parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False
    return isinstance(parsed, dict)


def _of_logs_api(field: object) -> object:
    """Its traces have no span."""
    if isinstance(field, dict):
        return {name: value for name, value in field.items() if name != "spanId"}
    return field


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _knows(schema: Schema, name: str) -> bool:
    if schema.api is TelemetryApi.LOGS:
        return name in _OF_LOGS_API and (name != "platform.runtimeDone" or schema.has_runtime_done)
    return name not in _ONLY_LOGS_API


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
