"""Whoever asks a tool for its help gets that, and nothing is written."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"


@pytest.mark.parametrize("name", sorted(path.stem for path in TOOLS.glob("*.py") if path.stem != "__init__"))
def test_a_tool_asked_for_help_says_what_it_does_and_does_nothing(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(path: Path, *_arguments: object, **_options: object) -> int:
        raise AssertionError(f"{path} is written")

    monkeypatch.setattr(Path, "write_text", refused)
    monkeypatch.setattr(sys, "argv", [f"{name}.py", "--help"])

    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(TOOLS / f"{name}.py"), run_name="__main__")

    assert not ended.value.code
    assert f"usage: {name}.py" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["build_reference", "plot_scaling"])
def test_an_option_that_is_none_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", [f"{name}.py", "--chek"])

    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(TOOLS / f"{name}.py"), run_name="__main__")

    assert ended.value.code == 2
