"""`tools/setup.py` on a small project without dependencies, so that nothing is fetched: makes, keeps, makes again."""

from __future__ import annotations

import importlib.util
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BACKEND = """
import zipfile

def build_editable(directory, config_settings=None, metadata_directory=None):
    name = "small-1.0-py3-none-any.whl"
    info = "small-1.0.dist-info"
    with zipfile.ZipFile(f"{directory}/{name}", "w") as wheel:
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: small\\nVersion: 1.0\\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{info}/entry_points.txt", "[console_scripts]\\nsmall = platform:python_version\\n")
        wheel.writestr(f"{info}/RECORD", "")
    return name

def build_wheel(directory, config_settings=None, metadata_directory=None):
    raise NotImplementedError

def get_requires_for_build_editable(config_settings=None):
    return []
"""
PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]

[project]
name = "small"
version = "1.0"
"""

needs_ensurepip = pytest.mark.skipif(
    importlib.util.find_spec("ensurepip") is None, reason="this Python has no ensurepip to make an environment with"
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "a clone"
    (root / "tools").mkdir(parents=True)
    (root / "requirements").mkdir()
    shutil.copy(ROOT / "tools" / "setup.py", root / "tools")
    for name in ("runtime", "dev"):
        (root / "requirements" / f"{name}.lock").write_text("# nothing\n")
    (root / "pyproject.toml").write_text(PYPROJECT)
    (root / "backend.py").write_text(BACKEND)
    return root


def set_up(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    home = root.parent / "empty home"
    home.mkdir(exist_ok=True)
    # No index can answer: whatever asks for one fails here.
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PIP_INDEX_URL": "http://127.0.0.1:9/",
        "PIP_RETRIES": "0",
    }
    command = [sys.executable, "tools/setup.py", *arguments]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False, timeout=240)


@needs_ensurepip
@pytest.mark.slow
def test_it_makes_an_environment_once_and_again_only_when_something_changed(project: Path) -> None:
    first = set_up(project)
    assert first.returncode == 0, first.stderr
    assert "Making .venv" in first.stdout
    assert (project / ".venv" / "bin" / "small").exists()

    again = set_up(project)
    assert (again.returncode, again.stdout) == (0, "")

    tools_too = set_up(project, "--dev")
    assert "dev.lock" in tools_too.stdout
    assert "Making .venv" not in tools_too.stdout
    assert set_up(project).stdout == "", "the tools' lock holds the runtime one"

    (project / "requirements" / "runtime.lock").write_text("# something else\n")
    assert "runtime.lock" in set_up(project).stdout
    assert "dev.lock" in set_up(project, "--dev").stdout


@needs_ensurepip
@pytest.mark.slow
def test_a_broken_or_moved_environment_is_made_again(project: Path) -> None:
    assert set_up(project).returncode == 0
    (project / ".venv" / "bin" / "python").unlink()
    assert "Making .venv" in set_up(project).stdout

    moved = project.rename(project.parent / "moved")
    assert "Making .venv" in set_up(moved).stdout
    assert str(project) not in (moved / ".venv" / "bin" / "small").read_text()


@needs_ensurepip
@pytest.mark.slow
def test_a_failed_step_is_told_and_the_next_run_goes_on(project: Path) -> None:
    lock = project / "requirements" / "runtime.lock"
    lock.write_text("no-such-package==1.0 --hash=sha256:" + "0" * 64 + "\n")
    failed = set_up(project)
    assert failed.returncode == 1
    assert "no-such-package" in failed.stderr
    assert "paddock setup: a step failed" in failed.stderr.splitlines()[-1]
    assert "Traceback" not in failed.stderr

    lock.write_text("# nothing\n")
    second = set_up(project)
    assert second.returncode == 0
    assert "Making .venv" not in second.stdout


def test_a_python_that_is_too_old_is_refused_in_one_line(project: Path, tmp_path: Path) -> None:
    old = fake_python(tmp_path / "old", "echo 3 8 1")
    refused = set_up(project, "--python", str(old))
    assert refused.returncode == 1
    assert refused.stderr == f"paddock setup: {old} is too old: Paddock needs Python 3.11 or newer\n"


def test_a_python_that_does_not_run_is_refused_in_one_line(project: Path, tmp_path: Path) -> None:
    refused = set_up(project, "--python", str(tmp_path / "none"))
    assert refused.returncode == 1
    assert refused.stderr == f"paddock setup: {tmp_path / 'none'} is no Python that runs\n"


def test_a_python_without_venv_is_told_which_package_to_install(project: Path, tmp_path: Path) -> None:
    bare = fake_python(tmp_path / "bare", 'case "$2" in *version_info*) echo 3 12 3;; *) exit 1;; esac')
    refused = set_up(project, "--python", str(bare))
    assert refused.returncode == 1
    assert refused.stderr.endswith("sudo apt install python3.12-venv\n")
    assert len(refused.stderr.splitlines()) == 1


def fake_python(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path
