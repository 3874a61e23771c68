"""Goes into namespaces that bubblewrap builds, where it alone may make them.

Bubblewrap is started and held back before it executes anything, and what it has built stays. When nobody holds it back
any more, it goes on to what cannot be executed, and ends: as it is the first process inside, all others end with it.
Its own tie to its parent would come too late, and its reaper would wait for everybody. Sources: manual pages bwrap(1),
setns(2), ioctl_ns(2).
"""

from __future__ import annotations

import os
import time

from paddock.isolation.inside import system

_KINDS = (
    ("mnt", system.CLONE_NEWNS),
    ("pid", system.CLONE_NEWPID),
    ("ipc", system.CLONE_NEWIPC),
    ("uts", system.CLONE_NEWUTS),
    ("cgroup", system.CLONE_NEWCGROUP),
)
_INFO_BYTES = 4096
_PAUSE_SECONDS = 0.001
_ROUNDS = 10_000
"""Ten seconds to build a file system, which takes some milliseconds."""


def enter(argv: list[str], reads: list[int], signals: system.SignalWait) -> None:
    """`argv` is bubblewrap's command line, `reads` the descriptors that are for it alone. Afterwards the next process
    that is forked is inside; all capabilities in there are still to be given up.
    """
    first = _start(argv, signals)
    for descriptor in reads:
        os.close(descriptor)
    _join_namespaces(_when_built(first))


def _start(argv: list[str], signals: system.SignalWait) -> int:
    """The pid of the first process inside."""
    told, telling = os.pipe()
    held, holding = os.pipe()
    if os.fork() == 0:
        try:
            signals.give_back()
            os.close(holding)
            os.set_inheritable(telling, True)
            os.set_inheritable(held, True)
            options = ["--info-fd", str(telling), "--block-fd", str(held), "--as-pid-1"]
            os.execve(argv[0], [argv[0], *options, *argv[1:]], {})  # noqa: S606  # which is what it is for
        finally:
            os._exit(1)
    os.close(held)
    os.close(telling)
    info = b""
    while b"}" not in info:
        more = os.read(told, _INFO_BYTES)
        if not more:
            raise OSError(0, "bubblewrap ended")
        info += more
    os.close(told)
    # `holding` stays open for the life of this process and of the next, which ends with it.
    digits = info.partition(b'"child-pid":')[2].split(b",")[0].strip(b" \n}")
    return int(digits)


def _when_built(pid: int) -> int:
    """It gives up its capabilities when all is built, and then waits."""
    for _ in range(_ROUNDS):
        with open(f"/proc/{pid}/status", "rb") as file:  # noqa: PTH123
            if b"\nCapEff:\t0000000000000000\n" in file.read():
                return pid
        time.sleep(_PAUSE_SECONDS)
    raise OSError(0, "bubblewrap was not ready in time")


def _join_namespaces(pid: int) -> None:
    """Its user namespace may lie in another, which owns all that was built."""
    namespaces = [(os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY), kind) for name, kind in _KINDS]
    user = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY)
    owner = system.owner_of_namespace(namespaces[0][0])
    system.set_namespace(owner, system.CLONE_NEWUSER)
    for descriptor, kind in namespaces:
        system.set_namespace(descriptor, kind)
    if os.fstat(owner).st_ino != os.fstat(user).st_ino:
        system.set_namespace(user, system.CLONE_NEWUSER)
    for descriptor in (owner, user, *(descriptor for descriptor, _ in namespaces)):
        os.close(descriptor)
