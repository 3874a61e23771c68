"""What CloudWatch's SEARCH looks for: text to a test of one metric. Pure; bounded in length and in depth.

    {Namespace, Dimension, ...} Term "exact" Property=Term AND (Term OR Term) NOT Term

(CloudWatch user guide, "Search expression syntax"). A term is cut where letters turn to capitals or digits and at
everything else; it is found where its pieces follow one another in a name or a value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from paddock.controlplane.cloudwatch.expressions import DEEPEST, ExpressionError
from paddock.model.metrics import MetricId

LONGEST = 1024
"""Of a search, in characters, as on AWS."""

Matches: TypeAlias = "Callable[[MetricId], bool]"

_SCHEMA = re.compile(r"\s*\{(?P<inside>(?:\"[^\"]*\"|[^\"{}])*)\}\s*,?")
_NAME = re.compile(r"\s*(?:\"(?P<quoted>[^\"]*)\"|(?P<plain>[^\",]+?))\s*(?:,|$)")
_WORD = re.compile(r"\s*(?:\"(?P<exact>(?:\\.|[^\"\\])*)\"|(?P<sign>[()=])|(?P<plain>[^\s\"()={}]+))")
_PIECE = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_RUN = re.compile(r"[A-Za-z0-9]+")


@dataclass(frozen=True, slots=True)
class Search:
    """Without a namespace it is about all. Dimensions, where any are named, are all that a metric may have."""

    namespace: str | None
    dimensions: frozenset[str]
    matches_term: Matches

    def matches(self, metric: MetricId) -> bool:
        if self.namespace is not None and metric.namespace != self.namespace:
            return False
        if self.dimensions and {name for name, _ in metric.dimensions} != self.dimensions:
            return False
        return self.matches_term(metric)


def read_search(text: str) -> Search:
    """Raises `ExpressionError`."""
    if len(text) > LONGEST:
        raise ExpressionError(f"A search has at most {LONGEST} characters")
    schema = _SCHEMA.match(text)
    names = _names(schema["inside"]) if schema is not None else []
    words = _words(text[schema.end() :] if schema is not None else text)
    if schema is None and not words:
        raise ExpressionError("A search needs a metric schema in braces, a term, or both")
    matches: Matches = _everything
    if words:
        parser = _Parser(words)
        matches = parser.either("", DEEPEST)
        parser.expect_end()
    return Search(names[0] if names else None, frozenset(names[1:]), matches)


def labels_of(metrics: Sequence[MetricId]) -> list[str]:
    """What tells them apart: values of dimensions that not all have, and names where these differ."""
    namespaces = {metric.namespace for metric in metrics}
    names = {metric.name for metric in metrics}
    pairs = [set(metric.dimensions) for metric in metrics]
    common = set.intersection(*pairs) if len(pairs) > 1 else set()
    return [
        " ".join(
            [
                *([metric.namespace] if len(namespaces) > 1 else []),
                *(value for name, value in metric.dimensions if (name, value) not in common),
                *([metric.name] if len(names) > 1 or not metric.dimensions else []),
            ]
        )
        or metric.name
        for metric in metrics
    ]


@dataclass(frozen=True, slots=True)
class Piece:
    """`exactly` where capitals matter."""

    lower: str
    exactly: str | None

    def is_it(self, found: str) -> bool:
        return found.lower() == self.lower if self.exactly is None else found == self.exactly


def _everything(_metric: MetricId) -> bool:
    return True


def _names(inside: str) -> list[str]:
    found: list[str] = []
    at, inside = 0, inside.strip()
    while at < len(inside):
        match = _NAME.match(inside, at)
        if match is None:
            raise ExpressionError("The metric schema in braces cannot be read")
        found.append(match["plain"] if match["quoted"] is None else match["quoted"])
        at = match.end()
    if not found:
        raise ExpressionError("The metric schema in braces must begin with a namespace")
    return found


Word: TypeAlias = "tuple[str, str]"
END: Word = ("end", "")


def _words(text: str) -> list[Word]:
    found: list[Word] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _WORD.match(text, at)
        if match is None or match.lastgroup is None:
            raise ExpressionError(f"Unexpected '{text[at:].lstrip()[:1]}' in a search")
        found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return found


class _Parser:
    """`of` is the property that a term is about; empty for any."""

    def __init__(self, words: list[Word]) -> None:
        self._words = words
        self._at = 0

    def either(self, of: str, depth: int) -> Matches:
        if depth <= 0:
            raise ExpressionError(f"Nested more than {DEEPEST} deep")
        choices = [self._all(of, depth)]
        while self._next() == ("plain", "OR"):
            self._at += 1
            choices.append(self._all(of, depth))
        return choices[0] if len(choices) == 1 else (lambda metric: any(each(metric) for each in choices))

    def expect_end(self) -> None:
        if self._next() != END:
            raise ExpressionError(f"Unexpected '{self._next()[1]}' in a search")

    def _all(self, of: str, depth: int) -> Matches:
        """Terms side by side all hold, with AND between them or without."""
        parts = [self._one(of, depth)]
        while self._next() not in (END, ("plain", "OR"), ("sign", ")")):
            if self._next() == ("plain", "AND"):
                self._at += 1
            parts.append(self._one(of, depth))
        return parts[0] if len(parts) == 1 else (lambda metric: all(each(metric) for each in parts))

    def _one(self, of: str, depth: int) -> Matches:
        negated = False
        while self._next() == ("plain", "NOT"):
            self._at += 1
            negated = not negated
        matches = self._group(of, depth) if self._next() == ("sign", "(") else self._term(of, depth)
        return (lambda metric: not matches(metric)) if negated else matches

    def _group(self, of: str, depth: int) -> Matches:
        self._at += 1
        inside = self.either(of, depth - 1)
        if self._next() != ("sign", ")"):
            raise ExpressionError("Expected ')' in a search")
        self._at += 1
        return inside

    def _term(self, of: str, depth: int) -> Matches:
        kind, text = self._next()
        if kind not in ("exact", "plain") or (kind, text) in (("plain", "AND"), ("plain", "OR")):
            raise ExpressionError(f"Unexpected '{text}' in a search" if text else "Unexpected end of a search")
        self._at += 1
        if not of and self._next() == ("sign", "="):
            if text.startswith(":"):
                raise ExpressionError(f"{text} is for monitoring accounts, which are not supported")
            self._at += 1
            return self._one(_plain(text), depth)
        if kind == "exact":
            wanted = _plain(text)
            return lambda metric: wanted in _texts(metric, of)
        return _partial(text, of)

    def _next(self) -> Word:
        return self._words[self._at] if self._at < len(self._words) else END


def _plain(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def _texts(metric: MetricId, of: str) -> tuple[str, ...]:
    """Where something can be found: under one property, or anywhere."""
    match of:
        case "":
            return (metric.namespace, metric.name, *(part for pair in metric.dimensions for part in pair))
        case "MetricName":
            return (metric.name,)
        case "Namespace":
            return (metric.namespace,)
        case _:
            return tuple(value for name, value in metric.dimensions if name == of)


def _partial(term: str, of: str) -> Matches:
    wanted = [piece for run in _RUN.findall(term) for piece in _wanted(run)]
    whole = "".join(_RUN.findall(term)).lower()
    if not wanted:
        raise ExpressionError(f"Nothing to search for in '{term}'")
    return lambda metric: any(_is_in(wanted, whole, text) for text in _texts(metric, of))


def _wanted(run: str) -> list[Piece]:
    """Of one piece, capitals do not matter; several in one run (`CustomCount`) are there because of their capitals."""
    pieces = _PIECE.findall(run)
    return [Piece(run.lower(), None)] if len(pieces) == 1 else [Piece(each.lower(), each) for each in pieces]


def _is_in(wanted: Sequence[Piece], whole: str, text: str) -> bool:
    found = _PIECE.findall(text)
    if whole == "".join(found).lower():
        return True
    starts = range(len(found) - len(wanted) + 1)
    return any(all(piece.is_it(found[at + place]) for place, piece in enumerate(wanted)) for at in starts)
