"""What a sitting found, kept as JSON after each section, and the pages made of it.

`python -m bench.report FILE --page docs/explanation/data-plane.md` writes the tables again between the marks
`<!-- bench: SECTION -->` and `<!-- end -->` of a page.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench import goals, sections, table
from bench.sections import Result
from bench.table import Row

_MARKED = re.compile(r"(<!-- bench: ([a-z]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_UNKNOWN: dict[str, Any] = dict.fromkeys(Row._fields)
"""A figure that an older sitting did not have."""
SITTING, GOALS = "sitting", "goals"
"""The marks that take the line about the machine and its noise, and what held of the goals."""


class Report:
    """`about` says where and how was measured. Written after each section, so that a sitting can be gone on with."""

    def __init__(self, path: Path | None, about: str) -> None:
        self._path = path
        self._document: dict[str, Any] = {"about": about, "sections": {}}

    def resume(self) -> None:
        if self._path is not None and self._path.exists():
            self._document["sections"] = json.loads(self._path.read_text(encoding="utf-8"))["sections"]

    def has(self, name: str) -> bool:
        kept = self._document["sections"].get(name)
        return kept is not None and not kept["failed"]

    def goals(self) -> list[tuple[str, ...]]:
        return goal_cells(self._document)

    def add(self, name: str, result: Result, seconds: float) -> None:
        self._document["sections"][name] = {**kept_of(result), "seconds": round(seconds, 1)}
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.write_text(json.dumps(self._document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
            self._path.with_suffix(".md").write_text(whole_page(self._document), encoding="utf-8")


def kept_of(result: Result) -> dict[str, Any]:
    return {
        "described": result.described,
        "rows": [row._asdict() for row in result.rows],
        "cells": [list(line) for line in result.cells],
        "figures": result.figures,
        "text": result.text,
        "failed": result.failed,
    }


def result_of(kept: Mapping[str, Any]) -> Result:
    return Result(
        [Row(**{**_UNKNOWN, **row}) for row in kept["rows"]],
        kept["cells"],
        kept["figures"],
        kept["text"],
        kept["described"],
        kept["failed"],
    )


def section_page(result: Result) -> str:
    parts = []
    if result.described:
        parts.append(f"{result.described[:1].upper()}{result.described[1:]}.")
    lines = sections.lines_of(result)
    if lines:
        parts.append(table.markdown(lines))
    if result.figures:
        figures = [("In the same sitting", ""), *((what, f"{figure:.2f}") for what, figure in result.figures.items())]
        parts.append(table.markdown(figures))
    if result.text:
        parts.append(f"```\n{result.text}\n```")
    parts += [f"Not measured: {failure}" for failure in result.failed]
    return "\n\n".join(parts)


def about_page(document: Mapping[str, Any]) -> str:
    noise = [row["foreign"] for kept in document["sections"].values() for row in kept["rows"]]
    others = f" Others used {100 * sum(noise) / len(noise):.0f} % of it." if noise else ""
    return f"{document['about']}.{others}"


def goal_cells(document: Mapping[str, Any]) -> list[tuple[str, ...]]:
    found = {name: result_of(kept) for name, kept in document["sections"].items()}
    rows = {name: result.rows for name, result in found.items()}
    return goals.cells(rows, {name: result.cells for name, result in found.items()})


def whole_page(document: Mapping[str, Any]) -> str:
    parts = ["# A sitting of the bench", about_page(document), table.markdown(goal_cells(document))]
    for name, kept in document["sections"].items():
        parts += [f"## {sections.TITLES[name]}", section_page(result_of(kept))]
    return "\n\n".join(parts) + "\n"


def rewritten(page: str, document: Mapping[str, Any]) -> str:
    """The page with the tables of this document; sections that were not measured, or failed whole, stay as they are."""

    def between(mark: re.Match[str]) -> str:
        name = mark[2]
        if name == SITTING:
            return f"{mark[1]}{about_page(document)}\n{mark[3]}"
        if name == GOALS:
            return f"{mark[1]}\n{table.markdown(goal_cells(document))}\n\n{mark[3]}"
        kept = document["sections"].get(name)
        if kept is None or not (kept["rows"] or kept["cells"] or kept["text"]):
            return mark[0]
        return f"{mark[1]}\n{section_page(result_of(kept))}\n\n{mark[3]}"

    return _MARKED.sub(between, page)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.report", description=__doc__)
    parser.add_argument("file", type=Path, help="what `python -m bench --out` has written")
    parser.add_argument("--page", type=Path, help="write its marked tables again; otherwise print a page")
    options = parser.parse_args()
    document = json.loads(options.file.read_text(encoding="utf-8"))
    if options.page is None:
        print(whole_page(document))
    else:
        options.page.write_text(rewritten(options.page.read_text(encoding="utf-8"), document), encoding="utf-8")


if __name__ == "__main__":
    main()
