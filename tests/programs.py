"""Programs of others that tests use: each from its lock file, in a directory of its own under `.cache`, installed once.

In continuous integration they are installed; on a person's machine only what is there is used, because nobody expects
hundreds of megabytes from running tests. `CI=1 make test` installs them there too.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from paddock.runtimes import RuntimeStore, RuntimeUnavailable
from paddock.runtimes.directories import install_directory
from paddock.runtimes.locks import digest
from paddock.runtimes.progress import silent

REPOSITORY = Path(__file__).parents[1]
CACHE = REPOSITORY / ".cache"
REQUIREMENTS = REPOSITORY / "requirements"
INSTALL_SECONDS = 600
NODE_RUNTIME = "nodejs22.x"
"""Whose interpreter brings npm, where the machine has none."""
LINES_OF_A_REASON = 3
DAMAGED = ("DO NOT MATCH THE HASHES", "EINTEGRITY")
"""What pip and npm say of files that are not those of the lock: no want of a network, and nothing to be skipped."""


class _CannotBeFetched(Exception):
    """The first that the installer said of it."""


def sam_command() -> list[str]:
    """The SAM CLI from PATH, or from its lock; or the test is skipped."""
    found = shutil.which("sam")
    if found is not None:
        return [found]
    lock = REQUIREMENTS / "sam.lock"
    python = f"python{sys.version_info.major}.{sys.version_info.minor}"
    directory = CACHE / "sam" / f"{python}-{digest(lock)}"
    _installed(directory, lambda target: _install_with_pip(target, lock), "the SAM CLI on PATH")
    return [str(directory / "bin" / "python"), "-m", "samcli"]


def cdk_modules() -> tuple[Path, Path]:
    """Node.js and a `node_modules` with `aws-cdk-lib`, `constructs` and `typescript`; or the test is skipped.

    CDK_NODE_MODULES may name one that is there.
    """
    given, node = os.environ.get("CDK_NODE_MODULES"), shutil.which("node")
    if given is not None and node is not None:
        return Path(node), Path(given)
    files = (REQUIREMENTS / "cdk" / "package.json", REQUIREMENTS / "cdk" / "package-lock.json")
    directory = CACHE / "cdk" / digest(*files)
    _installed(directory, lambda target: _install_with_npm(target, files), "Node.js and CDK_NODE_MODULES")
    return _node("node"), directory / "node_modules"


def _installed(directory: Path, install: Callable[[Path], None], otherwise: str) -> None:
    if not directory.is_dir() and not os.environ.get("CI"):
        pytest.skip(f"needs {otherwise}, or CI=1, which installs it below .cache from its lock file")
    try:
        install_directory(directory, install, silent)
    except (_CannotBeFetched, RuntimeUnavailable) as error:
        pytest.skip(f"cannot be installed: {error}")


def _install_with_pip(target: Path, lock: Path) -> None:
    """By our own pip, so that a Python without `ensurepip` will do. Nothing in it runs: only wheels, only by hash."""
    venv.create(target, with_pip=False)
    pip = [sys.executable, "-m", "pip", "--python", str(target / "bin" / "python"), "install"]
    _run(
        [
            *pip,
            *("--disable-pip-version-check", "--no-deps", "--require-hashes", "--only-binary=:all:", "-r"),
            str(lock),
        ]
    )


def _install_with_npm(target: Path, files: Sequence[Path]) -> None:
    for file in files:
        shutil.copy(file, target)
    npm = _node("npm")
    # npm is a script for whatever `node` is found first.
    path = f"{npm.parent}{os.pathsep}{os.environ['PATH']}"
    _run(
        [str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"],
        cwd=target,
        env=os.environ | {"PATH": path},
    )


def _node(program: str) -> Path:
    """`node` or `npm`: the machine's, when it has both, else those of the runtime."""
    found = shutil.which(program)
    if found is not None and shutil.which("node") is not None and shutil.which("npm") is not None:
        return Path(found)
    ours = RuntimeStore(CACHE).ensure(NODE_RUNTIME).lang_dir / "bin" / program
    if not ours.exists():
        raise _CannotBeFetched(f"there is no {program}, neither on PATH nor with the runtime {NODE_RUNTIME}")
    return ours


def _run(command: list[str], *, cwd: Path | None = None, env: dict[str, str] | None = None) -> None:
    ended = subprocess.run(
        command, cwd=cwd, env=env, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
    )
    if ended.returncode == 0:
        return
    assert not any(words in ended.stderr for words in DAMAGED), ended.stderr
    told = [line.strip() for line in ended.stderr.splitlines() if line.startswith(("ERROR", "npm error"))]
    raise _CannotBeFetched("; ".join(told[:LINES_OF_A_REASON]) or f"{command[0]} ended with {ended.returncode}")
