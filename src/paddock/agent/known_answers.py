"""Recognises a runtime client's answer by the head of its last one. Pure; knows neither connections nor invocations.

A client writes the same head for every answer, but for the invocation's id and nonce and the length of the body. Once
the parser has taken one, the next are recognised as a whole, at a fraction of the cost. What differs from it in any
other byte is none of these, and goes to the parser.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

HEADS_LEARNED = 8
"""Of one connection. A client whose heads go on differing is parsed."""
HELD_BYTES = 64 * 1024
"""Of an answer whose body has not come with its head: clients that write them one after the other are common."""
_START = b"POST /2018-06-01/runtime/invocation/"
_END_OF_LINE = b"/response HTTP/1.1"
_ID, _LENGTH, _NONCE = b"id", b"content-length", b"lambda-runtime-invocation-id"
_MAX_LENGTH_DIGITS = 5
"""Longer bodies are left to the parser, which passes them on in pieces."""
_PATTERNS = {
    _ID: rb"(?P<id>[0-9A-Za-z_-]{1,128})",
    _LENGTH: rb"(?P<length>[0-9]{1,%d})" % _MAX_LENGTH_DIGITS,
    _NONCE: rb"(?P<nonce>[0-9a-f-]{1,64})",
}
_SAME_EACH_TIME = frozenset({b"accept", b"content-type", b"host", b"user-agent"})
"""With any other header a post wants more than to be taken, or is written anew each time."""
_KEEP_ALIVE = b"connection: keep-alive"


class KnownAnswer(NamedTuple):
    """`body_at` is where the body begins, `end` where the post ends: perhaps behind what has arrived."""

    invocation_id: str
    nonce: str
    body_at: int
    end: int


class KnownHead:
    """All heads that are the same but for what differs from answer to answer."""

    __slots__ = (
        "_after_id",
        "_after_length",
        "_before_length",
        "_length_is_last",
        "_match",
        "_sends_nonce",
        "content_type",
    )

    def __init__(self, literals: Sequence[bytes], values: Sequence[bytes], content_type: str) -> None:
        """`literals` are what stands before, between and behind the values, of which the id is first."""
        pattern = b"".join(map(bytes.__add__, map(re.escape, literals), (*map(_PATTERNS.__getitem__, values), b"")))
        self._match = re.compile(pattern if _NONCE in values else pattern + b"(?P<nonce>)").match
        self._length_is_last = values[-1] == _LENGTH
        self._sends_nonce = _NONCE in values
        self._after_id, self._before_length, self._after_length = literals[1], literals[-2], literals[-1]
        self.content_type = content_type

    def read(self, data: bytes) -> KnownAnswer | None:
        match = self._match(data)
        if match is None:
            return None
        invocation_id, nonce, length = match.group("id", "nonce", "length")
        body_at = match.end()
        return KnownAnswer(invocation_id.decode(), nonce.decode(), body_at, body_at + int(length))

    def read_own(self, data: bytes, invocation_id: str, nonce: str) -> tuple[int, int] | None:
        """`body_at` and `end` of the answer to this very delivery. Whether bytes are the same is less work than what
        they say.
        """
        if not self._length_is_last:
            return None
        if self._sends_nonce:
            begin = b"".join((_START, invocation_id.encode(), self._after_id, nonce.encode(), self._before_length))
        else:
            begin = b"".join((_START, invocation_id.encode(), self._before_length))
        at = len(begin)
        end = data.find(b"\r", at, at + _MAX_LENGTH_DIGITS + 1)
        length = data[at:end]
        if not (data.startswith(begin) and length.isdigit() and data.startswith(self._after_length, end)):
            return None
        body_at = end + len(self._after_length)
        return body_at, body_at + int(length)


def known_head(post: bytes, content_type: str) -> KnownHead | None:
    """Of a post that the parser took as an answer, whole or its beginning; None when it is not of the plain kind."""
    head, separator, _ = post.partition(b"\r\n\r\n")
    line, *headers = head.split(b"\r\n")
    if not separator or not (line.startswith(_START) and line.endswith(_END_OF_LINE)):
        return None
    literals, values, seen = [_START, _END_OF_LINE + b"\r\n"], [_ID], set()
    for header in headers:
        name, value = header.lower().partition(b": ")[::2]
        is_value = name in {_LENGTH, _NONCE}
        if name in seen or not (is_value or name in _SAME_EACH_TIME or header.lower() == _KEEP_ALIVE):
            return None
        seen.add(name)
        if is_value:
            literals[-1] += header[: len(header) - len(value)]
            literals.append(b"\r\n")
            values.append(name)
        else:
            literals[-1] += header + b"\r\n"
    if _LENGTH not in seen:
        return None
    literals[-1] += b"\r\n"
    return _of(tuple(literals), tuple(values), content_type)


@lru_cache(maxsize=64)
def _of(literals: tuple[bytes, ...], values: tuple[bytes, ...], content_type: str) -> KnownHead:
    """All workers of an environment write alike: made once for them."""
    return KnownHead(literals, values, content_type)
