"""CloudWatch's metric math: text to a tree. Pure; bounded in depth, so that no text can exhaust the stack.

Grammar, loosest first: `||` or OR, `&&` or AND, comparisons, `+ -`, `* /`, `^`, unary minus, then numbers, strings,
ids, calls, lists and parentheses (CloudWatch user guide, "Using math expressions").
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

DEEPEST = 40

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|\"(?P<double>[^\"]*)\"|'(?P<quoted>[^']*)'"
    r"|(?P<sign>\|\||&&|<=|>=|==|!=|[-+*/^<>()\[\],]))"
)
_WORDS = {"AND": "&&", "OR": "||"}
_LEVELS = (("||",), ("&&",), ("<", ">", "<=", ">=", "==", "!="), ("+", "-"), ("*", "/"))


class ExpressionError(Exception):
    """The text is no expression, or it cannot be worked out; the message says why."""


@dataclass(frozen=True, slots=True)
class Number:
    value: float


@dataclass(frozen=True, slots=True)
class Text:
    value: str


@dataclass(frozen=True, slots=True)
class Name:
    """The id of a query, or a word that a function knows (`REPEAT`)."""

    name: str


@dataclass(frozen=True, slots=True)
class Negated:
    of: Tree


@dataclass(frozen=True, slots=True)
class Binary:
    sign: str
    left: Tree
    right: Tree


@dataclass(frozen=True, slots=True)
class Listed:
    items: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Called:
    function: str
    arguments: tuple[Tree, ...]


Tree: TypeAlias = "Number | Text | Name | Negated | Binary | Listed | Called"


def parse(text: str) -> Tree:
    """Raises `ExpressionError`."""
    parser = _Parser(_tokens(text))
    tree = parser.level(0, DEEPEST)
    parser.expect_end()
    return tree


def names_in(tree: Tree) -> set[str]:
    """Every id that the tree mentions."""
    match tree:
        case Name(name):
            return {name}
        case Negated(inner):
            return names_in(inner)
        case Binary(_, left, right):
            return names_in(left) | names_in(right)
        case Listed(items) | Called(_, items):
            return {name for item in items for name in names_in(item)}
        case _:
            return set()


def searches_in(tree: Tree) -> set[Called]:
    """Every SEARCH of the tree."""
    match tree:
        case Called("SEARCH", _):
            return {tree}
        case Negated(inner):
            return searches_in(inner)
        case Binary(_, left, right):
            return searches_in(left) | searches_in(right)
        case Listed(items) | Called(_, items):
            return {found for item in items for found in searches_in(item)}
        case _:
            return set()


Word: TypeAlias = "tuple[str, str]"


def _tokens(text: str) -> list[Word]:
    found: list[Word] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise ExpressionError(f"Unexpected character at position {at + 1}")
        kind = "text" if match.lastgroup in ("double", "quoted") else match.lastgroup
        found.append((kind, match[match.lastgroup]) if kind != "name" else _name(match["name"]))
        at = match.end()
    return found


def _name(text: str) -> Word:
    return ("sign", _WORDS[text]) if text in _WORDS else ("name", text)


class _Parser:
    def __init__(self, tokens: list[Word]) -> None:
        self._tokens = tokens
        self._at = 0

    def level(self, number: int, depth: int) -> Tree:
        """Binary operators of one level, from the left."""
        if depth <= 0:
            raise ExpressionError(f"Nested more than {DEEPEST} deep")
        below: Callable[[], Tree] = (
            (lambda: self._power(depth)) if number == len(_LEVELS) else (lambda: self.level(number + 1, depth))
        )
        tree = below()
        while number < len(_LEVELS) and self._sign() in _LEVELS[number]:
            sign = self._take()[1]
            tree = Binary(sign, tree, below())
        return tree

    def expect_end(self) -> None:
        if self._at < len(self._tokens):
            raise ExpressionError(f"Unexpected '{self._tokens[self._at][1]}'")

    def _power(self, depth: int) -> Tree:
        """From the right: 2^3^2 is 2^9."""
        if depth <= 0:
            raise ExpressionError(f"Nested more than {DEEPEST} deep")
        if self._sign() == "-":
            self._take()
            return Negated(self._power(depth - 1))
        base = self._primary(depth)
        if self._sign() == "^":
            self._take()
            return Binary("^", base, self._power(depth - 1))
        return base

    def _primary(self, depth: int) -> Tree:
        kind, text = self._take()
        match kind, text:
            case "number", _:
                return Number(float(text))
            case "text", _:
                return Text(text)
            case "name", _:
                if self._sign() != "(":
                    return Name(text)
                self._take()
                return Called(text.upper(), self._items(")", depth))
            case _, "[":
                return Listed(self._items("]", depth))
            case _, "(":
                tree = self.level(0, depth - 1)
                self._expect(")")
                return tree
            case _:
                raise ExpressionError(f"Unexpected '{text}'")

    def _items(self, closing: str, depth: int) -> tuple[Tree, ...]:
        items: list[Tree] = []
        if self._sign() == closing:
            self._take()
            return ()
        while True:
            items.append(self.level(0, depth - 1))
            kind, text = self._take()
            if (kind, text) == ("sign", closing):
                return tuple(items)
            if (kind, text) != ("sign", ","):
                raise ExpressionError(f"Expected ',' or '{closing}' before '{text}'")

    def _sign(self) -> str:
        if self._at < len(self._tokens) and self._tokens[self._at][0] == "sign":
            return self._tokens[self._at][1]
        return ""

    def _take(self) -> Word:
        if self._at >= len(self._tokens):
            raise ExpressionError("Unexpected end")
        self._at += 1
        return self._tokens[self._at - 1]

    def _expect(self, sign: str) -> None:
        if self._take() != ("sign", sign):
            raise ExpressionError(f"Expected '{sign}'")
