"""Turns a program and its environment's view into what is executed: one way for each means of isolation.

Decides nothing about which of them is taken (`ladder`). The descriptors made here belong to the `LaunchCommand`.
"""

from __future__ import annotations

import marshal
import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path, PurePath

from paddock.isolation.beside import FirstProcess, Opening, open_line, readable
from paddock.isolation.bubblewrap import bubblewrap_argv
from paddock.isolation.filesystem import mount_steps
from paddock.isolation.identity import agents_identity, own_identity
from paddock.isolation.inside import system
from paddock.isolation.inside.order import Order
from paddock.isolation.inside.privileges import permitted_capabilities
from paddock.isolation.landlock import LandlockRules, rules_for_process, rules_in_namespaces
from paddock.isolation.seccomp import filter_program
from paddock.isolation.view import EnvironmentView, LaunchCommand, Program

SOURCES = Path(__file__).parents[2]
_START = f"import sys; sys.path.insert(0, {str(SOURCES)!r}); from paddock.isolation.inside.program import main; main()"
_KEPT_OF_ROOT = 1 << 2
"""CAP_DAC_READ_SEARCH: where root has no namespaces to offer, its functions still find code in others' directories."""
_ALL_CAPABILITIES = -1
"""Bubblewrap needs them to set up, and drops them itself."""
_NEEDED_OF_ROOT = (1 << 0) | (1 << 6) | (1 << 7) | (1 << 21)
"""CAP_CHOWN, CAP_SETGID, CAP_SETUID, CAP_SYS_ADMIN: without them root in a container is an ordinary user."""

_NO_PROGRAM = Program((), {}, PurePath("/"))
_HELD_BACK = Program(("/dev/null",), {}, PurePath("/"))
"""What no system executes: bubblewrap is held back before it tries, and ends when it does."""

Wrap = Callable[[EnvironmentView, Program], LaunchCommand]
Open = Callable[[EnvironmentView], Opening]


def is_privileged() -> bool:
    """Whether every environment can have a user of its own."""
    return os.geteuid() == 0 and permitted_capabilities() & _NEEDED_OF_ROOT == _NEEDED_OF_ROOT


def in_namespaces(new_root: Path, *, landlock: int, privileged: bool) -> Wrap:
    """`new_root` is an empty directory; each environment sees its own file system there and no other."""
    order_for = _orders_in_namespaces(new_root, landlock=landlock, privileged=privileged)

    def wrap(view: EnvironmentView, program: Program) -> LaunchCommand:
        return _launch(order_for(view, program), passes_signals=True)

    return wrap


def open_namespaces(new_root: Path, *, landlock: int, privileged: bool) -> Open:
    """The same for an environment of several programs."""
    order_for = _orders_in_namespaces(new_root, landlock=landlock, privileged=privileged)

    def open_environment(view: EnvironmentView) -> Opening:
        order = order_for(view, _NO_PROGRAM)
        ours, theirs = open_line()
        order["line"] = theirs
        command = _launch(order, [theirs])
        return Opening(command, FirstProcess(ours, command.uid))

    return open_environment


def _orders_in_namespaces(
    new_root: Path, *, landlock: int, privileged: bool
) -> Callable[[EnvironmentView, Program], Order]:
    def order_for(view: EnvironmentView, program: Program) -> Order:
        order = _order(view, program)
        order["namespaces"] = True
        order["privileged"] = privileged
        order["new_root"] = str(new_root)
        order["mounts"] = mount_steps(view)
        order["filter"] = filter_program(system.ARCHITECTURE, own_processes=True)
        order["limits"].append((resource.RLIMIT_NPROC, view.max_processes))
        _restrict(order, rules_in_namespaces(landlock))
        if privileged:
            order["identity"] = own_identity(view.environment_id)
            if view.socket is not None:
                os.chown(view.socket, order["identity"]["uid"], order["identity"]["gid"])
        return order

    return order_for


def by_bubblewrap(bubblewrap: str) -> Wrap:
    def wrap(view: EnvironmentView, program: Program) -> LaunchCommand:
        order = _order(view, program)
        contents: list[int] = []
        order["argv"] = _bubblewrap_argv(bubblewrap, view, program, contents)
        order["environment"] = {}
        order["cwd"] = "/"
        order["kept_capabilities"] = _ALL_CAPABILITIES
        return _launch(order, contents, signals_as_statuses=True)

    return wrap


def open_by_bubblewrap(bubblewrap: str) -> Open:
    """It builds the namespaces and executes nothing; our own first process goes into them."""

    def open_environment(view: EnvironmentView) -> Opening:
        order = _order(view, _NO_PROGRAM)
        ours, theirs = open_line()
        order["line"] = theirs
        order["namespaces"] = True
        order["bubblewrap"] = _bubblewrap_argv(bubblewrap, view, _HELD_BACK, order["bubblewrap_reads"])
        order["filter"] = filter_program(system.ARCHITECTURE, own_processes=True)
        return Opening(_launch(order, [theirs, *order["bubblewrap_reads"]]), FirstProcess(ours, None))

    return open_environment


def _bubblewrap_argv(bubblewrap: str, view: EnvironmentView, program: Program, contents: list[int]) -> list[str]:
    """Its descriptors are added to `contents`."""

    def pass_bytes(content: bytes) -> int:
        contents.append(readable(content))
        return contents[-1]

    filtering = filter_program(system.ARCHITECTURE, own_processes=True)
    return bubblewrap_argv(bubblewrap, mount_steps(view), program, filtering, pass_bytes)


def as_process(*, landlock: int, filtered: bool) -> Wrap:
    def wrap(view: EnvironmentView, program: Program) -> LaunchCommand:
        order = _order(view, program)
        order["kept_capabilities"] = _KEPT_OF_ROOT
        if filtered:
            order["filter"] = filter_program(system.ARCHITECTURE, own_processes=False)
        _restrict(order, rules_for_process(landlock, view))
        return _launch(order)

    return wrap


def _order(view: EnvironmentView, program: Program) -> Order:
    return Order(
        argv=list(program.argv),
        environment=dict(program.environment),
        cwd=str(program.cwd),
        line=-1,
        bubblewrap=[],
        bubblewrap_reads=[],
        parent=os.getpid(),
        join_files=[str(path) for path in view.join_files],
        limits=[(resource.RLIMIT_NOFILE, view.open_files), (resource.RLIMIT_CORE, 0)],
        cpus=list(view.cpus),
        namespaces=False,
        privileged=False,
        identity=agents_identity(os.geteuid(), os.getegid()),
        new_root="",
        mounts=[],
        filter=b"",
        landlock_handled=(0, 0, 0),
        landlock_rules=[],
        kept_capabilities=0,
    )


def _restrict(order: Order, rules: LandlockRules) -> None:
    order["landlock_handled"] = rules.handled
    order["landlock_rules"] = list(rules.rules)


def _launch(
    order: Order,
    contents: list[int] | None = None,
    *,
    signals_as_statuses: bool = False,
    passes_signals: bool = False,
) -> LaunchCommand:
    """`-I -S`: nothing of the agent's or the customer's environment decides what the interpreter in between loads."""
    outcome, said = os.pipe()
    passed = readable(marshal.dumps(dict(order)))
    return LaunchCommand(
        argv=(sys.executable, "-I", "-S", "-c", _START, str(passed), str(said)),
        environment={},
        pass_fds=(passed, said, *(contents or ())),
        outcome=outcome,
        uid=order["identity"]["uid"] if order["privileged"] else None,
        signals_as_statuses=signals_as_statuses,
        passes_signals=passes_signals,
    )
