"""Format, lint, types and import contracts hold; `make check` runs the same commands by themselves.

Each tool is also given a planted violation, so that a setting that turns it off is noticed.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.tidy.tree import ROOT

BIN = Path(sys.executable).parent


def run(*command: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
    tool, *arguments = command
    whole = [str(BIN / tool), *arguments]
    return subprocess.run(whole, cwd=ROOT, input=given, capture_output=True, text=True, check=False, timeout=600)


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ("ruff", "format", "--check", "--quiet"),
        ("ruff", "check", "--quiet", "--output-format=concise"),
        ("mypy", "--no-error-summary"),
        ("lint-imports", "--no-cache"),
    ],
    ids=["format", "lint", "types", "contracts"],
)
def test_the_tree_passes(command: tuple[str, ...]) -> None:
    done = run(*command)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("import asyncio\n\nasyncio.create_task(f())\n", "TID251"),
        ("import asyncio\n\nasyncio.gather(f())\n", "TID251"),
        ("from datetime import UTC, datetime\n\nnow = datetime.now(UTC)\n", "TID251"),
        ("import time\n\nnow = time.monotonic()\n", "TID251"),
        ("import random\n\nx = random.random()\n", "TID251"),
        ("import uuid\n\nx = uuid.uuid4()\n", "TID251"),
        ("from . import x\n", "TID252"),
        ("x = 1\n", "D100"),
        ("x = 1  # TO" + "DO: later\n", "FIX002"),
        ("def f(a):\n    return a\n", "ANN001"),
        ("def f() -> int:\n" + "".join(f"    if {n}:\n        return {n}\n" for n in range(11)), "C901"),
        ('x = "' + "x" * 120 + '"\n', "E501"),
    ],
)
def test_the_linter_sees_a_planted_violation(code: str, rule: str) -> None:
    done = run(
        "ruff", "check", "--output-format=concise", "--stdin-filename", "src/paddock/agent/planted.py", "-", given=code
    )
    assert f" {rule} " in done.stdout


def test_the_clock_adapter_may_read_the_clock() -> None:
    code = '"""The clock."""\n\nimport time\n\nNOW = time.monotonic()\n'
    done = run("ruff", "check", "--stdin-filename", "src/paddock/ports/clock.py", "-", given=code)
    assert done.returncode == 0, done.stdout


NAMED_IN_CONTRACTS = (
    "controlplane/executor.py",
    "core/on_demand.py",
    "core/placement.py",
    "core/planning.py",
    "core/scaling.py",
)
"""A contract about a module that does not exist is an error of its own."""


def contract_complaints(tmp_path: Path, planted: dict[str, str]) -> str:
    """What the project's own contracts say of its layers with `planted` files in place of the code."""
    package = tmp_path / "paddock"
    for folder in (ROOT / "src" / "paddock").iterdir():
        if (folder / "__init__.py").is_file():
            (package / folder.name).mkdir(parents=True)
            (package / folder.name / "__init__.py").write_text("")
    for path, text in {"__init__.py": "", **dict.fromkeys(NAMED_IN_CONTRACTS, ""), **planted}.items():
        (package / path).write_text(text)
    done = subprocess.run(
        [str(BIN / "lint-imports"), "--no-cache", "--config", str(ROOT / "pyproject.toml")],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("path", "text", "contract"),
    [
        ("core/scaling.py", "import time", "Words and decisions touch neither"),
        ("model/ids.py", "import os", "Words and decisions touch neither"),
        ("router/pool.py", "import paddock.agent", "Imports point down the page"),
        ("core/routing.py", "import paddock.ports", "Imports point down the page"),
        ("agent/main.py", "import paddock.server", "Imports point down the page"),
        ("controlplane/executor.py", "from paddock.core import scaling", "The executor makes no choices"),
    ],
)
def test_the_contracts_see_a_planted_import(tmp_path: Path, path: str, text: str, contract: str) -> None:
    said = contract_complaints(tmp_path, {path: text})
    assert any(line.startswith(contract) and "BROKEN" in line for line in said.splitlines()), said


def test_the_contracts_see_one_decision_core_import_another(tmp_path: Path) -> None:
    said = contract_complaints(tmp_path, {"core/scaling.py": "import paddock.core.placement", "core/placement.py": ""})
    assert "Decision cores do not know one another, save planning BROKEN" in said


def test_the_contracts_let_imports_point_down(tmp_path: Path) -> None:
    said = contract_complaints(tmp_path, {"router/pool.py": "import paddock.core\nimport paddock.wire"})
    assert "0 broken" in said
