"""Old installs are found and removed; what is needed or used stays."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from paddock.cli.app import app
from paddock.model.runtimes import find_runtime
from paddock.runtimes import Resolution, RuntimeStore
from paddock.runtimes.languages import python
from paddock.runtimes.prune import Needs, prune
from paddock.runtimes.records import installed_directory, write_record

NOTHING = Needs(frozenset(), frozenset())


@pytest.fixture(autouse=True)
def _this_program_runs_on_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "base_prefix", "/nonexistent")
    monkeypatch.setattr(python, "pinned_python", lambda minor, root: None)


def installed(root: Path, version: str, digest: str, *, of: Path | None = None) -> Path:
    """As if made from the locks of that digest, in `of` where it came from there."""
    runtime = find_runtime("python3.14")
    assert runtime is not None
    interpreter = root.parent / f"python-{version}"
    interpreter.touch(mode=0o755)
    resolution = Resolution(runtime, interpreter, root.parent, version, True, "", "awslambdaric", "4.2.2")
    directory = installed_directory(root, resolution, digest)
    directory.mkdir(parents=True)
    write_record(of or root, directory, resolution, digest)
    (directory / "bootstrap").write_text("x" * 10_000)
    return directory


def test_what_this_version_would_not_start_is_removed_and_the_rest_stays(
    tmp_path: Path, empty_machine: dict[str, str]
) -> None:
    root = tmp_path / "runtimes"
    present = installed(root, "3.14.1", python.digest())
    other_locks = installed(root, "3.14.0", "another")
    elsewhere = installed(root, "3.14.2", python.digest(), of=tmp_path / "elsewhere")
    gone = installed(root, "3.14.3", python.digest())
    (tmp_path / "python-3.14.3").unlink()
    store = RuntimeStore(tmp_path, environ=empty_machine)

    asked = store.prune(dry_run=True)

    assert {each.path: each.why for each in asked.removed} == {
        other_locks: "it was made from the locks of another version",
        elsewhere: "it was made for another place",
        gone: f"its interpreter is gone: {tmp_path / 'python-3.14.3'}",
    }
    assert asked.freed_bytes >= 3 * 10_000
    assert all(each.is_dir() for each in (present, other_locks, elsewhere, gone))

    assert store.prune(dry_run=False) == asked
    assert [each.is_dir() for each in (present, other_locks, elsewhere, gone)] == [True, False, False, False]
    assert store.prune(dry_run=False).removed == ()


def test_what_a_process_uses_stays_until_it_has_ended(tmp_path: Path) -> None:
    old = installed(tmp_path, "3.14.0", "another")
    with subprocess.Popen([sys.executable, "-c", "input()", str(old / "bootstrap")], stdin=subprocess.PIPE) as process:
        pruning = prune(tmp_path, NOTHING, dry_run=False)
        assert ([each.path for each in pruning.in_use], pruning.removed) == ([old], ())
        assert old.is_dir()
        process.kill()

    assert [each.path for each in prune(tmp_path, NOTHING, dry_run=False).removed] == [old]


def test_what_installs_are_made_of_goes_with_the_last_of_them(tmp_path: Path) -> None:
    kept, old = installed(tmp_path, "3.14.1", "new"), installed(tmp_path, "3.14.0", "old")
    parts = {name: tmp_path / family / "1.0" for name, family in (("of kept", "python-packages"), ("of old", "node"))}
    prefix = tmp_path / "java" / "21"
    for part in (*parts.values(), prefix):
        part.mkdir(parents=True)
        (part / "file").write_text("shared")
    os.link(parts["of kept"] / "file", kept / "file")
    os.link(parts["of old"] / "file", old / "file")

    pruning = prune(tmp_path, Needs(frozenset({kept}), frozenset({prefix / "bin"})), dry_run=False)

    assert {each.path for each in pruning.removed} == {old, parts["of old"]}
    assert kept.is_dir()
    assert parts["of kept"].is_dir()
    assert prefix.is_dir()


def test_what_a_killed_install_left_goes_unless_it_is_being_made(tmp_path: Path) -> None:
    left, being_made = (tmp_path / "python3.14" / f".3.14.{number}-abc.building-xyz" for number in (0, 1))
    for directory in (left, being_made):
        directory.mkdir(parents=True)
    with (tmp_path / "python3.14" / ".3.14.1-abc.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        pruning = prune(tmp_path, NOTHING, dry_run=False)

    assert [each.path for each in pruning.removed] == [left]
    assert [each.path for each in pruning.in_use] == [being_made]
    assert being_made.is_dir()


def test_the_command_says_what_it_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PADDOCK_RUNTIMES_DIR", str(tmp_path))
    old = installed(tmp_path / "runtimes", "3.14.0", "another")

    def run(*options: str) -> str:
        return CliRunner().invoke(app, ["runtimes", "--prune", *options]).stdout

    assert f"would remove {old}" in run("--dry-run").replace("\n", " ")
    document = json.loads(run("--output", "json"))
    assert (document["dry_run"], [each["path"] for each in document["removed"]]) == (False, [str(old)])
    assert document["in_use"] == []
    assert not old.exists()
    assert CliRunner().invoke(app, ["runtimes", "--dry-run"]).exit_code == 2
