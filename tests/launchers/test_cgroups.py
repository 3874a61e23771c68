"""Whatever version this machine has, with real processes; version 2 against a tree of plain files too, which shows
every write.
"""

from __future__ import annotations

import itertools
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from paddock.launchers.cgroup_delegation import LEAF, shared_parent
from paddock.launchers.cgroup_peaks import _HeldFile
from paddock.launchers.cgroups import (
    Cgroup,
    CgroupV2,
    CpuShare,
    MemoryShare,
    open_cgroups,
    open_cgroups_here,
)

MIB = 1024 * 1024
ONE_CORE = CpuShare(1.0, strict=False)
SLEEP = "import time\ntime.sleep(600)\n"
_names = itertools.count()


# Version 2, on plain files


def group(
    directory: Path, *, controllers: str = "cpu memory pids", pids: tuple[int, ...] = (), top: bool = False
) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "cgroup.controllers").write_text(controllers)
    (directory / "cgroup.subtree_control").write_text("")
    (directory / "cgroup.procs").write_text("".join(f"{pid}\n" for pid in pids))
    if not top:
        (directory / "cgroup.type").write_text("domain\n")
    return directory


def mounted(directory: Path) -> str:
    return f"30 23 0:26 / {directory} rw,nosuid - cgroup2 cgroup2 rw\n"


def test_the_limits_of_an_environment_are_written(tmp_path: Path) -> None:
    parent = CgroupV2(group(tmp_path / "instance"))
    made = parent.child("env", CpuShare(0.5, strict=True), MemoryShare(128 * MIB, 512 * MIB), 1000)
    (directory,) = made.directories
    written = {path.name: path.read_text() for path in directory.iterdir()}
    assert written == {
        "cpu.weight": "200",
        "cpu.max": "25000 50000",
        "memory.max": str(640 * MIB),
        "memory.oom.group": "1",
        "memory.swap.max": "0",
        "pids.max": "1000",
    }
    assert (tmp_path / "instance" / "cgroup.subtree_control").read_text() == "+cpu +memory +pids"


def test_an_entitlement_that_is_a_weight_has_no_ceiling(tmp_path: Path) -> None:
    made = CgroupV2(group(tmp_path / "instance")).child("env", CpuShare(400.0, strict=False), None)
    (directory,) = made.directories
    assert {path.name: path.read_text() for path in directory.iterdir()} == {"cpu.weight": "10000"}


def test_without_the_controller_processes_are_not_counted(tmp_path: Path) -> None:
    parent = group(tmp_path / "instance", controllers="cpu memory")
    (directory,) = CgroupV2(parent).child("env", ONE_CORE, MIB, 1000).directories
    assert not (directory / "pids.max").exists()
    assert (parent / "cgroup.subtree_control").read_text() == "+cpu +memory"


def test_where_no_cpu_is_handed_down_memory_is_limited_all_the_same(tmp_path: Path) -> None:
    top = group(tmp_path / "fs")
    own = group(top / "paddock.scope", controllers="memory pids", pids=(os.getpid(),))
    instance = open_cgroups(mounted(top), "0::/paddock.scope\n", "paddock-i-1", CpuShare(0.5, strict=True))
    assert instance is not None
    made = instance.child("env", CpuShare(0.5, strict=True), MemoryShare(128 * MIB), 1000)
    (directory,) = made.directories
    assert sorted(path.name for path in directory.iterdir()) == [
        "memory.max",
        "memory.oom.group",
        "memory.swap.max",
        "pids.max",
    ]
    assert (own / "cgroup.subtree_control").read_text() == "+memory +pids"
    assert not made.weighs_cpu


