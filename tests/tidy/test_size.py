"""Long functions and files are what makes a code base ugly; averages say nothing, so the tail is what is bounded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from tests.tidy.tree import ROOT, Source, complaints_about, functions, python_sources

FUNCTION_LINES = 70
FILE_LINES = 400
FILE_LINES_HARD = 600  # no waiver goes beyond
WAIVERS_AT_MOST = 0


def file_limit(path: str) -> int:
    """A file of tests may hold the whole table of cases of one module."""
    return FILE_LINES_HARD if path.startswith("tests/") else FILE_LINES


def too_long(sources: Iterable[Source]) -> dict[str, int]:
    """Path, or path::function, to its lines."""
    found = {}
    for source in sources:
        lines = len(source.text.splitlines())
        if lines > file_limit(source.path):
            found[source.path] = lines
        for function in functions(source):
            length = (function.end_lineno or function.lineno) - function.lineno + 1
            if length > FUNCTION_LINES:
                found[f"{source.path}::{function.name}"] = length
    return found


def complaints(found: Mapping[str, int], waived: Mapping[str, int]) -> list[str]:
    said = []
    for place, lines in found.items():
        limit = FUNCTION_LINES if "::" in place else file_limit(place)
        if "::" not in place and lines > FILE_LINES_HARD:
            said.append(f"{place}: {lines} lines; above {FILE_LINES_HARD} there is no waiver: split it")
        elif lines > waived.get(place, limit):
            said.append(f"{place}: {lines} lines, {limit} are allowed: split it")
    for place, lines in waived.items():
        if found.get(place, 0) < lines:
            said.append(f"{place}: waived at {lines} lines, now {found.get(place, 'within the limit')}: lower it")
    return said


def excused(sources: Iterable[Source]) -> list[str]:
    """Complexity has no waivers at all: there is always a function to take out."""
    return [
        f"{source.path}:{number}: simplify it"
        for source in sources
        for number, line in enumerate(source.text.splitlines(), 1)
        if re.search(r"#\s*(ruff:\s*)?noqa:.*\bC90", line)
    ]


def parse_waivers(text: str) -> dict[str, int]:
    rows = [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return {place: int(lines) for place, lines in rows}


def test_functions_and_files_are_short() -> None:
    waived = parse_waivers((ROOT / "tests/waivers").read_text())
    said = complaints(too_long(python_sources("src", "tests", "tools", "bench")), waived)
    assert not said, complaints_about(said)


def test_the_list_of_waivers_only_shrinks() -> None:
    waived = parse_waivers((ROOT / "tests/waivers").read_text())
    assert len(waived) <= WAIVERS_AT_MOST, "split something instead of waiving one more"


def test_no_function_is_excused_from_being_simple() -> None:
    said = excused(python_sources("src", "tests", "tools", "bench"))
    assert not said, complaints_about(said)


def function_of(lines: int) -> str:
    return "def long() -> None:\n" + "    pass\n" * (lines - 1)


def test_a_long_function_is_found_and_one_at_the_limit_is_not() -> None:
    assert too_long([Source("src/a.py", function_of(71))]) == {"src/a.py::long": 71}
    assert too_long([Source("src/a.py", function_of(70))]) == {}


def test_a_long_file_is_found() -> None:
    assert too_long([Source("src/a.py", "x = 1\n" * 401)]) == {"src/a.py": 401}


def test_a_file_of_tests_may_be_as_long_as_the_hard_limit() -> None:
    assert too_long([Source("tests/test_a.py", "x = 1\n" * 600)]) == {}
    assert too_long([Source("tests/test_a.py", "x = 1\n" * 601)]) == {"tests/test_a.py": 601}


def test_a_waiver_holds_up_to_its_number_and_no_further() -> None:
    assert complaints({"src/a.py": 450}, {"src/a.py": 450}) == []
    assert "450 lines" in complaints({"src/a.py": 450}, {"src/a.py": 449})[0]


def test_a_waiver_that_is_no_longer_needed_must_go() -> None:
    assert "lower it" in complaints({}, {"src/a.py": 450})[0]
    assert "lower it" in complaints({"src/a.py": 430}, {"src/a.py": 450})[0]


def test_nothing_waives_the_hard_limit() -> None:
    assert "no waiver" in complaints({"src/a.py": 601}, {"src/a.py": 601})[0]


def test_waivers_are_read_without_their_comments() -> None:
    assert parse_waivers("# why\n\nsrc/a.py::f 80\n") == {"src/a.py::f": 80}


def test_an_excuse_from_being_simple_is_found() -> None:
    assert len(excused([Source("src/a.py", "def f():  # no" + "qa: PLR0913, C901")])) == 1
    assert excused([Source("src/a.py", "def f():  # no" + "qa: PLR0913")]) == []
