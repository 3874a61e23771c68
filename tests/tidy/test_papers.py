"""The papers tell the truth: paths and tests they name exist, links lead somewhere, the map fits in one reading."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable
from pathlib import PurePosixPath

import pytest

from tests.tidy.tree import ROOT, Source, complaints_about, page, pages, python_sources

ARCHITECTURE_LINES = 200
QUOTED = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCED = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)


def exists(path: str) -> bool:
    return bool(list(ROOT.glob(path))) if "*" in path else (ROOT / path).exists()


def paths_named(text: str) -> set[str]:
    """What stands in backticks and looks like a path of this repository: has a slash or a suffix, and no blanks."""
    quoted = {word.rstrip("/") for word in QUOTED.findall(FENCED.sub("", text))}
    return {word for word in quoted if re.fullmatch(r"[\w.*-]+(/[\w.*-]+)+|[\w-]+\.(py|md|toml)", word)}


def missing_paths(source: Source, there: Callable[[str], bool] = exists) -> list[str]:
    """A path may be given from the root, or from `src/paddock` as in `core/routing`."""
    return [
        f"{source.path}: names `{path}`, which does not exist"
        for path in sorted(paths_named(source.text))
        if not any(there(prefix + path + suffix) for prefix in ("", "src/paddock/") for suffix in ("", ".py"))
    ]


def promised_tests(text: str) -> set[tuple[str, str]]:
    """`tests/a/test_b.py::test_c` and `tests/a/test_b.py`, each as file and function ("" for the whole file)."""
    return set(re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?[^`]*`", text))


def missing_tests(source: Source, read: Callable[[str], str | None]) -> list[str]:
    said = []
    for path, function in sorted(promised_tests(source.text)):
        text = read(path)
        if text is None:
            said.append(f"{source.path}: names {path}, which does not exist")
        elif function and function not in _functions(text):
            said.append(f"{source.path}: {path} has no {function}")
    return said


def pages_elsewhere(source: Source, there: Callable[[str], bool] = exists) -> list[str]:
    """Pages and sections that a reader of this repository cannot open. AWS's pages are named by their titles."""
    named = re.findall(r"(?<![\w/.-])[\w-]+\.md\b", source.text)
    sections = re.findall(r"§ ?[\d.]+", source.text)
    return [f"{source.path}: names {one}, which is not here" for one in named + sections if not there(one)]


def _functions(text: str) -> set[str]:
    found = ast.walk(ast.parse(text))
    return {item.name for item in found if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)}


def _read(path: str) -> str | None:
    file = ROOT / path
    return file.read_text() if file.is_file() else None


def dead_links(sources: Iterable[Source], there: Callable[[str], bool] = exists) -> list[str]:
    said = []
    for source in sources:
        for target in LINK.findall(FENCED.sub("", source.text)):
            path = target.split("#")[0]
            if not path or re.match(r"[a-z]+:", path):
                continue
            base = PurePosixPath(source.path).parent
            if not there(_normal(path.lstrip("/") if path.startswith("/") else str(base / path))):
                said.append(f"{source.path}: the link to {target} leads nowhere")
    return said


def _normal(path: str) -> str:
    parts: list[str] = []
    for part in path.split("/"):
        if part == ".." and parts:
            parts.pop()
        elif part not in (".", ""):
            parts.append(part)
    return "/".join(parts) or "."


def paper(path: str) -> Source:
    found = page(path)
    if found is None:
        pytest.skip(f"{path} is not written yet")
    return found


def test_the_map_fits_in_one_reading() -> None:
    assert len(paper("ARCHITECTURE.md").text.splitlines()) <= ARCHITECTURE_LINES


@pytest.mark.parametrize("path", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_the_paths_a_map_names_exist(path: str) -> None:
    said = missing_paths(paper(path))
    assert not said, complaints_about(said)


@pytest.mark.parametrize("path", ["SPECIFICATION.md", "docs/reference/conformance.md"])
def test_each_promise_names_a_test_that_exists(path: str) -> None:
    said = missing_tests(paper(path), _read)
    assert not said, complaints_about(said)


def test_each_item_of_conformance_is_there_once_and_names_a_test_or_says_why_not() -> None:
    rows = re.findall(r"^\| (\d+) \|.*\| (.+) \|$", paper("docs/reference/conformance.md").text, re.MULTILINE)
    numbers = [int(number) for number, _ in rows]
    assert len(numbers) == len(set(numbers)), "an item stands there twice"
    assert set(range(1, 82)) <= set(numbers)
    assert [number for number, held in rows if "`tests/" not in held and "*not*: " not in held] == []


def test_the_promises_name_tests_at_all() -> None:
    assert promised_tests(paper("SPECIFICATION.md").text)


def test_links_between_pages_lead_somewhere() -> None:
    said = dead_links(pages())
    assert not said, complaints_about(said)


def test_code_names_no_page_that_is_not_here() -> None:
    said = [line for source in python_sources("src") for line in pages_elsewhere(source)]
    assert not said, complaints_about(said)


def test_every_page_is_in_the_index() -> None:
    index = page("docs/README.md")
    assert index is not None
    listed = {_normal(f"docs/{target.split('#')[0]}") for target in LINK.findall(index.text)}
    # A folder may be listed as a whole, by a link to it.
    unlisted = [
        source.path
        for source in pages()
        if source.within("docs") and source.path != index.path and not _covered(source.path, listed)
    ]
    assert unlisted == [], "add them to docs/README.md"


def _covered(path: str, listed: set[str]) -> bool:
    return path in listed or any(
        str(folder) in listed for folder in PurePosixPath(path).parents if str(folder) != "docs"
    )


def test_a_path_that_does_not_exist_is_found() -> None:
    text = (
        "`core/routing` hands out slots, see `src/paddock/nowhere.py`; `a word`, `x.y` and `GET /health` are no paths."
    )
    said = missing_paths(Source("A.md", text), lambda path: path == "src/paddock/core/routing.py")
    assert said == ["A.md: names `src/paddock/nowhere.py`, which does not exist"]


def test_a_promise_with_a_missing_test_is_found() -> None:
    text = "| fast | `tests/a/test_b.py::test_gone` | `tests/a/test_b.py::test_there` | `tests/gone.py` |"
    said = missing_tests(Source("S.md", text), {"tests/a/test_b.py": "def test_there(): ..."}.get)
    assert said == ["S.md: tests/a/test_b.py has no test_gone", "S.md: names tests/gone.py, which does not exist"]


def test_a_dead_link_is_found_and_live_ones_are_not() -> None:
    text = "[dead](gone.md) [up](../README.md#top) [web](https://example.com/x) [here](#here)\n```\n[code](not.md)\n```"
    said = dead_links([Source("docs/a.md", text)], lambda path: path == "README.md")
    assert said == ["docs/a.md: the link to gone.md leads nowhere"]


def test_a_page_that_is_elsewhere_is_found_and_one_that_is_here_is_not() -> None:
    text = "(sheet.md \u00a73.2) and A.md"
    said = pages_elsewhere(Source("src/a.py", text), lambda path: path == "A.md")
    assert said == ["src/a.py: names sheet.md, which is not here", "src/a.py: names \u00a73.2, which is not here"]
