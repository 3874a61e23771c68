"""Which programs the kernel has at a control group, asked by the system call itself."""

from __future__ import annotations

import ctypes
import os
import struct
import time
from collections.abc import Iterable
from pathlib import Path

_BPF = {"x86_64": 321, "aarch64": 280}
_BY_ID, _QUERY = 13, 16
_MOST = 16
_DIRECTIONS = (0, 1)
_PATIENCE_SECONDS = 60


def _call(command: int, asked: bytes) -> tuple[int, bytes]:
    libc = ctypes.CDLL(None, use_errno=True)
    attributes = ctypes.create_string_buffer(asked, len(asked))
    number = ctypes.c_long(_BPF[os.uname().machine])
    given = libc.syscall(number, ctypes.c_long(command), attributes, ctypes.c_size_t(len(asked)))
    return int(given), attributes.raw


def attached_programs(group: Path) -> set[int]:
    """Their ids; those that look at packets."""
    found: set[int] = set()
    descriptor = os.open(group, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for direction in _DIRECTIONS:
            ids = (ctypes.c_uint32 * _MOST)()
            asked = struct.pack("=4IQI", descriptor, direction, 0, 0, ctypes.addressof(ids), _MOST)
            given, answer = _call(_QUERY, asked)
            assert given == 0, os.strerror(ctypes.get_errno())
            (count,) = struct.unpack_from("=I", answer, 24)
            found.update(ids[:count])
    finally:
        os.close(descriptor)
    return found


def is_loaded(program: int) -> bool:
    descriptor, _ = _call(_BY_ID, struct.pack("=3I", program, 0, 0))
    if descriptor < 0:
        return False
    os.close(descriptor)
    return True


def wait_until_unloaded(programs: Iterable[int]) -> None:
    """The kernel lets go of them some time after the group."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while any(map(is_loaded, programs)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
