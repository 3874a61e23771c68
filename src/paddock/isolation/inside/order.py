"""What the agent asks of this program: plain values, so that they pass as `marshal` does them, without any import.

Seen by the type checker only.
"""

from __future__ import annotations

from typing import TypedDict

MountStep = tuple[str, str, str]
"""Kind, target (absolute, as the runtime will see it) and detail; see `inside.mounts`."""


class Identity(TypedDict):
    """`seen_*` is who the runtime is for itself, in its user namespace; `uid` and `gid` who it is for the machine."""

    uid: int
    gid: int
    seen_uid: int
    seen_gid: int


class Order(TypedDict):
    """`parent` must still be the parent, else nobody waits for the outcome. `mounts` and `new_root` are empty without
    namespaces; `filter`, `landlock_handled` and `landlock_rules` are empty where there is no such layer.
    `line` is the descriptor by which the agent asks for programs (`inside.several`); below zero where `argv` is the
    only one. `bubblewrap`: the command line that builds the namespaces, and the descriptors it
    reads; empty where this program does.
    """

    argv: list[str]
    environment: dict[str, str]
    cwd: str
    line: int
    bubblewrap: list[str]
    bubblewrap_reads: list[int]
    parent: int
    join_files: list[str]
    limits: list[tuple[int, int]]
    cpus: list[int]
    namespaces: bool
    privileged: bool
    identity: Identity
    new_root: str
    mounts: list[MountStep]
    filter: bytes
    landlock_handled: tuple[int, int, int]
    landlock_rules: list[tuple[str, int]]
    kept_capabilities: int


class BesideOrder(TypedDict):
    """One of several programs: all else is as the environment was opened."""

    argv: list[str]
    environment: dict[str, str]
    cwd: str
