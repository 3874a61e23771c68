"""DNS messages for tests, put together by hand: the forwarder must not be tested against its own reading of them."""

from __future__ import annotations

import struct

A, AAAA, TXT = 1, 28, 16
NO_ERROR, FORMAT_ERROR, SERVER_FAILURE, NO_SUCH_NAME, NOT_IMPLEMENTED, REFUSED = range(6)


def name(text: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".") if label) + b"\0"


def query(text: str, message_id: int = 7, kind: int = A, flags: int = 0x0100, more: bytes = b"") -> bytes:
    return struct.pack("!6H", message_id, flags, 1, 0, 0, 0) + name(text) + struct.pack("!HH", kind, 1) + more


def answer_to(
    asked: bytes, *addresses: str, code: int = NO_ERROR, message_id: int | None = None, truncated: bool = False
) -> bytes:
    """With the question as it came."""
    found = struct.unpack_from("!H", asked)[0] if message_id is None else message_id
    flags = 0x8180 | code | (0x0200 if truncated else 0)
    records = b"".join(
        b"\xc0\x0c" + struct.pack("!HHIH", A, 1, 60, 4) + bytes(int(part) for part in address.split("."))
        for address in addresses
    )
    return struct.pack("!6H", found, flags, 1, len(addresses), 0, 0) + asked[12:] + records


def without_question(asked: bytes, code: int) -> bytes:
    return asked[:2] + struct.pack("!5H", 0x8180 | code, 0, 0, 0, 0)


def id_of(message: bytes) -> int:
    return int.from_bytes(message[:2], "big")


def code_of(message: bytes) -> int:
    return message[3] & 0x0F


def is_truncated(message: bytes) -> bool:
    return bool(message[2] & 0x02)


def name_in(asked: bytes) -> str:
    labels, at = [], 12
    while length := asked[at]:
        labels.append(asked[at + 1 : at + 1 + length].decode())
        at += 1 + length
    return ".".join(labels)


def kind_in(asked: bytes) -> int:
    return int.from_bytes(asked[asked.index(b"\0", 12) + 1 :][:2], "big")
