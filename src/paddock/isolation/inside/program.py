"""`program.main(ORDER, OUTCOME)`: two descriptors, what is asked for and where to say why it could not be done.

With namespaces three processes come of it: this one waits outside and passes signals on; the first process of the
process namespace waits inside and buries orphans; its child becomes the runtime. Without, this process becomes the
runtime. The outcome stays empty and closes when the runtime is executed. Where several programs are to run, the first
process starts them one by one (`several`), and the outcome closes when it is ready to.

All imports come before: once inside, this interpreter's own library is out of sight.
"""

from __future__ import annotations

import marshal
import os
import resource
import sys

from paddock.isolation.inside import mounts, privileges, stage, system

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from paddock.isolation.inside.order import BesideOrder, Order

    Execute = Callable[[BesideOrder], None]
    Serve = Callable[[int, system.SignalWait, Execute], None]

_HOST_NAME = "localhost"
"""Resolves everywhere, and says nothing of the machine."""

_SIGPIPE, _SIGXFSZ = 13, 25
"""Which this interpreter ignores and a runtime must not."""


def main() -> NoReturn:
    order_descriptor, outcome = int(sys.argv[1]), int(sys.argv[2])
    status = stage.FAILED
    try:
        with os.fdopen(order_descriptor, "rb") as file:
            order: Order = marshal.load(file)  # noqa: S302  # from the process that started this one
        os.set_inheritable(outcome, False)
        status = _carry_out(order, outcome)
    except Exception as error:  # noqa: BLE001  # nothing is above it
        stage.tell(outcome, error)
    finally:
        os._exit(status)


def _carry_out(order: Order, outcome: int) -> int:
    if system.LINUX:
        stage.begin("tying to the agent")
        system.end_with_parent()
        if os.getppid() != order["parent"]:
            return stage.FAILED
    if not order["namespaces"]:
        _join(order)
        _become_runtime(order)
    return _start_inside(order, outcome)


def _join(order: Order) -> None:
    stage.begin("joining the control group")
    for path in order["join_files"]:
        descriptor = os.open(path, os.O_WRONLY)
        os.write(descriptor, b"0")
        os.close(descriptor)
    if order["cpus"]:
        stage.begin("choosing processors")
        os.sched_setaffinity(0, order["cpus"])


def _become_runtime(order: Order) -> NoReturn:
    stage.begin("setting limits")
    for which, most in order["limits"]:
        hard = resource.getrlimit(which)[1]
        value = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(which, (value, value))
    system.default_action(_SIGPIPE)
    system.default_action(_SIGXFSZ)
    stage.begin("working directory")
    os.chdir(order["cwd"])
    stage.begin("giving up privileges")
    privileges.confine(order)
    stage.begin("entry point")
    os.execve(order["argv"][0], order["argv"], order["environment"])  # noqa: S606  # which is all this program is for


# With namespaces


def _start_inside(order: Order, outcome: int) -> int:
    stage.begin("entering namespaces")
    signals = system.SignalWait()
    serve = _serving_several(order["line"]) if order["line"] >= 0 else None
    _enter(order, signals)
    outside_lives, outside_holds = os.pipe()
    result, said = os.pipe()
    first = os.fork()
    if first == 0:
        os.close(outside_holds)
        os.close(result)
        status = stage.FAILED
        try:
            system.end_with_parent()
            _settle_inside(order)
            if _has_ended(outside_lives):
                os._exit(stage.FAILED)
            os.close(outside_lives)
            if serve is not None:
                _run_several(order, outcome, signals, serve)
            status = _run_one(order, outcome, signals)
            os.write(said, b"%d" % status)
        except Exception as error:  # noqa: BLE001  # nothing is above it
            stage.tell(outcome, error)
        finally:
            os._exit(stage.FAILED)
    for descriptor in (outside_lives, said, outcome):
        os.close(descriptor)
    if serve is not None:
        os.close(order["line"])
    _let_go_of_output()
    _wait(first, signals, os.kill)
    ended_as = os.read(result, 16)
    return _end_like(int(ended_as), signals) if ended_as else stage.FAILED