def test_use_is_read_and_a_tmp_in_memory_is_no_memory(tmp_path: Path) -> None:
    made = CgroupV2(group(tmp_path / "instance")).child("env", ONE_CORE, MemoryShare(128 * MIB, 10 * MIB))
    (directory,) = made.directories
    (directory / "cpu.stat").write_text("usage_usec 2500000\nuser_usec 1\n")
    (directory / "memory.current").write_text(f"{100 * MIB}\n")
    (directory / "memory.stat").write_text(f"anon 1\ninactive_file {20 * MIB}\nshmem {30 * MIB}\n")
    (directory / "memory.events").write_text("oom 3\noom_kill 2\n")
    (directory / "cgroup.procs").write_text("11\n12\n")
    assert made.cpu_seconds() == 2.5
    assert made.memory().now_bytes == 70 * MIB
    assert made.out_of_memory_kills() == 2
    assert made.pids() == [11, 12]


def test_killing_forbids_births_first(tmp_path: Path) -> None:
    made = CgroupV2(group(tmp_path / "instance")).child("env", ONE_CORE, None, 10)
    made.kill()
    (directory,) = made.directories
    assert (directory / "pids.max").read_text() == "0"
    assert (directory / "cgroup.kill").read_text() == "1"


def test_an_instance_s_group_is_made_at_the_top_by_who_may(tmp_path: Path) -> None:
    top = group(tmp_path / "fs", top=True, pids=(1, 2))
    group(top / "user.slice" / "session", pids=(1,))
    made = open_cgroups(mounted(top), "0::/user.slice/session\n", "paddock-i-1", ONE_CORE)
    assert made is not None
    assert made.directories == (top / "paddock-i-1",)


def test_what_runs_in_a_delegated_group_moves_into_a_leaf_of_it(tmp_path: Path) -> None:
    top = group(tmp_path / "fs")
    own = group(top / "paddock.scope", pids=(os.getpid(),))
    assert shared_parent(top, own) == own
    assert (own / LEAF / "cgroup.procs").read_text() == str(os.getpid())


def test_who_is_in_the_leaf_already_finds_the_same_parent(tmp_path: Path) -> None:
    top = group(tmp_path / "fs")
    leaf = group(group(top / "paddock.scope") / LEAF, pids=(os.getpid(),))
    assert shared_parent(top, leaf) == top / "paddock.scope"


def test_nobody_else_s_processes_are_moved(tmp_path: Path) -> None:
    top = group(tmp_path / "fs")
    foreign = 2**22 + 1
    own = group(top / "session.scope", pids=(os.getpid(), foreign))
    with pytest.raises(PermissionError, match="not ours"):
        shared_parent(top, own)
    assert not (own / LEAF).exists()
    assert open_cgroups(mounted(top), "0::/session.scope\n", "paddock-i-1", ONE_CORE) is None


# Whatever this machine has, for real


@contextmanager
def real_group() -> Iterator[Cgroup]:
    name = f"paddock-test-{os.getpid()}-{next(_names)}"
    made = open_cgroups_here(name, ONE_CORE)
    if made is None:
        pytest.skip("this process may not make control groups")
    try:
        yield made
    finally:
        made.remove()


