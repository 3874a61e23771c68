"""Gives up what a runtime must not have: its user, its capabilities, its way to more of them, and system calls.

Each of these is for good: the order in which the program calls them is what makes them possible.
"""

from __future__ import annotations

import os

from paddock.isolation.inside import system

TYPE_CHECKING = False
if TYPE_CHECKING:
    from paddock.isolation.inside.order import Identity, Order

OUTPUT = (1, 2)


def become(identity: Identity, output: tuple[int, ...] = OUTPUT) -> None:
    """As root: an own user, and an own user namespace where the machine lets that user make one."""
    for descriptor in output:
        # So that the runtime can open /dev/stdout: a pipe belongs to who made it.
        os.fchown(descriptor, identity["uid"], identity["gid"])
    os.setgroups([])
    os.setresgid(identity["gid"], identity["gid"], identity["gid"])
    os.setresuid(identity["uid"], identity["uid"], identity["uid"])
    system.set_dumpable(True)
    try:
        system.unshare(system.CLONE_NEWUSER)
    except OSError:
        return
    write_maps(identity)


def write_maps(identity: Identity) -> None:
    """Of the user namespace this process is in."""
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{identity['seen_uid']} {identity['uid']} 1")
    _write("/proc/self/gid_map", f"{identity['seen_gid']} {identity['gid']} 1")


def forbid_user_namespaces() -> None:
    """Within this one, which must not be the machine's own. The filter refuses them too."""
    try:
        _write("/proc/sys/user/max_user_namespaces", "0")
    except OSError:
        return


def confine(order: Order) -> None:
    """The last step before the runtime is executed: nothing after it needs more than a runtime may do."""
    if not system.LINUX:
        return
    system.keep_capabilities(order["kept_capabilities"] & permitted_capabilities())
    system.no_new_privileges()
    restrict_files(order)
    if order["filter"]:
        system.install_filter(order["filter"])


def restrict_files(order: Order) -> None:
    """Once: who is restricted apart from others can neither signal them nor reach their abstract sockets."""
    if any(order["landlock_handled"]):
        system.restrict_files(order["landlock_handled"], order["landlock_rules"])
        order["landlock_handled"] = (0, 0, 0)


def permitted_capabilities() -> int:
    """Zero for ordinary users, and where it cannot be read: then none is kept."""
    try:
        with open("/proc/self/status", "rb") as file:  # noqa: PTH123
            for line in file:
                if line.startswith(b"CapPrm:"):
                    return int(line.split()[1], 16)
    except OSError:
        return 0
    return 0


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
