"""The program that the kernel runs for each packet of a control group's sockets: seven instructions, pure.

Sources: the kernel's `Documentation/bpf/standardization/instruction-set.rst`, and `struct __sk_buff` of its header
`linux/bpf.h`.
"""

from __future__ import annotations

import struct
from enum import IntEnum

INSTRUCTION_BYTES = 8
LOOPBACK = 1
"""The index of `lo`, in every network namespace."""

_LENGTH, _INTERFACE = 0, 40
"""Where a packet's view has its length from the IP header on, and the index of the interface that it passes."""
_LET_PASS = 1

_LOAD_32 = 0x61
_LOAD_IMMEDIATE_64 = 0x18
_OF_A_MAPS_VALUE = 2
"""Says that the immediate is no number: a map's descriptor, and in the second half the offset in its value."""
_MOVE_IMMEDIATE = 0xB7
_JUMP_IF_EQUAL = 0x15
_ADD_ATOMICALLY_64 = 0xDB
_EXIT = 0x95

_RESULT, _PACKET, _READ, _TOTAL = 0, 1, 2, 3
"""Registers; the first two are where the kernel looks for the result and puts the packet."""


class Direction(IntEnum):
    """By its number among the places where programs are attached (`enum bpf_attach_type`)."""

    IN = 0
    OUT = 1

    @property
    def offset(self) -> int:
        """Of its total in the value of the map."""
        return _TOTAL_BYTES * self


_TOTAL_BYTES = 8
VALUE_BYTES = _TOTAL_BYTES * len(Direction)


def totals(value: bytes) -> tuple[int, int]:
    """What came in and what went out, of the map's value."""
    came, went = struct.unpack("=QQ", value)
    return came, went


def program(direction: Direction, map_descriptor: int) -> bytes:
    """Adds the length of a packet to a total, unless it passes the loopback; every packet passes, counted or not."""
    return b"".join(
        (
            _instruction(_MOVE_IMMEDIATE, _RESULT, immediate=_LET_PASS),
            _instruction(_LOAD_32, _READ, _PACKET, offset=_INTERFACE),
            _instruction(_JUMP_IF_EQUAL, _READ, offset=4, immediate=LOOPBACK),
            _instruction(_LOAD_32, _READ, _PACKET, offset=_LENGTH),
            _instruction(_LOAD_IMMEDIATE_64, _TOTAL, _OF_A_MAPS_VALUE, immediate=map_descriptor),
            _instruction(0, 0, immediate=direction.offset),
            _instruction(_ADD_ATOMICALLY_64, _TOTAL, _READ),
            _instruction(_EXIT, 0),
        )
    )


def _instruction(code: int, target: int, source: int = 0, *, offset: int = 0, immediate: int = 0) -> bytes:
    """One byte of code, two registers in the halves of the next, where to jump or to read, and a number."""
    return struct.pack("=BBhi", code, source << 4 | target, offset, immediate)
