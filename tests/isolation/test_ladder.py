from __future__ import annotations

import itertools
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from paddock.isolation import probe
from paddock.isolation.ladder import Way, pinned_processors, select, ways_of_this_machine
from paddock.isolation.launch import as_process
from paddock.isolation.selftest import failures, trial_in
from paddock.isolation.view import EnvironmentView, IsolationUnavailable, LaunchCommand, Program, Rung
from tests.isolation.enclosed import Enclosure, descriptors

SYSTEM_PYTHON = Path("/usr/bin/python3")
SOURCES = Path(probe.__file__).parents[2]
NOBODY = 65534


def plain(rung: Rung, name: str, *, claims: frozenset[str] = frozenset({"runtime-api"})) -> Way:
    return Way(rung, (name,), as_process(landlock=0, filtered=False), claims)


def broken(rung: Rung, name: str) -> Way:
    def wrap(view: EnvironmentView, program: Program) -> LaunchCommand:
        raise OSError(1, "Operation not permitted")

    return Way(rung, (name,), wrap, frozenset())


def test_the_first_way_that_is_proved_is_taken(scratch: Path) -> None:
    found = select(
        None, scratch, [broken(Rung.PROCESS, "best"), plain(Rung.PROCESS, "good"), plain(Rung.PROCESS, "worse")]
    )
    assert found.describe() == "process (good)"
    assert found.why_not_higher == ("no process (best): [Errno 1] Operation not permitted",)


def test_a_way_that_promises_more_than_it_gives_is_not_taken(scratch: Path) -> None:
    everything = frozenset(probe.CLAIMS)
    boastful = plain(Rung.PROCESS, "boastful", claims=everything)
    found = select(None, scratch, [boastful, plain(Rung.PROCESS, "modest")])
    assert found.describe() == "process (modest)"
    (why,) = found.why_not_higher
    for seen in ("/tmp is seen", "the agent's process is seen", "a file outside can be read"):
        assert seen in why


def test_a_minimum_that_cannot_be_had_fails_closed_in_one_line(scratch: Path) -> None:
    ways = [broken(Rung.NAMESPACES, "own namespaces"), plain(Rung.PROCESS, "limits")]
    with pytest.raises(IsolationUnavailable) as caught:
        select(Rung.NAMESPACES, scratch, ways)
    assert str(caught.value) == (
        "isolation of namespaces or more was demanded and cannot be had: "
        "no namespaces (own namespaces): [Errno 1] Operation not permitted"
    )


def test_below_the_minimum_nothing_is_tried(scratch: Path) -> None:
    with pytest.raises(IsolationUnavailable, match="this machine has no way to it"):
        select(Rung.NAMESPACES, scratch, [plain(Rung.PROCESS, "limits")])


def test_a_probe_that_says_nothing_proves_nothing(scratch: Path) -> None:
    def wrap(view: EnvironmentView, program: Program) -> LaunchCommand:
        return as_process(landlock=0, filtered=False)(view, replace(program, argv=("/bin/true",)))

    with trial_in(scratch) as trial:
        assert failures(wrap, trial, frozenset(), aws_layout=False) == ["the probe did not run: it said nothing"]


def test_the_self_test_leaves_nothing_behind(scratch: Path) -> None:
    before = descriptors()
    select(None, scratch)
    assert {path.name for path in scratch.iterdir()} <= {"root"}
    assert descriptors() == before


def test_every_machine_has_a_rung_and_the_ladder_goes_down(scratch: Path) -> None:
    rungs = [way.rung for way in ways_of_this_machine(scratch)]
    assert rungs == sorted(rungs, reverse=True)
    assert rungs[-1] is Rung.PROCESS
    assert select(Rung.PROCESS, scratch).rung >= Rung.PROCESS


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become an ordinary user")
def test_an_ordinary_user_gets_what_the_machine_allows() -> None:
    """By the system's interpreter: the tests' own may lie where that user cannot read."""
    program = (
        "import sys; from pathlib import Path; from paddock.isolation.ladder import select;"
        "found = select(None, Path(sys.argv[1])); print(found.rung.name, *found.why_not_higher)"
    )
    version = subprocess.run(
        [SYSTEM_PYTHON, "-c", "import sys; print(sys.version_info >= (3, 11))"],
        capture_output=True,
        text=True,
        check=False,
    )
    if version.stdout.strip() != "True" or not _readable_by_all(SOURCES):
        pytest.skip("an ordinary user cannot run this code here")
    place = Path("/tmp") / f"paddock-test-{os.getpid()}-{next(_numbers)}"
    place.mkdir(mode=0o700)
    os.chown(place, NOBODY, NOBODY)
    try:
        done = subprocess.run(
            [SYSTEM_PYTHON, "-c", program, str(place)],
            env={"PYTHONPATH": str(SOURCES), "PYTHONDONTWRITEBYTECODE": "1"},
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
            cwd="/",
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    finally:
        for left in place.iterdir():
            left.rmdir()
        place.rmdir()
    assert done.returncode == 0, done.stderr
    if Path("/proc/self/ns/user").exists() and _unprivileged_user_namespaces():
        assert done.stdout.split()[0] == "NAMESPACES", done.stdout


_numbers = itertools.count()


def _readable_by_all(path: Path) -> bool:
    return all(one.stat().st_mode & 0o005 == 0o005 for one in (path, *path.parents))


def _unprivileged_user_namespaces() -> bool:
    allowed = subprocess.run(["unshare", "-Urm", "true"], user=NOBODY, group=NOBODY, capture_output=True, check=False)
    return allowed.returncode == 0


@pytest.mark.parametrize(
    ("vcpu", "entitled_cores", "cores", "tied_to"),
    [
        (1.0, 1.0, 8, 1),
        (1.5, 1.5, 8, 2),
        (8.0, 8.0, 8, 0),  # it counts right anyway
        (2.0, 0.5, 8, 0),  # a vCPU is less than a core: environments share all of them
    ],
)
def test_an_environment_is_tied_to_as_many_processors_as_it_has_vcpu(
    vcpu: float, entitled_cores: float, cores: int, tied_to: int
) -> None:
    assert len(pinned_processors(0, vcpu, entitled_cores, range(cores))) == tied_to


def test_environments_are_spread_over_the_processors() -> None:
    tied = [pinned_processors(number, 2.0, 2.0, range(8)) for number in range(4)]
    assert sorted(one for each in tied for one in each) == list(range(8))


def test_a_runtime_that_is_tied_counts_its_processors(scratch: Path) -> None:
    available = sorted(os.sched_getaffinity(0))
    enclosure = Enclosure(select(None, scratch), scratch)
    script = "import os; print(sorted(os.sched_getaffinity(0)))"
    assert enclosure.run(script, cpus=(available[-1],)).said.strip() == str(available[-1:])
