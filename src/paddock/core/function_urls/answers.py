"""What a function answered as an HTTP answer: payload format 2.0, or inferred where no status code is given.

Source: AWS, "Invoking Lambda function URLs", response payload format. An answer that is none is `Malformed`, with the
reason; the caller sees 502.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

JSON_TYPE = "application/json"
BYTES_TYPE = "application/octet-stream"
OK = 200
LOWEST_STATUS, HIGHEST_STATUS = 200, 599
"""What ends a request; 1xx would be read as an interim answer, and the rest is no HTTP."""

_STATUS_TEXT = re.compile(r"[2-5]\d\d", re.ASCII)
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_OURS = frozenset(
    {"connection", "content-length", "date", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"}
    | {"x-amzn-requestid", "x-amzn-trace-id"}
)
"""Of the connection or of the platform, and not of the answer: whoever sends it writes them."""


@dataclass(frozen=True, slots=True)
class Malformed:
    reason: str


@dataclass(frozen=True, slots=True)
class AnswerHead:
    """`headers` have their cookies among them, and a content type only if the function named one."""

    status: int
    headers: tuple[tuple[str, str], ...]

    def with_content_type(self, content_type: str) -> AnswerHead:
        """This one where the function named none."""
        if any(name.lower() == "content-type" for name, _ in self.headers):
            return self
        return AnswerHead(self.status, (("Content-Type", content_type), *self.headers))


@dataclass(frozen=True, slots=True)
class Answer:
    head: AnswerHead
    body: bytes


def answer_of(payload: bytes) -> Answer | Malformed:
    """What a function returned, as its runtime encoded it."""
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError):
        return Malformed("the function's answer is not JSON")
    if not isinstance(value, dict) or "statusCode" not in value:
        # What says nothing of HTTP is the body of a 200; a string is its text, not its JSON.
        body = value.encode(errors="replace") if isinstance(value, str) else payload
        return Answer(AnswerHead(OK, (("Content-Type", JSON_TYPE),)), body)
    head = head_of(value)
    if isinstance(head, Malformed):
        return head
    body_or_not = _body(value)
    if isinstance(body_or_not, Malformed):
        return body_or_not
    return Answer(head.with_content_type(JSON_TYPE), body_or_not)


def head_of(document: Mapping[str, object]) -> AnswerHead | Malformed:
    """Of an answer in format 2.0, or of a stream's prelude: status, headers, cookies."""
    status = _status(document.get("statusCode", OK))
    if isinstance(status, Malformed):
        return status
    headers = _headers(document.get("headers"))
    if isinstance(headers, Malformed):
        return headers
    cookies = _cookies(document.get("cookies"))
    if isinstance(cookies, Malformed):
        return cookies
    return AnswerHead(status, headers + cookies)


def _status(value: object) -> int | Malformed:
    """A number, or its digits."""
    if isinstance(value, str) and _STATUS_TEXT.fullmatch(value):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not LOWEST_STATUS <= value <= HIGHEST_STATUS:
        return Malformed(f"statusCode is not a number from {LOWEST_STATUS} to {HIGHEST_STATUS}")
    return value


def _headers(value: object) -> tuple[tuple[str, str], ...] | Malformed:
    """Of names that differ in case alone the last is taken."""
    if value is None:
        return ()
    if not isinstance(value, dict):
        return Malformed("headers is not an object")
    found: dict[str, tuple[str, str]] = {}
    for name, given in value.items():
        text = _text(given)
        if text is None or _NAME.fullmatch(name) is None or _VALUE.fullmatch(text) is None:
            return Malformed(f"the header {name[:64]!r} is none that HTTP can carry")
        if name.lower() not in _OURS:
            found[name.lower()] = (name, text)
    return tuple(found.values())


def _cookies(value: object) -> tuple[tuple[str, str], ...] | Malformed:
    if value is None:
        return ()
    if not isinstance(value, list):
        return Malformed("cookies is not a list")
    cookies = []
    for cookie in value:
        if not isinstance(cookie, str) or _VALUE.fullmatch(cookie) is None:
            return Malformed("a cookie is none that HTTP can carry")
        cookies.append(("Set-Cookie", cookie))
    return tuple(cookies)


def _text(value: object) -> str | None:
    """Numbers and truths as JSON writes them."""
    if isinstance(value, str):
        return value
    return json.dumps(value) if isinstance(value, int | float) else None


def _body(document: Mapping[str, object]) -> bytes | Malformed:
    """A string; base64 of bytes where the answer says so; what is no string is sent as its JSON."""
    value = document.get("body")
    if value is None:
        return b""
    if not isinstance(value, str):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode(errors="replace")
    if document.get("isBase64Encoded") is not True:
        return value.encode(errors="replace")
    try:
        return base64.b64decode(value, validate=True)
    except (ValueError, binascii.Error):
        return Malformed("isBase64Encoded is true and the body is not base64")
