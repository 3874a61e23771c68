"""`make help` fits on one screen and tells the truth, and continuous integration runs what a person runs."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.tidy.tree import ROOT

TARGETS_AT_MOST = 12


def targets(text: str) -> set[str]:
    return set(re.findall(r"^([a-z][\w-]*):(?!=)", text, re.MULTILINE))


def explained(text: str) -> set[str]:
    return set(re.findall(r"^([a-z][\w-]*):[^#\n]*## \S", text, re.MULTILINE))


def makefile() -> str:
    return (ROOT / "Makefile").read_text()


def test_the_targets_are_few_and_each_is_explained() -> None:
    assert len(targets(makefile())) <= TARGETS_AT_MOST
    assert targets(makefile()) - explained(makefile()) == set()


def test_every_target_is_declared_as_no_file() -> None:
    phony = re.search(r"^\.PHONY: (.*)$", makefile(), re.MULTILINE)
    assert phony is not None
    assert set(phony[1].split()) == targets(makefile())


def test_help_lists_every_target() -> None:
    answer = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(re.findall(r"^  make (\w+)", answer.stdout, re.MULTILINE)) == targets(makefile())


def test_continuous_integration_runs_make_test() -> None:
    script = ROOT / ".ci" / "run"
    assert script.stat().st_mode & 0o111
    assert "make test" in script.read_text()


@pytest.mark.parametrize(
    ("text", "found"), [("up: setup\n", {"up"}), ("up: setup ## go\n", set()), ("X := 1\n", set())]
)
def test_a_target_without_help_is_found(text: str, found: set[str]) -> None:
    assert targets(text) - explained(text) == found
