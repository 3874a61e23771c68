"""Modules say what they are for, pure ones have a test file of their name, nothing unfinished or unbounded is left."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

import pytest

from tests.tidy.tree import Source, all_sources, complaints_about, python_sources

LAYERS_TESTED_FILE_BY_FILE = ("core", "model", "wire")
QUEUES = {"Queue", "LifoQueue", "PriorityQueue", "SimpleQueue"}
# Spelled in pieces, so that this file does not complain about itself.
LEFTOVER = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK"]) + r")\b")
LEFTOVERS_ALLOWED = {"pyproject.toml", "LICENSE"}


def without_opening(sources: Iterable[Source]) -> list[str]:
    said = []
    for source in sources:
        opening = ast.get_docstring(source.syntax)
        if not opening:
            said.append(f"{source.path}: say in one to eight lines what it does and what it must not know")
    return said


def without_test_file(sources: Iterable[Source], tests: Iterable[str]) -> list[str]:
    """`src/paddock/core/pricing/rates.py` is tested by a `test_rates.py` somewhere under `tests/core/`."""
    there = set(tests)
    said = []
    for source in sources:
        layer, name = source.path.split("/")[2], source.name
        if layer not in LAYERS_TESTED_FILE_BY_FILE or name == "__init__.py":
            continue
        if not any(test.startswith(f"tests/{layer}/") and test.endswith(f"/test_{name}") for test in there):
            said.append(f"{source.path}: has no tests/{layer}/**/test_{name}")
    return said


def leftovers(sources: Iterable[Source]) -> list[str]:
    return [
        f"{source.path}:{number}: finish it, or write an issue and say nothing here"
        for source in sources
        if source.path not in LEFTOVERS_ALLOWED and not source.path.endswith(".lock")
        for number, line in enumerate(source.text.splitlines(), 1)
        if LEFTOVER.search(line)
    ]


def unbounded_queues(sources: Iterable[Source]) -> list[str]:
    said = []
    for source in sources:
        for call in ast.walk(source.syntax):
            if isinstance(call, ast.Call) and _called(call) in QUEUES and not _has_size(call):
                said.append(f"{source.path}:{call.lineno}: a queue has a maxsize, with its reason beside it")
    return said


def _called(call: ast.Call) -> str:
    match call.func:
        case ast.Attribute(attr=name) | ast.Name(id=name) | ast.Subscript(value=ast.Attribute(attr=name)):
            return name
        case ast.Subscript(value=ast.Name(id=name)):
            return name
        case _:
            return ""


def _has_size(call: ast.Call) -> bool:
    sizes = [*call.args[:1], *(keyword.value for keyword in call.keywords if keyword.arg == "maxsize")]
    return any(not (isinstance(size, ast.Constant) and size.value in (0, None)) for size in sizes)


def test_every_module_says_what_it_is_for() -> None:
    said = without_opening(source for source in python_sources("src", "tools") if "/functions/" not in source.path)
    assert not said, complaints_about(said)


def test_every_pure_module_has_a_test_file_of_its_name() -> None:
    said = without_test_file(python_sources("src"), (source.path for source in python_sources("tests")))
    assert not said, complaints_about(said)


def test_nothing_is_left_for_later_in_the_code() -> None:
    said = leftovers(all_sources())
    assert not said, complaints_about(said)


def test_every_queue_is_bounded() -> None:
    said = unbounded_queues(python_sources("src"))
    assert not said, complaints_about(said)


def test_a_module_without_an_opening_is_found() -> None:
    assert len(without_opening([Source("src/a.py", "x = 1"), Source("src/b.py", '"""Says it."""')])) == 1


def test_a_pure_module_without_its_test_is_found() -> None:
    pure = Source("src/paddock/core/pricing/rates.py", "")
    assert len(without_test_file([pure], ["tests/model/test_rates.py", "tests/core/test_other_rates.py"])) == 1
    assert without_test_file([pure], ["tests/core/pricing/test_rates.py"]) == []
    assert without_test_file([Source("src/paddock/agent/loop.py", "")], []) == []


def test_a_leftover_is_found() -> None:
    assert len(leftovers([Source("src/a.py", "x = 1  # TO" + "DO later")])) == 1
    assert leftovers([Source("src/a.py", "todos = 1")]) == []


@pytest.mark.parametrize(
    "code", ["Queue()", "asyncio.Queue(maxsize=0)", "asyncio.Queue[int]()", "Queue[int](0)", "SimpleQueue()"]
)
def test_an_unbounded_queue_is_found(code: str) -> None:
    assert len(unbounded_queues([Source("src/a.py", code)])) == 1


@pytest.mark.parametrize("code", ["Queue(8)", "asyncio.Queue[int](maxsize=LIMIT)", "self.enqueue()"])
def test_a_bounded_queue_is_let_through(code: str) -> None:
    assert unbounded_queues([Source("src/a.py", code)]) == []
