"""The first process of an environment that runs more than one program: starts each when the agent asks, passes on the
agent's signals, tells of each end. It ends, and all with it, when the agent lets go of the line.

The line keeps messages apart (SOCK_SEQPACKET). To this process: `start NUMBER` with four descriptors (order, outcome,
standard output, standard error), or `signal NUMBER SIGNAL`. From it: `NUMBER STATUS`, a wait status. On the
outcome, the new process says `started`, and with that the kernel tells the agent its pid; after that it is as with one
program.

Nothing is imported once inside, and the messages are the agent's alone: no program here ever has the line.
"""

from __future__ import annotations

import _socket
import marshal
import os
import select
import sys

from paddock.isolation.inside import stage, system

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from paddock.isolation.inside.order import BesideOrder

MOST_PROGRAMS = 16
"""Ever started in one environment: ten Lambda extensions (developer guide), the runtime, a few to spare."""

_MESSAGE_BYTES = 64
_DESCRIPTOR_BYTES = 4
_MOST_DESCRIPTORS = 4
_SIGNAL_BYTES = 128
"""Of `struct signalfd_siginfo`."""


def serve(line: int, signals: system.SignalWait, execute: Callable[[BesideOrder], None]) -> None:
    """`execute` becomes the program; it returns only by an exception."""
    _FirstProcess(line, signals, execute).serve()


class _FirstProcess:
    def __init__(self, line: int, signals: system.SignalWait, execute: Callable[[BesideOrder], None]) -> None:
        self._line = _socket.socket(fileno=line)
        self._signals = signals
        self._execute = execute
        self._groups: dict[int, int] = {}
        self._running: dict[int, int] = {}

    def serve(self) -> None:
        signalled, line = self._signals.descriptor(), self._line.fileno()
        waiting = select.poll()
        waiting.register(signalled, select.POLLIN)
        waiting.register(line, select.POLLIN)
        while True:
            ready = [descriptor for descriptor, _ in waiting.poll()]
            if signalled in ready:
                # Only the end of a child means anything here; a request to end comes by the line.
                os.read(signalled, _SIGNAL_BYTES)
                self._bury()
            if line in ready and not self._obey():
                return

    def _bury(self) -> None:
        """Programs, and whoever lost its parent."""
        pid = -1
        while pid != 0:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            number = self._running.pop(pid, None)
            if number is not None:
                self._line.send(b"%d %d" % (number, status))

    def _obey(self) -> bool:
        """False when the agent is gone."""
        room = _socket.CMSG_SPACE(_MOST_DESCRIPTORS * _DESCRIPTOR_BYTES)
        message, ancillary, _, _ = self._line.recvmsg(_MESSAGE_BYTES, room, _socket.MSG_CMSG_CLOEXEC)
        if not message:
            return False
        what, number, *signal = message.split()
        if what == b"start":
            self._start(int(number), _descriptors(ancillary))
        else:
            self._signal(int(number), int(signal[0]))
        return True

    def _signal(self, number: int, signal: int) -> None:
        """Also to those whom a program left behind. Its group's number is nobody else's while one of them is there."""
        if number in self._groups:
            try:
                os.killpg(self._groups[number], signal)
            except ProcessLookupError:
                return

    def _start(self, number: int, descriptors: list[int]) -> None:
        order, outcome, output, errors = descriptors
        stage.begin("starting a process")
        try:
            if len(self._groups) >= MOST_PROGRAMS:
                raise OSError(0, f"at most {MOST_PROGRAMS} programs run in an execution environment")
            pid = os.fork()
            if pid == 0:
                self._become(order, outcome, output, errors)
            self._groups[number] = pid
            self._running[pid] = number
        except OSError as error:
            stage.tell(outcome, error)
        finally:
            for descriptor in descriptors:
                os.close(descriptor)

    def _become(self, order: int, outcome: int, output: int, errors: int) -> None:
        try:
            os.setsid()
            self._signals.give_back()
            os.write(outcome, stage.STARTED)
            stage.begin("reading the order")
            with os.fdopen(order, "rb") as file:
                beside: BesideOrder = marshal.load(file)  # noqa: S302  # from the agent
            os.dup2(output, 1)
            os.dup2(errors, 2)
            self._execute(beside)
        except Exception as error:  # noqa: BLE001  # nothing is above it
            stage.tell(outcome, error)
        finally:
            os._exit(stage.FAILED)


def _descriptors(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    packed = b"".join(data for _, _, data in ancillary)
    starts = range(0, len(packed), _DESCRIPTOR_BYTES)
    return [int.from_bytes(packed[start : start + _DESCRIPTOR_BYTES], sys.byteorder) for start in starts]