def _serving_several(line: int) -> Serve:
    """Loaded only where it is needed."""
    from paddock.isolation.inside.several import serve  # noqa: PLC0415

    os.set_inheritable(line, False)
    return serve


def _enter(order: Order, signals: system.SignalWait) -> None:
    """Afterwards the next process that is forked is inside."""
    if order["bubblewrap"]:
        from paddock.isolation.inside.entering import enter  # noqa: PLC0415  # as above

        _join(order)
        stage.begin("entering namespaces")
        enter(order["bubblewrap"], order["bubblewrap_reads"], signals)
        return
    if not order["privileged"]:
        system.unshare(system.CLONE_NEWUSER)
        privileges.write_maps(order["identity"])
        privileges.forbid_user_namespaces()
    system.unshare(system.CLONE_NEWNS | system.CLONE_NEWPID | system.CLONE_NEWIPC | system.CLONE_NEWUTS)


def _settle_inside(order: Order) -> None:
    """As the first process of the process namespace, or at bubblewrap's the first that does anything: when the first
    ends, the kernel ends all others.
    """
    if order["bubblewrap"]:
        system.bury_descendants()
        return
    _join(order)
    stage.begin("entering namespaces")
    system.unshare(system.CLONE_NEWCGROUP)
    system.set_host_name(_HOST_NAME)
    stage.begin("building the file system")
    mounts.build_root(order["new_root"], order["mounts"])
    stage.begin("becoming another user")
    if order["privileged"]:
        # Where there are several programs, these are no pipes, and each brings its own.
        privileges.become(order["identity"], privileges.OUTPUT if order["line"] < 0 else ())
        system.end_with_parent()


def _run_one(order: Order, outcome: int, signals: system.SignalWait) -> int:
    """Returns the wait status of the runtime."""
    runtime = os.fork()
    if runtime == 0:
        os.setsid()
        signals.give_back()
        _become_runtime(order)
    os.close(outcome)
    _let_go_of_output()
    _give_up_privileges()
    return _wait(runtime, signals, _signal_group)


def _run_several(order: Order, outcome: int, signals: system.SignalWait, serve: Serve) -> NoReturn:
    """Until the agent wants no more of the environment. What confines a program needs no privileges: each confines
    itself when it is started. Landlock comes before, so that they are restricted together.
    """

    def become_program(beside: BesideOrder) -> None:
        order["argv"], order["environment"], order["cwd"] = beside["argv"], beside["environment"], beside["cwd"]
        _become_runtime(order)

    _give_up_privileges()
    privileges.restrict_files(order)
    os.close(outcome)
    try:
        serve(order["line"], signals, become_program)
    finally:
        os._exit(0)


def _give_up_privileges() -> None:
    """Of the first process, into which no program may look."""
    system.set_dumpable(False)
    system.keep_capabilities(0)
    system.no_new_privileges()


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


def _wait(awaited: int, signals: system.SignalWait, pass_on: Callable[[int, int], None]) -> int:
    """Its wait status. Meanwhile signals are passed on and whoever lost its parent is buried."""
    while True:
        number = signals.next()
        if number != system.SIGCHLD:
            pass_on(awaited, number)
            continue
        pid = -1
        while pid != 0:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == awaited:
                return status


def _signal_group(leader: int, number: int) -> None:
    try:
        os.killpg(leader, number)
    except ProcessLookupError:
        # It has not made its group yet.
        os.kill(leader, number)


def _end_like(status: int, signals: system.SignalWait) -> int:
    """As the runtime did: an exit status, or the same signal."""
    if os.WIFEXITED(status):
        return os.WEXITSTATUS(status)
    signals.give_back()
    system.default_action(os.WTERMSIG(status))
    os.kill(os.getpid(), os.WTERMSIG(status))
    return stage.FAILED
