"""The filter of system calls that a runtime gets, assembled here for the kernel's classic BPF. Pure.

It refuses what no function on Lambda may do and what takes a kernel bug to turn into an escape: mounts, namespaces,
kernel modules, keys, BPF, other processes' memory. All else passes. Refused calls fail with EPERM; those that
libraries try first and can do without fail with ENOSYS, as on an older kernel. Assembled rather than by libseccomp:
some eighty instructions, and no library that has to be on every machine. Format: `linux/filter.h`, `linux/seccomp.h`.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Sequence
from typing import NamedTuple

from paddock.isolation.syscalls import ARCHITECTURES, Architecture

_BY_ARGUMENT = frozenset({"clone", "ioctl", "socket"})
_ENOSYS = frozenset({"clone3", "io_uring_setup", "io_uring_enter", "io_uring_register"})
_OTHERS_MEMORY = frozenset({"ptrace", "process_vm_readv", "process_vm_writev"})
"""Refused where others' processes have names; in a process namespace of its own nobody else can be meant."""

_NEW_NAMESPACES = 0x7E020000
"""All CLONE_NEW* flags of `clone`: mount, cgroup, uts, ipc, user, pid, network."""
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
"""Typing into a terminal that somebody else reads from."""
_AF_KEY, _AF_PACKET, _AF_ALG, _AF_VSOCK = 15, 17, 38, 40
"""Kinds of sockets that reach past the machine's ordinary network, or into rarely used parts of the kernel."""

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT, _SECOND_ARGUMENT = 0, 4, 16, 24
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000


class Instruction(NamedTuple):
    """Of classic BPF: jumps are counted from the next instruction on."""

    code: int
    if_true: int
    if_false: int
    value: int


def filter_program(machine: str, *, own_processes: bool) -> bytes:
    """As the kernel takes it; empty for an architecture that is not known. `own_processes`: in a process namespace."""
    architecture = ARCHITECTURES.get(machine)
    if architecture is None:
        return b""
    return b"".join(struct.pack("=HBBI", *one) for one in instructions(architecture, own_processes=own_processes))


def instructions(architecture: Architecture, *, own_processes: bool) -> list[Instruction]:
    numbers = architecture.numbers
    let_through = _BY_ARGUMENT | _ENOSYS | (_OTHERS_MEMORY if own_processes else frozenset())
    program = [
        Instruction(_LOAD, 0, 0, _ARCHITECTURE),
        *_refuse_unless(architecture.audit, errno.ENOSYS),
        Instruction(_LOAD, 0, 0, _NUMBER),
    ]
    if architecture.foreign_from:
        program += _refuse_from(architecture.foreign_from, errno.ENOSYS)
    program += _refuse_each([numbers[name] for name in numbers if name not in let_through], errno.EPERM)
    program += _refuse_each([numbers[name] for name in sorted(_ENOSYS)], errno.ENOSYS)
    program += _when(numbers["clone"], _refuse_bits(_FIRST_ARGUMENT, _NEW_NAMESPACES))
    program += _when(numbers["ioctl"], _refuse_values(_SECOND_ARGUMENT, (_TIOCSTI, _TIOCLINUX)))
    families = (_AF_KEY, _AF_PACKET, _AF_ALG, _AF_VSOCK)
    program += _when(numbers["socket"], _refuse_values(_FIRST_ARGUMENT, families))
    return [*program, _end(_ALLOW)]


def _end(answer: int) -> Instruction:
    return Instruction(_RETURN, 0, 0, answer)


def _refuse_unless(value: int, number: int) -> list[Instruction]:
    return [Instruction(_EQUAL, 1, 0, value), _end(_ERRNO | number)]


def _refuse_from(value: int, number: int) -> list[Instruction]:
    return [Instruction(_AT_LEAST, 0, 1, value), _end(_ERRNO | number)]


def _refuse_each(values: Sequence[int], number: int) -> list[Instruction]:
    """A chain of comparisons that all jump to one refusal behind them."""
    behind = len(values)
    chain = [Instruction(_EQUAL, behind - place, 0, value) for place, value in enumerate(values)]
    return [*chain, Instruction(_EQUAL, 0, 1, _NO_CALL), _end(_ERRNO | number)]


_NO_CALL = 0xFFFFFFFF
"""No system call has this number: the comparison only steps over the refusal."""


def _when(call: int, body: list[Instruction]) -> list[Instruction]:
    """`body` decides for good: it ends in returns."""
    return [Instruction(_EQUAL, 0, len(body), call), *body]


def _refuse_bits(argument: int, bits: int) -> list[Instruction]:
    return [
        Instruction(_LOAD, 0, 0, argument),
        Instruction(_ANY_BIT, 0, 1, bits),
        _end(_ERRNO | errno.EPERM),
        _end(_ALLOW),
    ]


def _refuse_values(argument: int, values: Sequence[int]) -> list[Instruction]:
    return [
        Instruction(_LOAD, 0, 0, argument),
        *_refuse_each(values, errno.EPERM),
        _end(_ALLOW),
    ]
