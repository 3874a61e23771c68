"""Error documents as callers get them and as runtimes post them. Pure."""

from __future__ import annotations

import base64
import binascii
import json

_KEPT_MESSAGE = 1024
"""Characters of a posted init error's message that go into reports and states."""


def error_document(error_type: str, message: str) -> bytes:
    return json.dumps({"errorType": error_type, "errorMessage": message}).encode()


def decoded(error_body: str) -> bytes:
    """The document of an error trailer; empty when it is not base64."""
    try:
        return base64.b64decode(error_body, validate=True)
    except (binascii.Error, ValueError):
        return b""


def error_message(body: bytes) -> str:
    """`errorMessage` of an error document; empty when it is none."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    message = document.get("errorMessage") if isinstance(document, dict) else None
    return message[:_KEPT_MESSAGE] if isinstance(message, str) else ""
