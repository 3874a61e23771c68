"""`program.main(ORDER, OUTCOME)`: two descriptors, what is asked for and where to say why it could not be done.

With namespaces three processes come of it: this one waits outside and passes signals on; the first process of the
process namespace waits inside and buries orphans; its child becomes the runtime. Without, this process becomes the
runtime. The outcome stays empty and closes when the runtime is executed. All imports are at the top: once inside,
this interpreter's own library is out of sight.
"""

from __future__ import annotations

import marshal
import os
import resource
import sys

from paddock.isolation.inside import mounts, privileges, system

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from paddock.isolation.inside.order import Order

FAILED = 125
"""Exit status when the runtime was never executed; the outcome says why."""

THE_FUNCTIONS_OWN = ("working directory", "entry point")
"""The stages that fail by what the function brings along; any other failure is ours."""

_HOST_NAME = "localhost"
"""Resolves everywhere, and says nothing of the machine."""

_SIGPIPE, _SIGXFSZ = 13, 25
"""Which this interpreter ignores and a runtime must not."""

_stage = "reading the order"


def _begin(stage: str) -> None:
    global _stage  # noqa: PLW0603  # one process, one thread, one thing at a time
    _stage = stage


def main() -> NoReturn:
    order_descriptor, outcome = int(sys.argv[1]), int(sys.argv[2])
    status = FAILED
    try:
        with os.fdopen(order_descriptor, "rb") as file:
            order: Order = marshal.load(file)  # noqa: S302  # from the process that started this one
        os.set_inheritable(outcome, False)
        status = _carry_out(order, outcome)
    except Exception as error:  # noqa: BLE001  # nothing is above it
        _tell(outcome, error)
    finally:
        os._exit(status)


def _tell(outcome: int, error: Exception) -> None:
    number, text = (error.errno, error.strerror) if isinstance(error, OSError) else (0, repr(error))
    os.write(outcome, f"{_stage}\0{number or 0}\0{text or error}".encode())


def _carry_out(order: Order, outcome: int) -> int:
    if system.LINUX:
        _begin("tying to the agent")
        system.end_with_parent()
        if os.getppid() != order["parent"]:
            return FAILED
    if not order["namespaces"]:
        _join(order)
        _become_runtime(order)
    return _start_inside(order, outcome)


def _join(order: Order) -> None:
    _begin("joining the control group")
    for path in order["join_files"]:
        descriptor = os.open(path, os.O_WRONLY)
        os.write(descriptor, b"0")
        os.close(descriptor)
    if order["cpus"]:
        _begin("choosing processors")
        os.sched_setaffinity(0, order["cpus"])


def _become_runtime(order: Order) -> NoReturn:
    _begin("setting limits")
    for which, most in order["limits"]:
        hard = resource.getrlimit(which)[1]
        value = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(which, (value, value))
    system.default_action(_SIGPIPE)
    system.default_action(_SIGXFSZ)
    _begin("working directory")
    os.chdir(order["cwd"])
    _begin("giving up privileges")
    privileges.confine(order)
    _begin("entry point")
    os.execve(order["argv"][0], order["argv"], order["environment"])  # noqa: S606  # which is all this program is for


# With namespaces


def _start_inside(order: Order, outcome: int) -> int:
    _begin("entering namespaces")
    signals = system.SignalWait()
    if not order["privileged"]:
        system.unshare(system.CLONE_NEWUSER)
        privileges.write_maps(order["identity"])
        privileges.forbid_user_namespaces()
    system.unshare(system.CLONE_NEWNS | system.CLONE_NEWPID | system.CLONE_NEWIPC | system.CLONE_NEWUTS)
    outside_lives, outside_holds = os.pipe()
    result, said = os.pipe()
    first = os.fork()
    if first == 0:
        os.close(outside_holds)
        os.close(result)
        status = FAILED
        try:
            status = _be_first(order, outcome, signals, outside_lives)
            os.write(said, b"%d" % status)
        except Exception as error:  # noqa: BLE001  # nothing is above it
            _tell(outcome, error)
        finally:
            os._exit(FAILED)
    for descriptor in (outside_lives, said, outcome):
        os.close(descriptor)
    _let_go_of_output()
    _wait(first, signals)
    ended_as = os.read(result, 16)
    return _end_like(int(ended_as), signals) if ended_as else FAILED


def _be_first(order: Order, outcome: int, signals: system.SignalWait, outside_lives: int) -> int:
    """The first process of the process namespace: when it ends, the kernel ends all others. Returns the wait status
    of the runtime.
    """
    system.end_with_parent()
    _join(order)
    _begin("entering namespaces")
    system.unshare(system.CLONE_NEWCGROUP)
    system.set_host_name(_HOST_NAME)
    _begin("building the file system")
    mounts.build_root(order["new_root"], order["mounts"])
    _begin("becoming another user")
    if order["privileged"]:
        privileges.become(order["identity"])
        system.end_with_parent()
    if _has_ended(outside_lives):
        return FAILED
    os.close(outside_lives)
    runtime = os.fork()
    if runtime == 0:
        os.setsid()
        signals.give_back()
        _become_runtime(order)
    os.close(outcome)
    _let_go_of_output()
    system.set_dumpable(False)
    system.keep_capabilities(0)
    system.no_new_privileges()
    return _wait(runtime, signals)


def _has_ended(lifeline: int) -> bool:
    """Whether nobody holds the other end any more."""
    os.set_blocking(lifeline, False)
    try:
        return os.read(lifeline, 1) == b""
    except BlockingIOError:
        return False


def _let_go_of_output() -> None:
    """Only the runtime and what it starts hold the pipes, so that they end when those do."""
    for descriptor in (0, 1, 2):
        os.close(descriptor)


def _wait(awaited: int, signals: system.SignalWait) -> int:
    """Its wait status. Meanwhile signals are passed on and whoever lost its parent is buried."""
    while True:
        number = signals.next()
        if number != system.SIGCHLD:
            os.kill(awaited, number)
            continue
        pid = -1
        while pid != 0:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == awaited:
                return status


def _end_like(status: int, signals: system.SignalWait) -> int:
    """As the runtime did: an exit status, or the same signal."""
    if os.WIFEXITED(status):
        return os.WEXITSTATUS(status)
    signals.give_back()
    system.default_action(os.WTERMSIG(status))
    os.kill(os.getpid(), os.WTERMSIG(status))
    return FAILED
