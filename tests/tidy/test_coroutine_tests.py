"""A coroutine test really runs: one that is collected and never awaited would pass whatever it says."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tests.tidy.tree import ROOT

PLANTED = """
import asyncio
import pytest

@pytest.fixture
def three():
    return 3

async def test_passes(three):
    await asyncio.sleep(0)
    assert three == 3

async def test_fails(three):
    await asyncio.sleep(0)
    assert three == 4

def test_plain():
    pass
"""


def test_coroutine_tests_pass_and_fail_like_others(tmp_path: Path) -> None:
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path)
    (tmp_path / "test_planted.py").write_text(PLANTED)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tmp_path),
        str(tmp_path),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert "1 failed, 2 passed" in done.stdout
    assert "assert 3 == 4" in done.stdout
