"""What the front refuses before it looks at an operation, in AWS's words; among it bodies, by how long they may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from paddock.awsapi.limits import MIB
from paddock.awsapi.messages import Request
from paddock.model.errors import ApiError, PlatformError

ANY_BODY_BYTES = 6 * MIB
"""What no rule below is about: the largest honest ones are layers' and logs' batches, far below."""

CODE_BODY_BYTES = 70_167_211
"""AWS's: 50 MB of ZIP as base64, and what is around it."""

INVOKE_BODY_BYTES = 6 * MIB + 100
INVOKE_NAMED_BYTES = 6 * MIB
"""AWS takes a little more than its error names."""


class BodyRule(NamedTuple):
    """`named_bytes` and `operation` are what the error says."""

    method: str
    start: str
    end: str
    limit_bytes: int
    named_bytes: int
    operation: str


BODY_RULES = (
    BodyRule("POST", "/2015-03-31/functions/", "/invocations", INVOKE_BODY_BYTES, INVOKE_NAMED_BYTES, "InvokeFunction"),
    BodyRule("POST", "/2021-11-15/functions/", "", INVOKE_BODY_BYTES, INVOKE_NAMED_BYTES, "InvokeFunction"),
    BodyRule("POST", "/2015-03-31/functions", "/functions", CODE_BODY_BYTES, CODE_BODY_BYTES, "CreateFunction"),
    BodyRule("PUT", "/2015-03-31/functions/", "/code", CODE_BODY_BYTES, CODE_BODY_BYTES, "UpdateFunctionCode"),
    BodyRule("POST", "/2018-10-31/layers/", "/versions", CODE_BODY_BYTES, CODE_BODY_BYTES, "PublishLayerVersion"),
)

_MALFORMED = {
    400: "The request is not well-formed HTTP",
    417: "Only 100-continue can be expected",
    431: "The request line and headers are too large",
    505: "Only HTTP/1.1 and HTTP/1.0 are spoken here",
}


def body_limit(method: str, path: str, _headers: Mapping[bytes, bytes]) -> int:
    rule = _rule(method, path)
    return ANY_BODY_BYTES if rule is None else rule.limit_bytes


def error_for(status: int, request: Request) -> ApiError:
    """The error behind a status with which the HTTP server refuses a request."""
    if status == 413:
        return _too_large(request)
    if status == 408:
        return ApiError("RequestTimeoutException", "The request took too long to arrive", status=status)
    if status == 503:
        return ApiError("ServiceUnavailableException", "Too busy to take this request; try again", status=status)
    if status in _MALFORMED:
        return ApiError("MalformedHttpRequestException", _MALFORMED[status], status=status)
    return PlatformError("An internal failure occurred")


def too_busy() -> ApiError:
    members = {"Reason": "CallerRateLimitExceeded", "Type": "User", "retryAfterSeconds": "1"}
    return ApiError("TooManyRequestsException", "Rate exceeded", status=429, members=members)


def _too_large(request: Request) -> ApiError:
    rule = _rule(request.method, request.path)
    text = f"Request must be smaller than {ANY_BODY_BYTES if rule is None else rule.named_bytes} bytes"
    if rule is not None:
        text += f" for the {rule.operation} operation"
    return ApiError("RequestEntityTooLargeException", text, status=413)


def _rule(method: str, path: str) -> BodyRule | None:
    path = path.rstrip("/")
    for rule in BODY_RULES:
        if method == rule.method and path.startswith(rule.start) and path.endswith(rule.end):
            return rule
    return None
