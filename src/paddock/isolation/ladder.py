"""Which rung of isolation this machine gives: tried from the top, taken when a self-test proves it.

`select` is the way in. The agent then asks `Isolation.wrap` for each environment; what is below (namespaces by system
calls or by bubblewrap, seccomp, Landlock) it need not know.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from paddock.isolation.identity import own_identity
from paddock.isolation.inside import system
from paddock.isolation.launch import (
    Open,
    Wrap,
    as_process,
    by_bubblewrap,
    in_namespaces,
    is_privileged,
    open_by_bubblewrap,
    open_namespaces,
)
from paddock.isolation.selftest import failures, trial_in
from paddock.isolation.syscalls import ARCHITECTURES
from paddock.isolation.view import EnvironmentView, IsolationUnavailable, LaunchCommand, Program, Rung

_ALL = frozenset({"task", "tmp", "processes", "files", "user", "runtime-api"})
_WORKS = frozenset({"runtime-api"})
"""Of a plain process nothing more is claimed than that a runtime can run."""


@dataclass(frozen=True, slots=True)
class Way:
    """One means to one rung. `layers` are its parts, for people; `claims` what must be proved of it. `own_users`: each
    environment is a user that nobody else is. `open` is for several programs in one environment; where nothing holds
    them apart from the machine's, it is None, and each is wrapped for itself.
    """

    rung: Rung
    layers: tuple[str, ...]
    wrap: Wrap
    claims: frozenset[str]
    own_users: bool = False
    open: Open | None = None


@dataclass(frozen=True, slots=True)
class Isolation:
    """What `select` found. `why_not_higher` holds a line for each stronger way that was tried in vain."""

    way: Way
    why_not_higher: tuple[str, ...] = ()

    @property
    def rung(self) -> Rung:
        return self.way.rung

    @property
    def has_aws_layout(self) -> bool:
        """Whether the runtime finds its code at `/var/task` and so on, or where it is on disk."""
        return self.way.rung >= Rung.NAMESPACES

    def user_of(self, environment_id: str) -> int | None:
        """The user of this machine that nobody but this environment is; None where users are shared."""
        return own_identity(environment_id)["uid"] if self.way.own_users else None

    def describe(self) -> str:
        """One line for `paddock status`."""
        return f"{self.way.rung.name.lower()} ({', '.join(self.way.layers)})"

    def wrap(self, view: EnvironmentView, program: Program) -> LaunchCommand:
        """Reads the file system a little; starts nothing. The caller must see the `LaunchCommand` through."""
        return self.way.wrap(view, program)


def select(minimum: Rung | None, scratch: Path, ways: Sequence[Way] | None = None) -> Isolation:
    """The strongest rung that is proved. `scratch` is a directory of the agent's own, which no runtime may see.

    Blocking, some fifty milliseconds for each way that is tried. Raises `IsolationUnavailable` when the minimum
    cannot be had.
    """
    refused: list[str] = []
    with trial_in(scratch) as trial:
        for way in ways_of_this_machine(scratch) if ways is None else ways:
            if minimum is not None and way.rung < minimum:
                break
            found = failures(way.wrap, trial, way.claims, aws_layout=way.rung >= Rung.NAMESPACES)
            if not found:
                return Isolation(way, tuple(refused))
            refused.append(f"no {way.rung.name.lower()} ({way.layers[0]}): {'; '.join(found)}")
    wanted = "any" if minimum is None else minimum.name.lower()
    reasons = " | ".join(refused) or "this machine has no way to it"
    raise IsolationUnavailable(f"isolation of {wanted} or more was demanded and cannot be had: {reasons}")


def ways_of_this_machine(scratch: Path) -> list[Way]:
    """Strongest first. The last one asks for nothing at all."""
    landlock = system.landlock_version()
    locks = _locks(landlock)
    ways = []
    if system.LINUX and system.ARCHITECTURE in ARCHITECTURES:
        new_root = scratch / "root"
        new_root.mkdir(exist_ok=True)
        privileged = is_privileged()
        namespaces = ("own namespaces", "own user" if privileged else "the agent's user", *locks)
        wrap = in_namespaces(new_root, landlock=landlock, privileged=privileged)
        opened = open_namespaces(new_root, landlock=landlock, privileged=privileged)
        ways.append(Way(Rung.NAMESPACES, namespaces, wrap, _ALL, own_users=privileged, open=opened))
        bubblewrap = shutil.which("bwrap")
        if bubblewrap is not None:
            opened, layers = open_by_bubblewrap(bubblewrap), ("bubblewrap", "seccomp")
            ways.append(Way(Rung.NAMESPACES, layers, by_bubblewrap(bubblewrap), _ALL, open=opened))
        ways.append(Way(Rung.PROCESS, ("limits", *locks), as_process(landlock=landlock, filtered=True), _WORKS))
    ways.append(Way(Rung.PROCESS, ("limits",), as_process(landlock=0, filtered=False), _WORKS))
    return ways


def _locks(landlock: int) -> tuple[str, ...]:
    return ("seccomp", f"Landlock {landlock}") if landlock else ("seccomp",)


def pinned_processors(number: int, vcpu: float, entitled_cores: float, available: Sequence[int]) -> tuple[int, ...]:
    """To which processors environment `number` is tied, so that it counts as many as its vCPU; none where it need not
    be.

    Only where each vCPU is a real core: elsewhere environments share cores, and a tie would keep them off idle ones.
    """
    count = max(1, math.ceil(vcpu))
    if count >= len(available) or entitled_cores < vcpu:
        return ()
    first = number * count
    return tuple(available[(first + place) % len(available)] for place in range(count))
