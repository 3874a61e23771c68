"""What a sitting found is kept, gone on with, and written into a page between its marks."""

from __future__ import annotations

import json
import re
from pathlib import Path

from bench.report import Report, rewritten
from bench.sections import SECTIONS, Result
from bench.table import Key, Measured, rows

LIMIT = Measured(4000.0, 300.0, 900.0, 100.0, 400.0, 25.0, 0, 0.25)
OURS = Measured(3000.0, 500.0, 1000.0, 250.0, 420.0, 25.0, 2, 0.25)
FOUND = Result(rows("Python", [{Key("limit", 16, 100): LIMIT, Key("paddock", 16, 100): OURS}]))
PAGE = "before\n<!-- bench: sitting -->\nold\n<!-- end -->\nbetween\n<!-- bench: core -->\nold\n<!-- end -->\nafter\n"


PAGES = ("data-plane.md", "isolation.md")


def test_marks_of_the_pages_are_of_sections_that_there_are() -> None:
    explanation = Path(__file__).parents[2] / "docs" / "explanation"
    marked = {mark for page in PAGES for mark in re.findall(r"<!-- bench: (\w+) -->", (explanation / page).read_text())}
    assert marked - {"sitting", "goals"} <= SECTIONS.keys()
    assert {"core", "isolation", "starts", "images"} <= marked


def test_a_ratio_stands_in_the_page_where_its_section_is_marked(tmp_path: Path) -> None:
    report = Report(tmp_path / "out.json", "Two cores")
    report.add("core", FOUND, 1.0)

    page = rewritten(PAGE, json.loads((tmp_path / "out.json").read_text()))

    assert "| Python | 100 B | 16 | paddock (2 errors) | 3,000 | 0 | 0.75 | 0.76 |" in page
    assert "Two cores. Others used 25 % of it." in page
    assert page.startswith("before\n")
    assert "between\n" in page
    assert page.endswith("after\n")
    assert "old" not in page


def test_what_was_not_measured_stays_as_it_is_in_the_page(tmp_path: Path) -> None:
    report = Report(tmp_path / "out.json", "Two cores")
    report.add("costs", Result(cells=[("part", "us"), ("all", "1")]), 1.0)

    assert "core -->\nold\n" in rewritten(PAGE, json.loads((tmp_path / "out.json").read_text()))


def test_a_section_that_failed_whole_leaves_the_page_as_it_is(tmp_path: Path) -> None:
    report = Report(tmp_path / "out.json", "Two cores")
    report.add("core", Result(failed=["RuntimeError: paddock up ended with 1"]), 1.0)

    assert "core -->\nold\n" in rewritten(PAGE, json.loads((tmp_path / "out.json").read_text()))


def test_a_resumed_sitting_has_its_sections_but_those_that_failed(tmp_path: Path) -> None:
    first = Report(tmp_path / "out.json", "Two cores")
    first.add("core", FOUND, 1.0)
    first.add("costs", Result(failed=["RuntimeError: no"]), 1.0)

    second = Report(tmp_path / "out.json", "Two cores")
    second.resume()

    assert second.has("core")
    assert not second.has("costs")
    assert not second.has("overload")
    assert "Not measured: RuntimeError: no" in (tmp_path / "out.md").read_text()
