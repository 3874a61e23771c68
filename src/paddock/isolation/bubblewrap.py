"""The same isolation by bubblewrap, for machines on which it alone may make user namespaces.

Pure: an argument list. What bubblewrap has no option for (Landlock, a user of its own for each environment) is missing.
"""

from __future__ import annotations

from collections.abc import Callable

from paddock.isolation.filesystem import SEEN_GID, SEEN_UID
from paddock.isolation.inside.order import MountStep
from paddock.isolation.view import Program

_NAMESPACES = ("user", "pid", "ipc", "uts", "cgroup")


def bubblewrap_argv(
    program: str, steps: list[MountStep], inner: Program, filtering: bytes, pass_bytes: Callable[[bytes], int]
) -> list[str]:
    """`pass_bytes` makes a descriptor that bubblewrap will read. Its options go that way too: a command line can be
    read by everybody, and variables hold secrets.
    """
    options = [f"--unshare-{name}" for name in _NAMESPACES]
    options += ["--uid", str(SEEN_UID), "--gid", str(SEEN_GID), "--hostname", "localhost"]
    options += ["--die-with-parent", "--cap-drop", "ALL", "--clearenv"]
    for name, value in inner.environment.items():
        options += ["--setenv", name, value]
    for step in steps:
        options += _arguments(step, pass_bytes)
    options += ["--remount-ro", "/", "--chdir", str(inner.cwd)]
    if filtering:
        options += ["--seccomp", str(pass_bytes(filtering))]
    told = pass_bytes(b"".join(option.encode() + b"\0" for option in options))
    return [program, "--args", str(told), "--", *inner.argv]


def _arguments(step: MountStep, pass_bytes: Callable[[bytes], int]) -> list[str]:
    kind, target, detail = step
    match kind:
        case "read-only":
            return ["--ro-bind", detail, target]
        case "as-it-is":
            return ["--dev-bind", detail, target]
        case "link":
            return ["--symlink", detail, target]
        case "directory":
            return ["--dir", target]
        case "file" | "cover":
            return ["--ro-bind-data", str(pass_bytes(detail.encode())), target]
        case "tmpfs":
            return _tmpfs(target, dict(option.split("=") for option in detail.split(",")))
        case "proc":
            return ["--proc", target]
        case _:
            return []


def _tmpfs(target: str, options: dict[str, str]) -> list[str]:
    size = int(options["size"].removesuffix("m")) * 1024 * 1024
    return ["--perms", options["mode"].rjust(4, "0"), "--size", str(size), "--tmpfs", target]
