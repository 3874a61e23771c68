"""Every means of isolation this machine has, each proved by the self-test before anything else is asked of it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from paddock.isolation.inside import system
from paddock.isolation.ladder import Isolation, Way, select, ways_of_this_machine
from paddock.isolation.launch import in_namespaces, is_privileged, open_namespaces
from paddock.isolation.view import IsolationUnavailable, Rung
from tests.isolation.enclosed import Enclosure


def _own_namespaces(scratch: Path) -> Way:
    return next(way for way in ways_of_this_machine(scratch) if way.layers[0] == "own namespaces")


def _with_an_own_user(scratch: Path) -> Way:
    if not is_privileged():
        pytest.skip("an own user for each environment takes root")
    return _own_namespaces(scratch)


def _as_an_ordinary_user(scratch: Path) -> Way:
    way = _own_namespaces(scratch)
    root, landlock = scratch / "root", system.landlock_version()
    wrap = in_namespaces(root, landlock=landlock, privileged=False)
    opened = open_namespaces(root, landlock=landlock, privileged=False)
    return Way(way.rung, (way.layers[0], "the agent's user", *way.layers[2:]), wrap, way.claims, open=opened)


def _by_bubblewrap(scratch: Path) -> Way:
    if shutil.which("bwrap") is None:
        pytest.skip("bubblewrap is not installed")
    return next(way for way in ways_of_this_machine(scratch) if way.layers[0] == "bubblewrap")


def _as_a_process(scratch: Path) -> Way:
    return next(way for way in ways_of_this_machine(scratch) if way.rung is Rung.PROCESS)


def _as_a_bare_process(scratch: Path) -> Way:
    return ways_of_this_machine(scratch)[-1]


IN_NAMESPACES: dict[str, Callable[[Path], Way]] = {
    "own-user": _with_an_own_user,
    "ordinary-user": _as_an_ordinary_user,
    "bubblewrap": _by_bubblewrap,
}
EVERY_WAY = {**IN_NAMESPACES, "process": _as_a_process, "bare-process": _as_a_bare_process}


def proved(way: Way, directory: Path) -> Enclosure:
    try:
        isolation: Isolation = select(way.rung, directory, [way])
    except IsolationUnavailable as unavailable:
        pytest.skip(str(unavailable))
    return Enclosure(isolation, directory)


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    directory = tmp_path / "agent"
    directory.mkdir(mode=0o700)
    return directory


@pytest.fixture(params=IN_NAMESPACES)
def in_own_namespaces(request: pytest.FixtureRequest, scratch: Path) -> Enclosure:
    return proved(IN_NAMESPACES[request.param](scratch), scratch)


@pytest.fixture(params=EVERY_WAY)
def anywhere(request: pytest.FixtureRequest, scratch: Path) -> Enclosure:
    return proved(EVERY_WAY[request.param](scratch), scratch)
