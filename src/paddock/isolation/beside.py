"""The agent's end of an environment in which several programs run beside one another: it asks the environment's first
process to start each, and hears of each end.

Knows one environment and no event loop: who asks must look for `exits` when `fileno` is readable.
"""

from __future__ import annotations

import contextlib
import errno
import marshal
import os
import socket
import struct
import tempfile
from dataclasses import dataclass

from paddock.isolation.inside.several import MOST_PROGRAMS
from paddock.isolation.inside.stage import STARTED
from paddock.isolation.view import LaunchCommand, LaunchFailed, Program, launch_failed

_CREDENTIALS = struct.Struct("=iII")
"""`struct ucred`: pid, uid, gid, as the kernel sees them from here."""
_OUTCOME_BYTES = 4096
_EVENT_BYTES = 64
_STARTING = "starting a process"


@dataclass(frozen=True, slots=True)
class Exit:
    """Of which program (in the order they were started, from zero), and its status; negative for a signal."""

    number: int
    status: int


@dataclass(frozen=True, slots=True)
class Opening:
    """`command` is to be executed with no output of its own; it is seen through as any. Without it, `first.close()`."""

    command: LaunchCommand
    first: FirstProcess


class Beside:
    """A program that was asked for. `output` and `errors` are descriptors, the caller's to close. `number` is that of
    its `Exit`.
    """

    def __init__(self, number: int, outcome: socket.socket, output: int, errors: int) -> None:
        self.number = number
        self.output = output
        self.errors = errors
        self._outcome = outcome

    def wait_executed(self) -> int:
        """Blocks, some milliseconds, until it is executed. Its pid. Raises `LaunchFailed`. To be called once."""
        with self._outcome as outcome:
            said, ancillary, _, _ = outcome.recvmsg(_OUTCOME_BYTES, socket.CMSG_SPACE(_CREDENTIALS.size))
            if not said:
                raise LaunchFailed(_STARTING, errno.ECHILD, "the environment ended")
            if said != STARTED:
                raise launch_failed(said)
            pid: int = _CREDENTIALS.unpack_from(ancillary[0][2])[0]
            said = outcome.recv(_OUTCOME_BYTES)
            if said:
                raise launch_failed(said)
        return pid


class FirstProcess:
    """When this is closed, or the agent ends, the environment does."""

    def __init__(self, line: socket.socket, uid: int | None) -> None:
        """`uid` is the environment's own user, who may then open its standard output by name."""
        self._line = line
        self._uid = uid
        self._count = 0

    def fileno(self) -> int:
        return self._line.fileno()

    def start(self, program: Program) -> Beside:
        """Does not wait for it. Raises `LaunchFailed` where nothing could be asked."""
        if self._count >= MOST_PROGRAMS:
            raise LaunchFailed(_STARTING, errno.EAGAIN, f"more than {MOST_PROGRAMS} programs in one environment")
        with contextlib.ExitStack() as passed:
            order = readable(marshal.dumps(_order(program)))
            passed.callback(os.close, order)
            output, theirs_output = os.pipe()
            passed.callback(os.close, theirs_output)
            errors, theirs_errors = os.pipe()
            passed.callback(os.close, theirs_errors)
            if self._uid is not None:
                os.fchown(theirs_output, self._uid, self._uid)
                os.fchown(theirs_errors, self._uid, self._uid)
            outcome, said = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            passed.enter_context(said)
            outcome.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
            beside = Beside(self._count, outcome, output, errors)
            descriptors = [order, said.fileno(), theirs_output, theirs_errors]
            try:
                socket.send_fds(self._line, [b"start %d" % self._count], descriptors)
            except OSError as error:
                outcome.close()
                os.close(output)
                os.close(errors)
                raise LaunchFailed(_STARTING, error.errno or 0, "the environment does not answer") from error
        self._count += 1
        return beside

    def signal(self, number: int, signal: int) -> bool:
        """To the group of a program that is executed. False when the environment is gone, or hears nothing more."""
        try:
            self._line.send(b"signal %d %d" % (number, signal))
        except OSError:
            return False
        return True

    def exits(self) -> list[Exit] | None:
        """Those since it was last asked, without waiting. None: the environment has ended, and all programs with it."""
        found: list[Exit] = []
        while True:
            try:
                said = self._line.recv(_EVENT_BYTES)
            except BlockingIOError:
                return found
            except OSError:
                said = b""
            if not said:
                return found or None
            number, status = map(int, said.split())
            found.append(Exit(number, os.waitstatus_to_exitcode(status)))

    def close(self) -> None:
        self._line.close()


def open_line() -> tuple[socket.socket, int]:
    """This end, which never waits, and the descriptor to pass on."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.setblocking(False)
    return ours, theirs.detach()


def readable(content: bytes) -> int:
    """A descriptor to read it from; in memory where the system has that, because it may hold credentials."""
    try:
        descriptor = os.memfd_create("order")
    except (AttributeError, OSError):
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.write(descriptor, content)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _order(program: Program) -> dict[str, object]:
    """A `BesideOrder`."""
    return {"argv": list(program.argv), "environment": dict(program.environment), "cwd": str(program.cwd)}
