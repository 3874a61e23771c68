"""CloudWatch Logs filter patterns: which lines does a search want? Pure.

Three forms: nothing (every line); terms (`ERROR timeout`, `"a phrase"`, `?one ?other`, `-not`, `%regex%`); a condition
on JSON lines (`{ $.level = "ERROR" && $.ms > 100 }`). The form for space-delimited fields (`[a, b]`) is refused.
Source: CloudWatch Logs user guide, "Filter pattern syntax".
"""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from paddock.model.errors import ApiError

Keeps: TypeAlias = "Callable[[str], bool]"
Condition: TypeAlias = "Callable[[Any], bool]"

_TERM = re.compile(r"""\s*(?P<sign>[?-]?)(?:"(?P<phrase>(?:[^"\\]|\\.)*)"|%(?P<regex>[^%]+)%|(?P<word>[^\s"%]+))""")
_TOKEN = re.compile(
    r"""\s*(?:(?P<selector>\$(?:\.[\w-]+|\.\*|\[(?:\d+|\*)\]|\["[^"]+"\])+)"""
    r"""|"(?P<text>(?:[^"\\]|\\.)*)"|(?P<sign>&&|\|\||!=|<=|>=|[=<>()])|(?P<word>[^\s()=<>!&|"]+))"""
)
_STEP = re.compile(r"""\.(?P<name>[\w-]+|\*)|\[(?P<index>\d+|\*)\]|\["(?P<quoted>[^"]+)"\]""")
_ORDERINGS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
MAX_NESTING = 32
_REPEATED_GROUP = re.compile(r"\)[*+{]")
"""Refused because matching one can take for ever."""


def keeps(pattern: str) -> Keeps | None:
    """None for a pattern that keeps every line. Raises `ApiError` for one that cannot be read."""
    stripped = pattern.strip()
    if not stripped:
        return None
    if stripped.startswith("["):
        raise _invalid("patterns for space-delimited fields are not supported; use terms or a JSON condition")
    if stripped.startswith("{"):
        if not stripped.endswith("}"):
            raise _invalid("a JSON condition ends with }")
        return _json_line(_Conditions(stripped[1:-1]).whole())
    return _terms(stripped)


def _invalid(why: str) -> ApiError:
    return ApiError("InvalidParameterException", f"Invalid filter pattern: {why}", status=400)


# --- terms ---


def _terms(pattern: str) -> Keeps:
    required: list[Keeps] = []
    optional: list[Keeps] = []
    at = 0
    while at < len(pattern):
        match = _TERM.match(pattern, at)
        if match is None:
            raise _invalid(f"it cannot be read from {pattern[at:].strip()[:20]!r} on")
        at = match.end()
        found = _term(match)
        if match["sign"] == "?":
            optional.append(found)
        elif match["sign"] == "-":
            required.append(lambda line, found=found: not found(line))  # type: ignore[misc]  # bound now, not later
        else:
            required.append(found)
    if required:
        # As in CloudWatch: beside required terms the optional ones decide nothing.
        return lambda line: all(term(line) for term in required)
    return lambda line: any(term(line) for term in optional)


def _term(match: re.Match[str]) -> Keeps:
    if match["regex"] is not None:
        if _REPEATED_GROUP.search(match["regex"]):
            raise _invalid("a group in a regular expression cannot be repeated")
        try:
            expression = re.compile(match["regex"])
        except re.error as error:
            raise _invalid(f"%{match['regex']}% is not a regular expression") from error
        return lambda line: expression.search(line) is not None
    text = _unescaped(match["phrase"]) if match["phrase"] is not None else match["word"]
    return lambda line: text in line


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


# --- conditions on JSON ---


def _json_line(condition: Condition) -> Keeps:
    def keep(line: str) -> bool:
        if not line.lstrip().startswith(("{", "[")):
            return False
        try:
            document = json.loads(line)
        except (ValueError, RecursionError):
            return False
        return condition(document)

    return keep


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str


