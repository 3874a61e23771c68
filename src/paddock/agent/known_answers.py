"""Recognises a runtime client's answer by the head of its last one. Pure; knows neither connections nor invocations.

A client writes the same head for every answer, but for the invocation's id and nonce and the length of the body. Once
the parser has taken one, the next are recognised as a whole, at a fraction of the cost. What differs from it in any
other byte is none of these, and goes to the parser.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

HEADS_LEARNED = 8
"""Of one connection. A client whose heads go on differing is parsed."""
HELD_BYTES = 64 * 1024
"""Of an answer whose body has not come with its head: clients that write them one after the other are common."""
_START = b"POST /2018-06-01/runtime/invocation/"
_END_OF_LINE = b"/response HTTP/1.1"
_INVOCATION_ID = rb"(?P<id>[0-9A-Za-z_-]{1,128})"
_VALUES = {
    b"content-length": rb"(?P<length>[0-9]{1,5})",
    b"lambda-runtime-invocation-id": rb"(?P<nonce>[0-9a-f-]{1,64})",
}
"""Longer bodies are left to the parser, which passes them on in pieces."""
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

    __slots__ = ("_match", "content_type")

    def __init__(self, pattern: bytes, content_type: str) -> None:
        self._match = re.compile(pattern).match
        self.content_type = content_type

    def read(self, data: bytes) -> KnownAnswer | None:
        match = self._match(data)
        if match is None:
            return None
        invocation_id, nonce, length = match.group("id", "nonce", "length")
        body_at = match.end()
        return KnownAnswer(invocation_id.decode(), nonce.decode(), body_at, body_at + int(length))


def known_head(post: bytes, content_type: str) -> KnownHead | None:
    """Of a post that the parser took as an answer, whole or its beginning; None when it is not of the plain kind."""
    head, separator, _ = post.partition(b"\r\n\r\n")
    line, *headers = head.split(b"\r\n")
    if not separator or not (line.startswith(_START) and line.endswith(_END_OF_LINE)):
        return None
    pattern = re.escape(_START) + _INVOCATION_ID + re.escape(_END_OF_LINE) + rb"\r\n"
    seen = set()
    for header in headers:
        name, value = header.lower().partition(b": ")[::2]
        if name in seen or not (name in _VALUES or name in _SAME_EACH_TIME or header.lower() == _KEEP_ALIVE):
            return None
        seen.add(name)
        literal = header if name not in _VALUES else header[: len(header) - len(value)]
        pattern += re.escape(literal) + _VALUES.get(name, b"") + rb"\r\n"
    if b"content-length" not in seen:
        return None
    if b"lambda-runtime-invocation-id" not in seen:
        pattern += b"(?P<nonce>)"
    return _of_pattern(pattern + rb"\r\n", content_type)


@lru_cache(maxsize=64)
def _of_pattern(pattern: bytes, content_type: str) -> KnownHead:
    """All workers of an environment write alike: compiled once for them."""
    return KnownHead(pattern, content_type)
