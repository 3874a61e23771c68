"""Lines of functions as they are kept: JSON, each with its request id where it is known. Pure.

Log format on managed instances is JSON, and requests interleave in one stream. What a function prints as plain text is
wrapped, in the members that Lambda's own JSON lines have; what is a JSON object already stays as it is.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from paddock.ports.logs import LogLine
from paddock.wire.agent import LogRecord

_encode = msgspec.json.Encoder().encode
_is_json = msgspec.json.Decoder(msgspec.Raw)
_is_json_object = msgspec.json.Decoder(dict[str, msgspec.Raw])


def kept_line(record: LogRecord, *, plain: bool = False) -> LogLine:
    """`plain`: as it was written, which is how default Lambda keeps lines."""
    text = record.message.decode(errors="replace")
    if plain or _is_object(record.message):
        return LogLine(record.at_ms, text)
    wrapped: dict[str, Any] = {"timestamp": _timestamp(record.at_ms), "level": "INFO", "message": text}
    if record.request_id:
        wrapped["requestId"] = record.request_id
    return LogLine(record.at_ms, _encode(wrapped).decode())


def _is_object(message: bytes) -> bool:
    if not message.lstrip().startswith(b"{"):
        return False
    try:
        # Two records of the platform's come with every invocation: of ASCII text no member need be looked at.
        (_is_json if message.isascii() else _is_json_object).decode(message)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _timestamp(at_ms: int) -> str:
    at = datetime.fromtimestamp(at_ms / 1000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at_ms % 1000:03d}Z"
