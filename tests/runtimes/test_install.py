"""Installs: whole or not there, once, stoppable, and saying what is missing."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from paddock.runtimes import (
    CompilerMissing,
    InstalledRuntime,
    InstallFailed,
    Progress,
    RuntimeState,
    RuntimeStore,
    jobs,
)
from paddock.runtimes.commands import CommandFailed, run_command
from paddock.runtimes.directories import install_directory, link_tree
from paddock.runtimes.jobs import Job
from paddock.runtimes.locks import LOCKS, NODEJS_CLIENT
from paddock.runtimes.packages import PythonTarget, pip_install
from paddock.runtimes.progress import silent
from tests.runtimes.conftest import CACHE

SLOW_BUILD = """
import sys, time
from pathlib import Path
from paddock.runtimes.directories import install_directory
from paddock.runtimes.progress import silent
def build(directory):
    (directory / "half").write_text("half")
    print("building", flush=True)
    time.sleep(600)
install_directory(Path(sys.argv[1]), build, silent)
"""


class Stop(Exception):
    """What a caller raises to call an install off."""


def stop(progress: Progress) -> None:
    raise Stop


def test_a_killed_install_leaves_nothing_half_done(tmp_path: Path) -> None:
    target = tmp_path / "store" / "thing"
    with subprocess.Popen([sys.executable, "-c", SLOW_BUILD, str(target)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"building\n"
        process.send_signal(signal.SIGKILL)
    assert not target.exists()
    install_directory(target, lambda directory: (directory / "whole").touch(), silent)
    assert [file.name for file in target.iterdir()] == ["whole"]
    assert not list(target.parent.glob(".*building*"))


def test_a_failed_install_leaves_nothing_and_can_be_repeated(tmp_path: Path) -> None:
    def fail(directory: Path) -> None:
        (directory / "half").touch()
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011  # the test's own
        install_directory(tmp_path / "thing", fail, silent)
    assert not (tmp_path / "thing").exists()
    assert install_directory(tmp_path / "thing", lambda directory: None, silent).is_dir()


def test_two_who_install_the_same_build_it_once(tmp_path: Path) -> None:
    builds: list[Path] = []
    first_builds, second_waits = threading.Event(), threading.Event()

    def build(directory: Path) -> None:
        builds.append(directory)
        first_builds.set()
        assert second_waits.wait(60)

    first = threading.Thread(target=install_directory, args=(tmp_path / "thing", build, silent))
    first.start()
    assert first_builds.wait(60)
    install_directory(tmp_path / "thing", build, lambda progress: second_waits.set())
    first.join()
    assert len(builds) == 1


def test_who_waits_for_another_install_can_stop_waiting(tmp_path: Path) -> None:
    def build(directory: Path) -> None:
        with pytest.raises(Stop):
            install_directory(tmp_path / "thing", lambda directory: None, stop)

    install_directory(tmp_path / "thing", build, silent)


def test_a_linked_tree_has_the_same_files_and_takes_no_room(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "file").write_text("text")
    link_tree(tmp_path / "a", tmp_path / "copy")
    assert (tmp_path / "copy" / "b" / "file").samefile(tmp_path / "a" / "b" / "file")


def test_a_command_is_killed_with_its_children_when_the_caller_stops_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "held")
    reader = os.open(tmp_path / "held", os.O_RDONLY | os.O_NONBLOCK)

    def stop_when_started(line: str) -> None:
        if line == "started":
            raise Stop

    with pytest.raises(Stop):
        _run(f"exec 9> {tmp_path}/held; sleep 600 & echo started; wait", stop_when_started)
    ended, _, _ = select.select([reader], [], [], 60)
    assert ended == [reader], "somebody still holds the pipe"
    assert os.read(reader, 1) == b""
    os.close(reader)


def test_a_silent_command_can_be_stopped_too() -> None:
    with pytest.raises(Stop):
        _run("sleep 600", lambda line: stop(Progress("")))


def test_a_command_that_stays_silent_too_long_is_ended() -> None:
    with pytest.raises(CommandFailed) as raised:
        _run("echo before; sleep 600", lambda line: None, max_silent_seconds=0.5)
    assert raised.value.output == ("before", "silent for 0 s")


def test_a_failed_command_says_its_status_and_its_last_lines() -> None:
    with pytest.raises(CommandFailed, match="ended with status 3") as raised:
        _run("for n in $(seq 100); do echo line $n; done; exit 3", lambda line: None)
    assert raised.value.output[-1] == "line 100"
    assert len(raised.value.output) == 40


def _run(script: str, on_output: object, max_silent_seconds: float = 60) -> None:
    assert callable(on_output)
    environment = {"PATH": os.environ["PATH"]}
    run_command(
        ["sh", "-c", script],
        cwd=Path("/"),
        environment=environment,
        on_output=on_output,
        max_silent_seconds=max_silent_seconds,
    )


def test_a_runtime_is_found_at_once_the_second_time_and_nothing_is_fetched(
    python_runtime: InstalledRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fetch(*args: object, **kwargs: object) -> None:
        raise AssertionError("an installed runtime needs no program to be run")

    monkeypatch.setattr(jobs, "run_command", fetch)
    steps: list[Progress] = []
    again = RuntimeStore(CACHE).ensure("python3.13", steps.append)
    assert again == python_runtime
    assert steps == []


def test_status_says_what_is_installed_and_what_cannot_be(
    python_runtime: InstalledRuntime, runtime_store: RuntimeStore
) -> None:
    states = {status.runtime.identifier: status for status in runtime_store.status()}
    assert states["python3.13"].state is RuntimeState.INSTALLED
    assert states["python3.13"].resolution == python_runtime.resolution
    assert states["ruby3.4"].state is RuntimeState.UNAVAILABLE
    assert states["ruby3.4"].remedy


def test_without_a_compiler_the_debian_packages_are_named(
    tmp_path: Path, empty_machine: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", empty_machine["PATH"])
    store = RuntimeStore(tmp_path, environ=empty_machine)
    with pytest.raises(CompilerMissing, match="apt-get install cmake g\\+\\+ make tar xz-utils"):
        store.ensure("nodejs22.x")
    (node,) = (status for status in store.status() if status.runtime.identifier == "nodejs22.x")
    assert node.state is RuntimeState.UNAVAILABLE


def test_a_package_whose_hash_is_another_is_refused(tmp_path: Path) -> None:
    wheel = tmp_path / "wheels" / "paddock_test_package-1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    wheel.write_bytes(b"not what was pinned")
    lock = tmp_path / "lock.txt"
    lock.write_text(f"paddock-test-package @ file://{wheel} --hash=sha256:{'0' * 64}\n")
    with pytest.raises(InstallFailed, match=r"Installing it failed.*") as raised:
        pip_install(lock, tmp_path / "target", PythonTarget("3.13"), Job("it", "Installing it", silent))
    assert any("hash" in line.lower() for line in raised.value.output)
    assert not (tmp_path / "target").exists()


def test_every_pinned_python_package_has_a_hash_and_no_lock_names_a_registry() -> None:
    for lock in LOCKS.glob("*.txt"):
        pinned = [line for line in lock.read_text().splitlines() if "==" in line and not line.startswith("#")]
        assert pinned
        assert all(line.endswith("\\") for line in pinned), lock
        assert "://" not in lock.read_text()
    assert '"resolved"' not in (NODEJS_CLIENT / "package-lock.json").read_text()
