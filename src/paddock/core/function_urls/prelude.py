"""The prelude of a streamed HTTP answer: JSON with status, headers and cookies, eight NUL bytes, then the body.

A machine that is fed the pieces of the stream, cut anywhere. Source: what `awslambda.HttpResponseStream` of AWS's
Node.js client writes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from paddock.core.function_urls.answers import BYTES_TYPE, Answer, AnswerHead, Malformed, head_of

CONTENT_TYPE = "application/vnd.awslambda.http-integration-response"
"""By which a runtime says that its stream begins with a prelude."""

DELIMITER = b"\0" * 8
MOST_BYTES = 64 * 1024
"""As much as a request's own head may have; nothing is sent to the caller before it is complete."""

CUT_SHORT = Malformed("the answer ends within its prelude")


@dataclass(frozen=True, slots=True)
class Begun:
    """The prelude is complete; `body` is what of the body has come with it."""

    head: AnswerHead
    body: bytes


class PreludeReader:
    """`feed` until it gives something other than None; then it is done."""

    __slots__ = ("_gathered",)

    def __init__(self) -> None:
        self._gathered = bytearray()

    def feed(self, piece: bytes) -> Begun | Malformed | None:
        gathered = self._gathered
        from_here = max(0, len(gathered) - len(DELIMITER) + 1)
        gathered += piece
        end = gathered.find(DELIMITER, from_here)
        if end > MOST_BYTES or (end < 0 and len(gathered) >= MOST_BYTES + len(DELIMITER)):
            return Malformed(f"the prelude of the answer is longer than {MOST_BYTES} bytes")
        if end < 0:
            return None
        head = _head(bytes(gathered[:end]))
        if isinstance(head, Malformed):
            return head
        return Begun(head, bytes(gathered[end + len(DELIMITER) :]))


def _head(prelude: bytes) -> AnswerHead | Malformed:
    try:
        document = json.loads(prelude)
    except (ValueError, RecursionError):
        return Malformed("the prelude of the answer is not JSON")
    if not isinstance(document, dict):
        return Malformed("the prelude of the answer is not an object")
    return head_of(document)


def whole(stream: bytes) -> Answer | Malformed:
    """An answer with a prelude that has been gathered."""
    begun = PreludeReader().feed(stream)
    if begun is None:
        return CUT_SHORT
    if isinstance(begun, Malformed):
        return begun
    return Answer(begun.head.with_content_type(BYTES_TYPE), begun.body)
