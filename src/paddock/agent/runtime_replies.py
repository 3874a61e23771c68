"""What the Runtime API answers, as bytes ready to be written. Sources: AWS's open agent code; developer guide."""

from __future__ import annotations

import json
from functools import cache

_REASONS = {
    200: "OK",
    202: "Accepted",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    410: "Gone",
    413: "Request Entity Too Large",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
}
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def reply(status: int, body: bytes, content_type: str = "application/json", more: str = "") -> bytes:
    """`more` are whole header lines."""
    described = f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n{more}"
    return f"HTTP/1.1 {status} {_REASONS[status]}\r\n{described}\r\n".encode() + body


@cache
def refusal(status: int, error_type: str, message: str) -> bytes:
    """Callers pass constants only, so that the cache stays small."""
    return reply(status, json.dumps({"errorMessage": message, "errorType": error_type}).encode())


ACCEPTED = reply(202, b'{"status":"OK"}\n')
PONG = reply(200, b"pong", "text/plain")
NOT_FOUND = reply(404, b"404 page not found\n", "text/plain")
METHOD_NOT_ALLOWED = reply(405, b"")
"""As AWS's agent, whose router answers unknown paths and methods without an error document."""
MALFORMED = refusal(400, "InvalidRequest", "Malformed HTTP request")
HEAD_TOO_LARGE = refusal(431, "RequestHeaderFieldsTooLarge", "Request headers are too large")
TRUNCATED = refusal(400, "TruncatedHTTPRequest", "HTTP request truncated")
INVALID_RESPONSE_MODE = refusal(400, "InvalidFunctionResponseMode", "Invalid function response mode")
INVALID_REQUEST_ID = refusal(400, "InvalidRequestID", "Invalid request ID")
TOO_LARGE = refusal(413, "RequestEntityTooLarge", "Exceeded maximum allowed payload size (6291556 bytes).")
ERROR_TOO_LARGE = refusal(413, "RequestEntityTooLarge", "Exceeded maximum allowed payload size (1048576 bytes).")
TOO_MANY_POLLS = refusal(500, "Runtime.TooManyIdleRuntimes", "Too many idle runtimes")
UNAUTHORIZED = refusal(401, "Unauthorized", "The authorization token is missing or wrong.")
ONLY_GET = reply(405, b"", more="Allow: GET\r\n")
NO_CREDENTIALS = refusal(500, "InternalServerError", "There are no credentials yet.")
