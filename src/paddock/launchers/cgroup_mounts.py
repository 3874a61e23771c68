"""Where the trees of control groups are mounted, and where in them this process is, by what the kernel's files say."""

from __future__ import annotations

from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
OWN_GROUPS = Path("/proc/self/cgroup")


def own_paths(own_groups: str) -> dict[str, str]:
    """Controller (empty for version 2) to this process's path."""
    paths = {}
    for line in own_groups.splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            paths[controller] = path
    return paths


def mounted(mounts: str, kind: str) -> list[tuple[Path, str, list[str]]]:
    """Mount point, the root of the mount, and its options, of each mount of the kind."""
    found = []
    for line in mounts.splitlines():
        left, _, right = line.partition(" - ")
        fields, described = left.split(), right.split()
        if len(fields) > 4 and len(described) > 2 and described[0] == kind:
            found.append((Path(fields[4]), fields[3], described[2].split(",")))
    return found


def inside(mount: Path, root: str, own: str) -> Path:
    """Where the own group is seen; a container may see only its own part of the tree."""
    below = own[len(root) :] if root != "/" and own.startswith(root) else own
    directory = mount / below.strip("/")
    return directory if directory.is_dir() else mount