@contextmanager
def running_in(cgroup: Cgroup, program: str, stdin: int | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """Joins first, then runs; killed and waited for at the end, and the group removed."""
    join = "import sys\nfor path in sys.argv[1:]:\n    open(path, 'w').write('0')\n"
    argv = [sys.executable, "-I", "-S", "-c", join + program, *map(str, cgroup.join_files)]
    with subprocess.Popen(argv, stdin=stdin, stdout=subprocess.PIPE, process_group=0) as process:
        try:
            yield process
        finally:
            end(cgroup)
            process.wait(timeout=30)
    cgroup.remove()


def end(cgroup: Cgroup) -> None:
    cgroup.kill()
    deadline = time.monotonic() + 30
    while cgroup.pids() and time.monotonic() < deadline:
        for pid in cgroup.pids():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(0.01)
    assert cgroup.pids() == []


def test_memory_past_the_limit_is_a_kill_that_is_counted() -> None:
    with real_group() as instance:
        child = instance.child("env", ONE_CORE, MemoryShare(64 * MIB))
        with running_in(child, "held = [bytearray(8 * 1024 * 1024) for _ in range(100)]\n") as process:
            assert process.wait(timeout=60) == -signal.SIGKILL
            assert child.out_of_memory_kills() >= 1


def test_memory_and_time_are_measured() -> None:
    program = "held = bytearray(48 * 1024 * 1024)\nprint('held', flush=True)\nimport time\ntime.sleep(600)\n"
    with real_group() as instance:
        child = instance.child("env", ONE_CORE, MemoryShare(128 * MIB))
        with running_in(child, program) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"held\n"
            assert 48 * MIB <= child.memory().now_bytes <= 128 * MIB
            assert child.cpu_seconds() > 0
            assert child.pids() == [process.pid]
            assert child.out_of_memory_kills() == 0


def test_the_most_memory_since_the_last_look_is_measured_and_told_once() -> None:
    program = "held = bytearray(48 * 1024 * 1024)\ndel held\nprint('given back', flush=True)\n" + SLEEP
    with real_group() as instance:
        child = instance.child("env", ONE_CORE, MemoryShare(128 * MIB))
        with running_in(child, program) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"given back\n"
            seen = child.memory()
            assert seen.now_bytes < 48 * MIB <= seen.peak_bytes <= 128 * MIB
            again = child.memory()
            assert again.peak_bytes < 48 * MIB


def test_on_version_2_the_kernel_remembers_since_linux_6_12() -> None:
    with real_group() as instance:
        if not isinstance(instance, CgroupV2):
            pytest.skip("this machine has control groups of version 1")
        release = tuple(int(part) for part in re.findall(r"[0-9]+", os.uname().release)[:2])
        assert instance.is_peak_sampled == (release < (6, 12))


def test_where_the_kernel_does_not_remember_looks_in_between_see_what_was_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_HeldFile, "set_back", lambda _: False)
    program = """
held = bytearray(48 * 1024 * 1024)
print('held', flush=True)
import sys
sys.stdin.readline()
del held
print('given back', flush=True)
sys.stdin.readline()
"""
    with real_group() as instance:
        if not isinstance(instance, CgroupV2):
            pytest.skip("this machine has control groups of version 1")
        child = instance.child("env", ONE_CORE, MemoryShare(128 * MIB))
        with running_in(child, program, stdin=subprocess.PIPE) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stdout.readline() == b"held\n"
            child.memory()  # the record is told by this one
            child.sample_peak()
            process.stdin.write(b"\n")
            process.stdin.flush()
            assert process.stdout.readline() == b"given back\n"
            seen = child.memory()
            assert seen.now_bytes < 48 * MIB <= seen.peak_bytes <= 128 * MIB
            assert child.memory().peak_bytes < 48 * MIB, "and it is told once"


def test_a_full_tmp_in_memory_is_not_the_function_s_memory(tmp_path: Path) -> None:
    place = Path("/dev/shm") / f"paddock-test-{os.getpid()}"
    program = f"open({str(place)!r}, 'wb').write(bytes(32 * 1024 * 1024))\nprint('full', flush=True)\n{SLEEP}"
    try:
        with real_group() as instance:
            child = instance.child("env", ONE_CORE, MemoryShare(64 * MIB, 64 * MIB))
            with running_in(child, program) as process:
                assert process.stdout is not None
                assert process.stdout.readline() == b"full\n"
                assert child.memory().now_bytes < 32 * MIB
    finally:
        place.unlink(missing_ok=True)


def test_a_fork_bomb_ends_at_the_limit_and_is_ended() -> None:
    program = """
import os, time
born = 0
try:
    while born < 500:
        if os.fork() == 0:
            time.sleep(600)
            os._exit(0)
        born += 1
except OSError:
    pass
print(born, flush=True)
time.sleep(600)
"""
    with real_group() as instance:
        child = instance.child("env", ONE_CORE, None, 20)
        if not any((directory / "pids.max").exists() for directory in child.directories):
            child.remove()
            pytest.skip("this machine counts no processes")
        with running_in(child, program) as process:
            assert process.stdout is not None
            assert int(process.stdout.readline()) < 20
