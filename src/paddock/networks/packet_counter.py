"""Counts what the processes of a control group move over the network: two programs and a map in the kernel, by bpf(2).

Nothing is pinned. The programs go with the group that they are attached to, the map with them and with whoever holds
the counter. It takes a group of version 2's tree, which is the one whose groups the kernel knows sockets by.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from paddock.networks.packet_program import INSTRUCTION_BYTES, VALUE_BYTES, Direction, program, totals
from paddock.ports.instance_network import NOT_COUNTED, NetworkUse

_BPF: Final = {"x86_64": 321, "aarch64": 280}
_MAP_CREATE, _MAP_LOOKUP, _PROGRAM_LOAD, _PROGRAM_ATTACH = 0, 1, 5, 8
_ARRAY = 2
_PACKETS_OF_A_GROUP = 8
_BESIDE_OTHERS = 2
"""Programs that others attached to the same group, or will, are left to run."""
RIGHTS = "it takes root, or CAP_BPF and CAP_NET_ADMIN"
_NAME = b"paddock_bytes"
"""Shown by bpftool."""
_LICENCE = b"Apache-2.0"
_TRIES = 5
"""The kernel breaks off checking a program when a signal comes."""
_KEY = 0


class CannotCount(Exception):
    """Why, in a line."""


class PacketCounter:
    """Counts for a group from its making on. The map is this process's: whoever takes its place begins anew."""

    def __init__(self, group: Path | None) -> None:
        """Raises `CannotCount`, also where there is no group."""
        try:
            number = _BPF[os.uname().machine] if sys.platform == "linux" else None
        except KeyError:
            number = None
        if number is None:
            raise CannotCount("packets are counted on Linux only, on x86_64 and aarch64")
        if group is None:
            raise CannotCount("there is no control group of version 2 for its sockets")
        self._kernel = _Kernel(number)
        self._map = self._kernel.make_map()
        try:
            with _opened(group) as directory:
                for direction in Direction:
                    self._kernel.attach(program(direction, self._map), directory, direction)
        except BaseException:
            self.close()
            raise

    def used(self) -> NetworkUse:
        """From the IP header on; not what passed the loopback. Microseconds."""
        return NOT_COUNTED if self._map < 0 else self._kernel.totals_of(self._map)

    def close(self) -> None:
        """The programs count on, for nobody, until the group is removed."""
        if self._map >= 0:
            os.close(self._map)
        self._map = -1


class _Kernel:
    """The one system call, its commands, and what it says when it refuses."""

    def __init__(self, number: int) -> None:
        self._number = ctypes.c_long(number)
        self._libc = ctypes.CDLL(None, use_errno=True)

    def make_map(self) -> int:
        """An array of one value."""
        asked = struct.pack("=7I16s", _ARRAY, 4, VALUE_BYTES, 1, 0, 0, 0, _NAME)
        return self._asked("the kernel makes no map", _MAP_CREATE, asked)

    def attach(self, instructions: bytes, directory: int, direction: Direction) -> None:
        code = ctypes.create_string_buffer(instructions, len(instructions))
        licence = ctypes.create_string_buffer(_LICENCE)
        asked = struct.pack(
            "=IIQQIIQII16sII",
            _PACKETS_OF_A_GROUP,
            len(instructions) // INSTRUCTION_BYTES,
            ctypes.addressof(code),
            ctypes.addressof(licence),
            *(0, 0, 0),  # no log of the check
            *(0, 0),
            _NAME,
            0,
            direction,
        )
        loaded = self._asked("the kernel loads no program", _PROGRAM_LOAD, asked)
        try:
            asked = struct.pack("=4I", directory, loaded, direction, _BESIDE_OTHERS)
            self._asked("the kernel attaches no program to a control group", _PROGRAM_ATTACH, asked)
        finally:
            os.close(loaded)

    def totals_of(self, descriptor: int) -> NetworkUse:
        key = ctypes.c_uint32(_KEY)
        value = ctypes.create_string_buffer(VALUE_BYTES)
        asked = struct.pack("=IxxxxQQQ", descriptor, ctypes.addressof(key), ctypes.addressof(value), 0)
        if self._call(_MAP_LOOKUP, asked) < 0:
            return NOT_COUNTED
        return NetworkUse(*totals(value.raw))

    def _asked(self, refusal: str, command: int, asked: bytes) -> int:
        """Raises `CannotCount`."""
        number = errno.EAGAIN
        for _ in range(_TRIES):
            given = self._call(command, asked)
            if given >= 0:
                return given
            number = ctypes.get_errno()
            if number != errno.EAGAIN:
                break
        raise CannotCount(f"{refusal} ({os.strerror(number)}): {_wanted(number)}")

    def _call(self, command: int, asked: bytes) -> int:
        attributes = ctypes.create_string_buffer(asked, len(asked))
        return int(self._libc.syscall(self._number, ctypes.c_long(command), attributes, ctypes.c_size_t(len(asked))))


def _wanted(number: int) -> str:
    """Linux 6.1 calls an attachment without the right to it an invalid argument."""
    if number in (errno.EPERM, errno.EACCES):
        return RIGHTS
    return f"{RIGHTS}, and Linux 5.2 with CONFIG_BPF_SYSCALL and CONFIG_CGROUP_BPF"


@contextmanager
def _opened(group: Path) -> Iterator[int]:
    """Raises `CannotCount`."""
    try:
        directory = os.open(group, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise CannotCount(f"{group} cannot be opened: {error.strerror}") from error
    try:
        yield directory
    finally:
        os.close(directory)
