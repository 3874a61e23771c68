"""The counting program, carried out instruction by instruction as the kernel's page describes them."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from paddock.networks.packet_program import LOOPBACK, Direction, program, totals

MAP = 7
PACKET = 1 << 40
VALUE = 1 << 50
"""Addresses, of nothing that this process has."""


def carried_out(code: bytes, *, length: int, interface: int, value: bytearray) -> int:
    """What the program answers. Knows the instructions that it has, and no other."""
    steps = list(struct.iter_unpack("=BBhi", code))
    packet = {PACKET: length, PACKET + 40: interface}
    registers = {1: PACKET}
    at = 0
    while True:
        operation, both, offset, immediate = steps[at]
        target, source = both & 0xF, both >> 4
        at += 1
        match operation:
            case 0xB7:
                registers[target] = immediate
            case 0x61:
                registers[target] = packet[registers[source] + offset]
            case 0x15:
                at += offset if registers[target] == immediate else 0
            case 0x18:
                assert (source, immediate) == (2, MAP)
                rest, _, _, inside = steps[at]
                assert rest == 0
                registers[target] = VALUE + inside
                at += 1
            case 0xDB:
                assert immediate == 0, "an addition, of all that can be done atomically"
                place = registers[target] + offset - VALUE
                (before,) = struct.unpack_from("=Q", value, place)
                struct.pack_into("=Q", value, place, before + registers[source])
            case 0x95:
                return registers[0]
            case _:
                raise AssertionError(hex(operation))


@given(
    st.lists(
        st.tuples(st.sampled_from(Direction), st.integers(0, 2**32 - 1), st.sampled_from([0, LOOPBACK, 2, 3, 4711]))
    )
)
def test_what_passes_another_interface_than_the_loopback_is_added_up_and_nothing_is_stopped(
    packets: list[tuple[Direction, int, int]],
) -> None:
    value = bytearray(16)
    for direction, length, interface in packets:
        assert carried_out(program(direction, MAP), length=length, interface=interface, value=value) == 1
    sums = {
        each: sum(length for direction, length, interface in packets if direction is each and interface != LOOPBACK)
        for each in Direction
    }
    assert totals(bytes(value)) == (sums[Direction.IN], sums[Direction.OUT])
