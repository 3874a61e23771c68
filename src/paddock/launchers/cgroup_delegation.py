"""Where in version 2's tree instances may have their groups.

The kernel's rule: a group that gives its children controllers holds no processes itself. So what runs in the group
that was handed to us, the server and its agents, moves into a leaf of it first; all of them find the same parent
afterwards. Nobody else's processes are ever moved.
"""

from __future__ import annotations

import os
from pathlib import Path

from paddock.launchers.processes import all_stats, descendants

LEAF = "paddock-processes"
"""The group of the server and the agents."""

_ROUNDS = 10
"""Of moving: processes are born while others are moved."""


def shared_parent(hierarchy: Path, own: Path) -> Path:
    """The group below which ours are made. Raises `OSError` where there can be none.

    Root takes the top of the machine's tree, which the rule exempts, as container engines do; an ordinary user, and
    anybody in a container, needs a group that is theirs alone (`systemd-run --user --scope -p Delegate=yes`).
    """
    if _is_top(hierarchy) and os.access(hierarchy / "cgroup.subtree_control", os.W_OK):
        return hierarchy
    if own.name == LEAF:
        return own.parent
    family = _family(_pids(own))
    if not _pids(own) <= family:
        raise PermissionError(f"{own} holds processes that are not ours")
    leaf = own / LEAF
    leaf.mkdir(exist_ok=True)
    for _ in range(_ROUNDS):
        staying = _pids(own) - _pids(leaf)
        if not staying:
            break
        for pid in staying:
            _move(pid, leaf)
    return own


def _is_top(hierarchy: Path) -> bool:
    """Only the machine's real root group has no type, in no container's view of a tree."""
    return (hierarchy / "cgroup.subtree_control").exists() and not (hierarchy / "cgroup.type").exists()


def _family(inside: set[int]) -> set[int]:
    """Our furthest ancestor in the group, and all that came of it."""
    stats = all_stats()
    parents = {stat.pid: stat.parent for stat in stats}
    furthest = pid = os.getpid()
    while pid in parents:
        pid = parents[pid]
        if pid in inside:
            furthest = pid
    return {furthest, *descendants([furthest], stats)}


def _move(pid: int, leaf: Path) -> None:
    try:
        (leaf / "cgroup.procs").write_text(str(pid))
    except ProcessLookupError:
        return


def _pids(directory: Path) -> set[int]:
    try:
        return {int(pid) for pid in (directory / "cgroup.procs").read_text(encoding="ascii").split()}
    except OSError:
        return set()
