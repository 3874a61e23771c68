import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from paddock.launchers import processes
from paddock.launchers.processes import (
    ProcessStat,
    all_stats,
    descendants,
    environ_holds,
    is_running,
    is_there,
    kill_until_none,
    read_stat,
    send_signal,
    was_started_with,
)

NOBODY = 2**22 + 1


def test_an_id_is_there_whoever_owns_it() -> None:
    assert is_there(os.getpid())
    assert is_there(1)
    assert not is_there(NOBODY)
    assert not is_there(2**70)


def stat(pid: int, parent: int) -> ProcessStat:
    return ProcessStat(pid, "S", parent, pid, pid, 0, 0, 0)


def test_a_process_can_be_read() -> None:
    own = read_stat(os.getpid())
    assert own is not None
    assert (own.pid, own.parent, own.group) == (os.getpid(), os.getppid(), os.getpgrp())
    assert own.resident_bytes > 1_000_000
    assert is_running(own.pid, own.start_ticks)
    assert not is_running(own.pid, own.start_ticks + 1)
    assert own.pid in [one.pid for one in all_stats()]


def test_nobody_can_be_asked_about() -> None:
    assert read_stat(NOBODY) is None
    assert not is_running(NOBODY, 1)
    assert not environ_holds(NOBODY, b"A=")
    assert not send_signal(NOBODY, signal.SIGTERM)


def test_a_command_with_brackets_and_blanks_in_its_name_can_be_read(tmp_path: Path) -> None:
    name = tmp_path / "a) S 1 (b c"
    name.symlink_to("/bin/sleep")
    with subprocess.Popen([str(name), "60"]) as process:
        time.sleep(0.05)
        found = read_stat(process.pid)
        assert found is not None
        assert found.parent == os.getpid()
        process.kill()


def test_a_zombie_does_not_run() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        started = read_stat(process.pid)
        assert started is not None
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert not is_running(process.pid, started.start_ticks)
        assert process.pid not in [one.pid for one in all_stats()]


def test_descendants_are_children_and_their_children() -> None:
    stats = [stat(2, 1), stat(3, 2), stat(4, 3), stat(5, 1), stat(6, 9)]
    assert sorted(descendants([2], stats)) == [3, 4]
    assert sorted(descendants([1, 9], stats)) == [2, 3, 4, 5, 6]
    assert descendants([7], stats) == []


def test_a_variable_is_found_by_its_beginning() -> None:
    with subprocess.Popen(["/bin/sleep", "60"], env={"FIRST": "1", "PLACE": "/run/a/b"}) as process:
        time.sleep(0.05)
        assert environ_holds(process.pid, b"PLACE=/run/a/")
        assert environ_holds(process.pid, b"FIRST=1")
        assert not environ_holds(process.pid, b"LACE=/run/a/")
        assert not environ_holds(process.pid, b"PLACE=/run/b/")
        process.kill()


def test_a_tree_that_forks_while_it_is_killed_is_killed() -> None:
    marker = f"PADDOCK_TEST={os.getpid()}-{time.monotonic_ns()}"
    command = "while :; do (sleep 60 &) ; sleep 0.005; done"
    name, _, value = marker.partition("=")
    with subprocess.Popen(
        ["/bin/sh", "-c", command], env={name: value, "PATH": "/bin:/usr/bin"}, start_new_session=True
    ):
        time.sleep(0.2)
        assert kill_until_none(lambda: [one.pid for one in all_stats() if environ_holds(one.pid, marker.encode())])
    assert [one.pid for one in all_stats() if environ_holds(one.pid, marker.encode())] == []


def test_what_will_not_die_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_KILL_ROUNDS", 2)
    assert not kill_until_none(lambda: [NOBODY])


def test_without_proc_nothing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "PROC", "/nowhere")
    assert all_stats() == []
    assert read_stat(os.getpid()) is None


def test_a_process_is_found_by_what_it_was_started_with_word_for_word() -> None:
    command = [sys.executable, "-c", "print(flush=True); input()", "--file", "/a b"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()  # its command line is there from a moment after its begin
        assert was_started_with(process.pid, "--file", "/a b")
        assert not was_started_with(process.pid, "--file", "/a")
        assert not was_started_with(process.pid, "/a b", "--file")
        process.kill()
    assert not was_started_with(process.pid, "--file", "/a b")
