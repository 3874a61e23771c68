"""The assembled filter, run by a small interpreter of classic BPF that knows no more than the kernel documents."""

from __future__ import annotations

import errno
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.isolation.seccomp import filter_program
from paddock.isolation.syscalls import ARCHITECTURES

ALLOWED = 0x7FFF0000
ERRNO = 0x00050000
MACHINES = sorted(ARCHITECTURES)


def answer(program: bytes, audit: int, number: int, arguments: tuple[int, ...] = ()) -> int:
    """What the kernel would return for one call: `struct seccomp_data` is number, architecture, pointer, six
    arguments.
    """
    data = struct.pack("=IIQ6Q", number & 0xFFFFFFFF, audit, 0, *(*arguments, 0, 0, 0, 0, 0, 0)[:6])
    accumulator, at = 0, 0
    while True:
        code, if_true, if_false, value = struct.unpack_from("=HBBI", program, 8 * at)
        at += 1
        match code:
            case 0x20:
                (accumulator,) = struct.unpack_from("=I", data, value)
            case 0x15:
                at += if_true if accumulator == value else if_false
            case 0x35:
                at += if_true if accumulator >= value else if_false
            case 0x45:
                at += if_true if accumulator & value else if_false
            case 0x06:
                result: int = value
                return result
            case _:
                raise AssertionError(f"unknown instruction {code:#x}")


def of(machine: str, name: str, *arguments: int, own_processes: bool = True) -> int:
    known = ARCHITECTURES[machine]
    program = filter_program(machine, own_processes=own_processes)
    return answer(program, known.audit, known.numbers[name], arguments)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(
    "name", ["mount", "unshare", "setns", "bpf", "keyctl", "open_by_handle_at", "pivot_root", "reboot"]
)
def test_what_no_function_needs_is_refused(machine: str, name: str) -> None:
    assert of(machine, name) == ERRNO | errno.EPERM


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", ["clone3", "io_uring_setup"])
def test_what_libraries_can_do_without_seems_not_to_exist(machine: str, name: str) -> None:
    assert of(machine, name) == ERRNO | errno.ENOSYS


@pytest.mark.parametrize("machine", MACHINES)
def test_threads_and_processes_can_be_made_and_namespaces_cannot(machine: str) -> None:
    assert of(machine, "clone", 0x3D0F00) == ALLOWED
    assert of(machine, "clone", 17) == ALLOWED
    for flag in (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000):
        assert of(machine, "clone", flag | 17) == ERRNO | errno.EPERM


@pytest.mark.parametrize("machine", MACHINES)
def test_ordinary_sockets_are_let_through_and_odd_families_are_not(machine: str) -> None:
    for family in (1, 2, 10, 16):
        assert of(machine, "socket", family) == ALLOWED
    for family in (15, 17, 38, 40):
        assert of(machine, "socket", family) == ERRNO | errno.EPERM


@pytest.mark.parametrize("machine", MACHINES)
def test_nothing_can_be_typed_into_a_terminal(machine: str) -> None:
    assert of(machine, "ioctl", 0, 0x5401) == ALLOWED
    assert of(machine, "ioctl", 0, 0x5412) == ERRNO | errno.EPERM


@pytest.mark.parametrize("machine", MACHINES)
def test_debuggers_work_only_where_nobody_else_can_be_meant(machine: str) -> None:
    assert of(machine, "ptrace", own_processes=True) == ALLOWED
    assert of(machine, "ptrace", own_processes=False) == ERRNO | errno.EPERM


@pytest.mark.parametrize("machine", MACHINES)
@given(number=st.integers(0, 2**32 - 1), audit=st.integers(0, 2**32 - 1))
def test_a_foreign_architecture_gets_nothing(machine: str, number: int, audit: int) -> None:
    known = ARCHITECTURES[machine]
    said = answer(filter_program(machine, own_processes=True), audit, number)
    assert audit == known.audit or said == ERRNO | errno.ENOSYS


@pytest.mark.parametrize("machine", MACHINES)
@given(number=st.integers(0, 2000), arguments=st.tuples(*[st.integers(0, 2**64 - 1)] * 3))
def test_every_call_gets_an_answer_and_unlisted_ones_pass(
    machine: str, number: int, arguments: tuple[int, ...]
) -> None:
    known = ARCHITECTURES[machine]
    said = answer(filter_program(machine, own_processes=False), known.audit, number, arguments)
    assert said in {ALLOWED, ERRNO | errno.EPERM, ERRNO | errno.ENOSYS}
    if number not in known.numbers.values():
        assert said == ALLOWED


def test_the_other_calling_convention_of_x86_is_refused() -> None:
    known = ARCHITECTURES["x86_64"]
    program = filter_program("x86_64", own_processes=True)
    assert answer(program, known.audit, 0x40000000 | 165) == ERRNO | errno.ENOSYS


def test_an_architecture_without_a_table_gets_no_filter() -> None:
    assert filter_program("pdp11", own_processes=True) == b""
