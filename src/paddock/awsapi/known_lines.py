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
    {b"expect", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"}
)
"""They say how to read or to answer, and not only what is asked."""
_NEW_ENDS = {b"authorization": 64, b"x-amz-content-sha256": 64, b"amz-sdk-invocation-id": 36}
"""So many characters at the end of these, a hash or an id, are new each time: what comes before them is remembered."""
_END_LENGTHS = (64, 36)
_NEW_EACH_TIME = frozenset({b"x-amzn-trace-id"})
"""To remember these lines would only push out others."""

Start = tuple[str, bytes, str, str]
"""Method, target, path and query."""
Field = tuple[bytes, bytes]
MeaningT = TypeVar("MeaningT")


class _NotPlainError(Exception):
    """Let the parser decide."""


class KnownLines:
    """One for all connections of a server: their clients are alike."""

    __slots__ = ("_beginnings", "_fields", "_starts")

    def __init__(self) -> None:
        self._starts: dict[bytes, Start] = {}
        self._fields: dict[bytes, Field] = {}
        self._beginnings: dict[bytes, Field] = {}

    @property
    def remembered(self) -> int:
        return len(self._starts) + len(self._fields) + len(self._beginnings)

    def request(self, data: bytes) -> Request | None:
        """The request that these bytes are, no more and no less."""
        head, end, body = data.partition(b"\r\n\r\n")
        if not end or len(head) > LONGEST_HEAD_BYTES:
            return None
        lines = head.split(b"\r\n")
        known = self._fields.get
        try:
            method, target, path, query = self._starts.get(lines[0]) or self._learned_start(lines[0])
            del lines[0]
            headers = {}
            for line in lines:
                name, value = known(line) or self._unknown_field(line)
                headers[name] = value
        except _NotPlainError:
            return None
        if len(headers) != len(lines) or b"host" not in headers:
            return None
        if headers.get(b"content-length", b"0") != b"%d" % len(body):
            return None
        return Request(method, target, path, query, headers, body)

    def _learned_start(self, line: bytes) -> Start:
        match = _START.fullmatch(line)
        if match is None:
            raise _NotPlainError
        method, target, path, query = match.groups()
        start = (method.decode(), target, path.decode(), (query or b"").decode())
        _remember(self._starts, line, start)
        return start

    def _unknown_field(self, line: bytes) -> Field:
        for length in _END_LENGTHS:
            known = self._beginnings.get(line[:-length])
            if known is not None:
                end = line[-length:]
                if end.replace(b"-", b"").isalnum():
                    name, beginning = known
                    return name, beginning + end
        return self._learned_field(line)

    def _learned_field(self, line: bytes) -> Field:
        match = _FIELD.fullmatch(line)
        if match is None:
            raise _NotPlainError
        name, value = match[1].lower(), match[2]
        if not _only_asks(name, value):
            raise _NotPlainError
        new_end = _NEW_ENDS.get(name, 0)
        if 0 < new_end < len(value):
            _remember(self._beginnings, line[:-new_end], (name, value[:-new_end]))
        elif name not in _NEW_EACH_TIME:
            _remember(self._fields, line, (name, value))
        return name, value


def _only_asks(name: bytes, value: bytes) -> bool:
    """Or says how to read and to answer no more than what goes without saying."""
    if name == b"connection":
        return value.lower() == b"keep-alive"
    if name == b"content-length":
        return _LENGTH.fullmatch(value) is not None
    return name not in _LEFT_TO_THE_PARSER


def _remember(known: dict[bytes, MeaningT], line: bytes, meaning: MeaningT) -> None:
    if len(line) <= LONGEST_REMEMBERED_BYTES:
        if len(known) >= LINES_REMEMBERED:
            known.clear()
        known[line] = meaning
