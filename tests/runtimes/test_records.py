"""A later process takes what is installed, whatever its own environment variables show it of the machine."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from paddock.model.runtimes import find_runtime
from paddock.runtimes import InstalledRuntime, InstallFailed, InterpreterMissing, Resolution, RuntimeStore
from paddock.runtimes.languages import python
from paddock.runtimes.records import installed_directory, write_record
from tests.runtimes.conftest import CACHE


@pytest.fixture(autouse=True)
def _this_program_runs_on_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "base_prefix", "/nonexistent")
    monkeypatch.setattr(python, "pinned_python", lambda minor, root: None)


def record(data_dir: Path, version: str, *, exact: bool, digest: str = "") -> Resolution:
    runtime = find_runtime("python3.14")
    assert runtime is not None
    interpreter = data_dir / f"python-{version}"
    interpreter.touch(mode=0o755)
    note = "" if exact else "stands in"
    resolution = Resolution(runtime, interpreter, data_dir, version, exact, note, "awslambdaric", "4.2.2")
    directory = installed_directory(data_dir / "runtimes", resolution, digest or python.digest())
    directory.mkdir(parents=True)
    write_record(data_dir / "runtimes", directory, resolution, digest or python.digest())
    return resolution


def test_an_installed_runtime_is_found_by_a_process_that_sees_no_interpreter(
    python_runtime: InstalledRuntime, nodejs_runtime: InstalledRuntime, empty_machine: dict[str, str]
) -> None:
    blind = RuntimeStore(CACHE, environ=empty_machine)
    assert blind.ensure("python3.13") == python_runtime
    assert blind.ensure("nodejs22.x") == nodejs_runtime


def test_an_exact_one_is_taken_before_a_stand_in(tmp_path: Path, empty_machine: dict[str, str]) -> None:
    record(tmp_path, "3.13.0", exact=False)
    exact = record(tmp_path, "3.14.0", exact=True)
    assert RuntimeStore(tmp_path, environ=empty_machine).resolve("python3.14") == exact


def test_strict_does_not_take_an_installed_stand_in(tmp_path: Path, empty_machine: dict[str, str]) -> None:
    stand_in = record(tmp_path, "3.13.0", exact=False)
    assert RuntimeStore(tmp_path, environ=empty_machine).resolve("python3.14") == stand_in
    with pytest.raises(InterpreterMissing):
        RuntimeStore(tmp_path, strict=True, environ=empty_machine).resolve("python3.14")


def test_an_interpreter_that_has_gone_is_not_taken(tmp_path: Path, empty_machine: dict[str, str]) -> None:
    gone = record(tmp_path, "3.14.0", exact=True)
    assert gone.interpreter_path is not None
    gone.interpreter_path.unlink()
    with pytest.raises(InterpreterMissing):
        RuntimeStore(tmp_path, environ=empty_machine).resolve("python3.14")


def test_a_runtime_made_from_older_locks_is_not_taken(tmp_path: Path, empty_machine: dict[str, str]) -> None:
    record(tmp_path, "3.14.0", exact=True, digest="older")
    with pytest.raises(InterpreterMissing):
        RuntimeStore(tmp_path, environ=empty_machine).resolve("python3.14")


def test_what_was_copied_from_another_place_is_not_taken_though_that_place_is_still_there(
    tmp_path: Path, empty_machine: dict[str, str]
) -> None:
    original, copy = tmp_path / "original", tmp_path / "copy"
    original.mkdir()
    recorded = record(original, "3.14.0", exact=True)
    shutil.copytree(original / "runtimes", copy / "runtimes")
    assert RuntimeStore(original, environ=empty_machine).resolve("python3.14") == recorded
    with pytest.raises(InterpreterMissing):
        RuntimeStore(copy, environ=empty_machine).resolve("python3.14")


def test_a_link_to_a_data_directory_is_the_directory(tmp_path: Path, empty_machine: dict[str, str]) -> None:
    recorded = record(tmp_path, "3.14.0", exact=True)
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    assert RuntimeStore(tmp_path / "link", environ=empty_machine).resolve("python3.14") == recorded


def test_a_data_directory_that_cannot_be_written_is_one_line_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(InstallFailed, match="could not be installed: Not a directory") as raised:
        RuntimeStore(tmp_path / "data").ensure("provided.al2023")
    assert "\n" not in str(raised.value)