class _Conditions:
    """A recursive descent: `or` of `and`s of comparisons and parentheses."""

    def __init__(self, source: str) -> None:
        self._tokens = list(_tokens(source))
        self._at = 0
        self._depth = 0

    def whole(self) -> Condition:
        condition = self._either()
        if self._at != len(self._tokens):
            raise _invalid(f"{self._tokens[self._at].text!r} is not expected there")
        return condition

    def _either(self) -> Condition:
        choices = [self._both()]
        while self._take("sign", "||"):
            choices.append(self._both())
        return lambda document: any(choice(document) for choice in choices)

    def _both(self) -> Condition:
        parts = [self._one()]
        while self._take("sign", "&&"):
            parts.append(self._one())
        return lambda document: all(part(document) for part in parts)

    def _one(self) -> Condition:
        if not self._take("sign", "("):
            return self._comparison()
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise _invalid("too many parentheses")
        inner = self._either()
        if not self._take("sign", ")"):
            raise _invalid("a ) is missing")
        self._depth -= 1
        return inner

    def _comparison(self) -> Condition:
        select = _selector(self._next("selector").text)
        token = self._next()
        word = token.text.upper()
        if token.kind == "word" and word == "IS":
            return _is(select, self._next("word").text.upper())
        if token.kind == "word" and word == "EXISTS":
            return lambda document: any(True for _ in select(document))
        if token.kind == "word" and word == "NOT" and self._next("word").text.upper() == "EXISTS":
            return lambda document: not any(True for _ in select(document))
        if token.kind != "sign" or token.text not in {"=", "!=", *_ORDERINGS}:
            raise _invalid(f"{token.text!r} is not a comparison")
        value = self._next()
        if value.kind not in {"word", "text"}:
            raise _invalid(f"{value.text!r} is not a value")
        return _compared(select, token.text, value)

    def _next(self, kind: str | None = None) -> _Token:
        if self._at == len(self._tokens):
            raise _invalid("it ends too early")
        token = self._tokens[self._at]
        if kind is not None and token.kind != kind:
            raise _invalid(f"{token.text!r} is not expected there")
        self._at += 1
        return token

    def _take(self, kind: str, text: str) -> bool:
        if self._at < len(self._tokens) and self._tokens[self._at] == _Token(kind, text):
            self._at += 1
            return True
        return False


def _tokens(source: str) -> Iterator[_Token]:
    at = 0
    while source[at:].strip():
        match = _TOKEN.match(source, at)
        if match is None or match.lastgroup is None:
            raise _invalid(f"it cannot be read from {source[at:].strip()[:20]!r} on")
        at = match.end()
        text = match[match.lastgroup]
        yield _Token(match.lastgroup, _unescaped(text) if match.lastgroup == "text" else text)


def _selector(text: str) -> Callable[[Any], Iterator[Any]]:
    steps = [match["name"] or match["index"] or match["quoted"] for match in _STEP.finditer(text)]

    def select(document: Any) -> Iterator[Any]:
        found = [document]
        for step in steps:
            found = [inner for value in found for inner in _stepped(value, step)]
        return iter(found)

    return select


def _stepped(value: Any, step: str) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values()) if step == "*" else [value[step]] if step in value else []
    if isinstance(value, list):
        if step == "*":
            return value
        return [value[int(step)]] if step.isdecimal() and int(step) < len(value) else []
    return []


def _is(select: Callable[[Any], Iterator[Any]], what: str) -> Condition:
    wanted = {"NULL": None, "TRUE": True, "FALSE": False}
    if what not in wanted:
        raise _invalid(f"IS {what} is unknown; there are IS NULL, IS TRUE and IS FALSE")
    return lambda document: any(value is wanted[what] for value in select(document))


def _compared(select: Callable[[Any], Iterator[Any]], sign: str, token: _Token) -> Condition:
    if sign in _ORDERINGS:
        compare, bound = _ORDERINGS[sign], _number(token.text)
        if bound is None:
            raise _invalid(f"{token.text!r} is not a number")
        return lambda document: any(
            compare(number, bound) for number in map(_plain_number, select(document)) if number is not None
        )
    equals = _equality(token)
    if sign == "=":
        return lambda document: any(equals(value) for value in select(document))
    return lambda document: any(not equals(value) for value in select(document))


def _equality(token: _Token) -> Callable[[Any], bool]:
    number = None if token.kind == "text" else _number(token.text)
    parts = (re.escape(part) for part in token.text.split("*"))
    text = re.compile(".*".join(parts), re.DOTALL)

    def equals(value: Any) -> bool:
        if isinstance(value, str):
            return text.fullmatch(value) is not None
        return number is not None and _plain_number(value) == number

    return equals


def _plain_number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
