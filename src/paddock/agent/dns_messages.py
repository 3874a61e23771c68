"""As much of DNS messages as a forwarder needs: whose answer is this, and how to say no. Pure.

Everything behind the question is passed on as it came. Source: RFC 1035 section 4; RFC 6761 section 6.3 (`localhost`).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

FORMAT_ERROR, SERVER_FAILURE, NOT_IMPLEMENTED, REFUSED = 1, 2, 4, 5

_HEADER = struct.Struct("!6H")
_TYPE_AND_CLASS = struct.Struct("!HH")
_IS_ANSWER, _OPCODE, _WANTS_RECURSION, _RECURSION, _CODE = 0x8000, 0x7800, 0x0100, 0x0080, 0x000F
_LONGEST_LABEL, _LONGEST_NAME = 63, 255
_LOCALHOST = b"\x09localhost\x00"
_ADDRESS, _INTERNET, _ANY = 1, 1, 255
_POINTS_TO_QUESTION = b"\xc0\x0c"


@dataclass(frozen=True, slots=True)
class Question:
    """`name` in wire form and small letters; `end` is where the question ends in its message."""

    name: bytes
    kind: int
    of_class: int
    end: int

    @property
    def is_localhost(self) -> bool:
        return self.of_class == _INTERNET and (self.name == _LOCALHOST or self.name.endswith(_LOCALHOST))

    def is_the_same(self, other: Question | None) -> bool:
        if other is None:
            return False
        return (self.name, self.kind, self.of_class) == (other.name, other.kind, other.of_class)


def is_query(message: bytes) -> bool:
    """What is none is passed over in silence: two forwarders must never answer one another's answers."""
    return len(message) >= _HEADER.size and not _flags(message) & _IS_ANSWER


def is_standard(message: bytes) -> bool:
    """Of a query: neither an update nor anything else that is rare."""
    return not _flags(message) & _OPCODE


def question_of(message: bytes) -> Question | None:
    """None unless there is exactly one, whole and plain."""
    if len(message) < _HEADER.size or _HEADER.unpack_from(message)[2] != 1:
        return None
    at = _HEADER.size
    while at < len(message) and (length := message[at]):
        if length > _LONGEST_LABEL:
            return None
        at += 1 + length
    at += 1
    if at - _HEADER.size > _LONGEST_NAME or at + _TYPE_AND_CLASS.size > len(message):
        return None
    name = message[_HEADER.size : at].lower()
    kind, of_class = _TYPE_AND_CLASS.unpack_from(message, at)
    return Question(name, kind, of_class, at + _TYPE_AND_CLASS.size)


def with_id(message: bytes, message_id: int) -> bytes:
    return message_id.to_bytes(2, "big") + message[2:]


def message_id(message: bytes) -> int:
    return int.from_bytes(message[:2], "big")


def code_of(answer: bytes) -> int:
    return _flags(answer) & _CODE


def is_answer_to(message: bytes, expected_id: int, question: Question) -> bool:
    """Whoever says that it cannot answer may leave the question out."""
    if len(message) < _HEADER.size or message_id(message) != expected_id or not _flags(message) & _IS_ANSWER:
        return False
    if _HEADER.unpack_from(message)[2] == 0:
        return code_of(message) in {FORMAT_ERROR, SERVER_FAILURE, NOT_IMPLEMENTED, REFUSED}
    return question.is_the_same(question_of(message))


def refusal(query: bytes, code: int) -> bytes:
    """To whoever asked, with its question if that can be read."""
    question = question_of(query)
    head = _HEADER.pack(message_id(query), _answer_flags(query) | code, 1 if question else 0, 0, 0, 0)
    return head + query[_HEADER.size : question.end] if question else head


def loopback_answer(query: bytes, question: Question) -> bytes:
    """For `localhost` and all below it, by IPv4; other kinds have no data."""
    record = b""
    if question.kind in {_ADDRESS, _ANY}:
        record = _POINTS_TO_QUESTION + struct.pack("!HHIH4B", _ADDRESS, _INTERNET, 0, 4, 127, 0, 0, 1)
    head = _HEADER.pack(message_id(query), _answer_flags(query), 1, 1 if record else 0, 0, 0)
    return head + query[_HEADER.size : question.end] + record


def _flags(message: bytes) -> int:
    flags: int = _HEADER.unpack_from(message)[1]
    return flags


def _answer_flags(query: bytes) -> int:
    return _IS_ANSWER | _RECURSION | _flags(query) & (_OPCODE | _WANTS_RECURSION)
