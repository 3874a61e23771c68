"""The code speaks the glossary's language: AWS's shapes exist, and what the glossary rules out names nothing."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch

import botocore.session
import pytest

from tests.tidy.tree import Source, complaints_about, page, python_sources

MODULE_NAMES_REFUSED = {"utils", "util", "helpers", "helper", "manager", "managers", "common", "misc", "shared", "base"}

# The words the design rests on. A word that leaves the glossary leaves the design first.
WORDS = {
    "agent", "alias", "applied", "capacity provider", "capacity provider scaling config", "checkpoint",
    "default Lambda", "durable execution", "effect", "entitlement", "execution environment", "executor", "extension",
    "function", "function scaling config", "generation", "instance requirements", "inventory", "invocation", "launcher",
    "lease", "managed instance", "operation", "placement", "plan", "planning", "reason", "requested", "router",
    "runtime", "scaling", "slot", "snapshot", "trace", "version",
}  # fmt: skip


@dataclass(frozen=True)
class Refusal:
    """A word that names nothing, what to say instead, and the places where it is right after all."""

    word: str
    instead: str
    allowed: tuple[str, ...]


def glossary() -> str:
    found = page("docs/glossary.md")
    assert found is not None
    return found.text


def refusals(text: str) -> list[Refusal]:
    _, _, table = text.partition("## Words that name nothing here")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line[:1] == "|"]
    return [Refusal(row[0], row[1], tuple(re.findall(r"`([^`]+)`", row[2]))) for row in rows[2:]]


def words_of(identifier: str) -> set[str]:
    """`ManagedInstance_id` to managed, instance, id."""
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", identifier)}


def names_given(source: Source) -> Iterator[tuple[int, str]]:
    """What this file itself names, by line: what it merely uses was named by others."""
    for item in ast.walk(source.syntax):
        match item:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield item.lineno, name
            case ast.arg(arg=name):
                yield item.lineno, name
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield item.lineno, name
            case ast.ImportFrom(names=names):
                yield from ((item.lineno, alias.asname) for alias in names if alias.asname)
            case _:
                pass


def wrong_words(sources: Iterable[Source], refused: list[Refusal]) -> list[str]:
    said = []
    for source in sources:
        here = {r.word: r for r in refused if not any(fnmatch(source.path, place) for place in r.allowed)}
        said += [
            f"{source.path}:{line}: {name}: not `{word}`, say: {here[word].instead}"
            for line, name in names_given(source)
            for word in words_of(name) & here.keys()
        ]
    return said


def wrong_module_names(sources: Iterable[Source]) -> list[str]:
    said = []
    for source in sources:
        parts = source.path.removesuffix(".py").split("/")
        said += [f"{source.path}: `{part}` says nothing" for part in parts if part.strip("_") in MODULE_NAMES_REFUSED]
    return said


def test_names_are_the_glossary_s_words() -> None:
    said = wrong_words(python_sources("src"), refusals(glossary()))
    assert not said, complaints_about(said)


def test_modules_are_named_by_what_they_are_about() -> None:
    said = wrong_module_names(python_sources("src", "tests", "tools"))
    assert not said, complaints_about(said)


def test_the_glossary_has_the_words_the_design_rests_on() -> None:
    entries = {word for entry in re.findall(r"\*\*([^*]+)\*\*", glossary()) for word in entry.split(", ")}
    assert entries >= WORDS, f"missing: {sorted(WORDS - entries)}"


def test_the_shapes_the_glossary_names_exist() -> None:
    text, _, _ = glossary().partition("## Our words")
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| **")]
    named = {shape for row in rows for shape in re.findall(r"`([^`]+)`", row[2])}
    model = botocore.session.get_session().get_service_model("lambda")
    assert named
    assert named - set(model.shape_names) == set()


def test_the_glossary_rules_words_out() -> None:
    assert {"node", "pod", "sandbox", "worker"} <= {refusal.word for refusal in refusals(glossary())}


PLANTED = [Refusal("pod", "managed instance", ("src/k8s/*",))]


@pytest.mark.parametrize(
    "code",
    [
        "class PodList: ...",
        "def start_pod(): ...",
        "def f(pod): ...",
        "pod = 1",
        "self.last_pod = 1",
        "from a import b as pod",
    ],
)
def test_a_refused_word_is_found_wherever_something_is_named(code: str) -> None:
    assert len(wrong_words([Source("src/a.py", code)], PLANTED)) == 1


@pytest.mark.parametrize("code", ["tripod = 1", "print(other.pod)", "podium = 1", "'pod'"])
def test_other_words_and_mere_uses_are_let_through(code: str) -> None:
    assert wrong_words([Source("src/a.py", code)], PLANTED) == []


def test_a_refused_word_is_right_in_the_places_named() -> None:
    assert wrong_words([Source("src/k8s/a.py", "pod = 1")], PLANTED) == []


def test_a_module_with_a_name_that_says_nothing_is_found() -> None:
    assert len(wrong_module_names([Source("src/paddock/core/utils.py", ""), Source("src/paddock/misc/x.py", "")])) == 2
    assert wrong_module_names([Source("src/paddock/core/commonality.py", "")]) == []
