"""The headers of runtimes' and extensions' requests that anybody looks at, and what they say. Pure."""

from __future__ import annotations

from collections.abc import Mapping

KEPT_HEADERS = {
    b"content-length",
    b"content-type",
    b"expect",
    b"lambda-extension-accept-feature",
    b"lambda-extension-function-error-type",
    b"lambda-extension-identifier",
    b"lambda-extension-name",
    b"user-agent",
    b"lambda-runtime-function-error-type",
    b"lambda-runtime-function-error-body",
    b"lambda-runtime-function-response-mode",
    b"lambda-runtime-function-xray-error-cause",
    b"lambda-runtime-invocation-id",
}
_MAX_VALUE_BYTES = 1024
"""Of a content type or an error type that is passed on: what is longer is no name, and a frame's header is bounded."""
_MAX_USER_AGENT_BYTES = 128
"""As much as AWS's agent keeps of it."""


def header(headers: Mapping[bytes, bytes], name: bytes, default: str = "") -> str:
    value = headers.get(name)
    return default if value is None else value[:_MAX_VALUE_BYTES].decode("latin-1")


def document(headers: Mapping[bytes, bytes], name: bytes) -> str:
    """Of one that may be long."""
    return headers.get(name, b"").decode("latin-1")


def content_length(headers: Mapping[bytes, bytes]) -> int:
    value = headers.get(b"content-length", b"0")
    return int(value) if value.isdigit() else 0


def user_agent(headers: Mapping[bytes, bytes]) -> str:
    return headers.get(b"user-agent", b"")[:_MAX_USER_AGENT_BYTES].decode("latin-1")


def posted_error_type(headers: Mapping[bytes, bytes]) -> str:
    return header(headers, b"lambda-runtime-function-error-type")
