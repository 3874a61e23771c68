"""AWS event stream messages, in which `InvokeWithResponseStream` answers.

A message is lengths and their CRC, headers, payload, CRC of all (format: "Amazon event stream encoding").
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from zlib import crc32

import msgspec

CONTENT_TYPE = "application/vnd.amazon.eventstream"

_PRELUDE = struct.Struct("!II")
_CRC = struct.Struct("!I")
_STRING = 7
"""The type of a header value that is text; the only one Lambda uses."""

_PRELUDE_AND_CRCS_BYTES = 16


def message(headers: Mapping[str, str], payload: bytes) -> bytes:
    block = b"".join(
        struct.pack("!B", len(name)) + name.encode() + struct.pack("!BH", _STRING, len(text.encode())) + text.encode()
        for name, text in headers.items()
    )
    prelude = _PRELUDE.pack(len(block) + len(payload) + _PRELUDE_AND_CRCS_BYTES, len(block))
    checked = prelude + _CRC.pack(crc32(prelude))
    return b"".join((checked, block, payload, _CRC.pack(crc32(payload, crc32(block, crc32(checked))))))


def payload_chunk(payload: bytes) -> bytes:
    """One piece of what the function streams."""
    return message(
        {":message-type": "event", ":event-type": "PayloadChunk", ":content-type": "application/octet-stream"}, payload
    )


def invoke_complete(
    error_code: str | None = None, error_details: str | None = None, log_result: str | None = None
) -> bytes:
    """The end of the stream, with the function's error if it failed on the way, and the end of its log if asked for."""
    members = {"ErrorCode": error_code, "ErrorDetails": error_details, "LogResult": log_result or None}
    document = {name: value for name, value in members.items() if value is not None}
    return message(
        {":message-type": "event", ":event-type": "InvokeComplete", ":content-type": "application/json"},
        msgspec.json.encode(document),
    )
