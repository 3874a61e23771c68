"""Takes a plain request apart by looking its lines up: most of what a client sends are the lines of its last request.

Only a request that has come whole, and whose every line is beyond doubt: else the parser decides. What is taken here is
what the parser would have made of it. It knows neither connections nor what is asked for.
"""

from __future__ import annotations

import re
from typing import TypeVar

from paddock.awsapi.messages import Request

LINES_REMEMBERED = 512
LONGEST_REMEMBERED_BYTES = 2048
"""Together a few megabytes at most. A session token is a line of up to a kilobyte, and the same for hours."""
LONGEST_HEAD_BYTES = 8192

_START = re.compile(rb"(DELETE|GET|PATCH|POST|PUT) ((/[\w.~%$:@+=,/-]*)(?:\?([\w.~%$:@+=,/&-]*))?) HTTP/1\.1")
_FIELD = re.compile(rb"([A-Za-z0-9-]+): ([!-~](?:[ -~]*[!-~])?)")
_LENGTH = re.compile(rb"0|[1-9][0-9]*")
_LEFT_TO_THE_PARSER = frozenset(
    {b"connection", b"expect", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
)
"""They say how to read or to answer, and not only what is asked."""
_NEW_EACH_TIME = (b"authorization", b"amz-sdk-invocation-id", b"x-amzn-trace-id", b"x-amz-content-sha256")
"""To remember these lines would only push out others."""
_SPELLED = {spelled: name for name in _NEW_EACH_TIME for spelled in (name, name.title())}
_VISIBLE = bytes(range(0x20, 0x7F))

Start = tuple[str, bytes, str, str]
"""Method, target, path and query."""
Field = tuple[bytes, bytes]
MeaningT = TypeVar("MeaningT")


class KnownLines:
    """One for all connections of a server: their clients are alike."""

    __slots__ = ("_fields", "_starts")

    def __init__(self) -> None:
        self._starts: dict[bytes, Start] = {}
        self._fields: dict[bytes, Field] = {}

    @property
    def remembered(self) -> int:
        return len(self._starts) + len(self._fields)

    def request(self, data: bytes) -> Request | None:
        """The request that these bytes are, no more and no less."""
        head, end, body = data.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        start = self._starts.get(lines[0]) or self._learned_start(lines[0])
        if start is None or not end or len(head) > LONGEST_HEAD_BYTES:
            return None
        del lines[0]
        headers: dict[bytes, bytes] = {}
        known = self._fields
        for line in lines:
            field = known.get(line)
            if field is None:
                field = _new_each_time(line) or self._learned_field(line)
                if field is None:
                    return None
            headers[field[0]] = field[1]
        if len(headers) != len(lines) or b"host" not in headers:
            return None
        if headers.get(b"content-length", b"0") != b"%d" % len(body):
            return None
        method, target, path, query = start
        return Request(method, target, path, query, headers, body)

    def _learned_start(self, line: bytes) -> Start | None:
        match = _START.fullmatch(line)
        if match is None:
            return None
        method, target, path, query = match.groups()
        start = (method.decode(), target, path.decode(), (query or b"").decode())
        _remember(self._starts, line, start)
        return start

    def _learned_field(self, line: bytes) -> Field | None:
        match = _FIELD.fullmatch(line)
        if match is None:
            return None
        field = (match[1].lower(), match[2])
        name, value = field
        if name in _LEFT_TO_THE_PARSER or (name == b"content-length" and not _LENGTH.fullmatch(value)):
            return None
        _remember(self._fields, line, field)
        return field


def _new_each_time(line: bytes) -> Field | None:
    """None when it is no such line, or not a plain one."""
    spelled, _, value = line.partition(b": ")
    name = _SPELLED.get(spelled)
    if name is None or not value or value.translate(None, _VISIBLE) or value.strip() != value:
        return None
    return name, value


def _remember(known: dict[bytes, MeaningT], line: bytes, meaning: MeaningT) -> None:
    if len(line) <= LONGEST_REMEMBERED_BYTES:
        if len(known) >= LINES_REMEMBERED:
            known.clear()
        known[line] = meaning
