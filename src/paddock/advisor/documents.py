"""JSON and YAML a person wrote, read so that what is wrong with it can be said with file and line.

Numbers become Decimals of their literal text, never floats. Nothing here knows what a document means.
"""

from __future__ import annotations

import difflib
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import NoReturn

import yaml

MAX_DOCUMENT_BYTES = 4 * 1024 * 1024
"""Written by hand or by a script, a bill or a workload is a few kilobytes; more is a wrong file."""

MAX_DIGITS = 28
MAX_NUMBER = Decimal(10) ** 18
_NUMBER = re.compile(r"[+-]?(\d[\d_]*(\.[\d_]*)?|\.\d[\d_]*)([eE][+-]?\d{1,3})?")

Value = None | bool | str | Decimal | list["Value"] | dict[str, "Value"]
Path_ = tuple[str | int, ...]


class InputError(Exception):
    """A person's input is wrong. The text is one line; it begins with the place when there is one."""

    def __init__(self, text: str, *, file: str | None = None, line: int | None = None) -> None:
        place = "" if file is None else f"{file}: " if line is None else f"{file}:{line}: "
        super().__init__(place + " ".join(text.split()))


@dataclass(frozen=True, slots=True)
class Source:
    """A file's text and its name as the person gave it."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a source; `path` leads to it from the source's top."""

    source: Source
    value: Value
    path: Path_ = ()

    def refuse(self, text: str, *path: str | int) -> NoReturn:
        raise InputError(text, file=self.source.name, line=line_of(self.source.text, (*self.path, *path)))


def read_source(name: str) -> Source:
    """`-` is standard input. Raises InputError when there is no such file, it is too large or no text."""
    place = "standard input" if name == "-" else name
    blob = _read_bytes(name, place)
    if len(blob) > MAX_DOCUMENT_BYTES:
        raise InputError(f"is larger than {MAX_DOCUMENT_BYTES // 1024 // 1024} MiB", file=place)
    try:
        return Source(place, blob.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = blob[: error.start].count(b"\n") + 1
        raise InputError("is not text in UTF-8", file=place, line=line) from error


def _read_bytes(name: str, place: str) -> bytes:
    """One byte more than is allowed at most, so that too much can be told from enough."""
    try:
        if name == "-":
            return sys.stdin.buffer.read(MAX_DOCUMENT_BYTES + 1)
        with Path(name).open("rb") as file:
            return file.read(MAX_DOCUMENT_BYTES + 1)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}", file=place) from error


@dataclass(frozen=True, slots=True)
class Documents:
    """What a source holds: one document, or a list of them (a top-level list, or several YAML documents)."""

    members: tuple[Document, ...]
    is_list: bool


def parse(source: Source) -> Documents:
    """Raises InputError when a source is neither JSON nor YAML, or is empty."""
    try:
        values = _parse_json(source) if source.text.lstrip()[:1] in ("{", "[") else None
        if values is None:
            values = _parse_yaml(source)
    except RecursionError as error:
        raise InputError("is nested too deeply", file=source.name) from error
    documents: list[Document] = []
    is_list = len(values) > 1
    for index, value in enumerate(values):
        outer: Path_ = (index,)
        if isinstance(value, list):
            is_list = True
            documents += [Document(source, member, (*outer, place)) for place, member in enumerate(value)]
        else:
            documents.append(Document(source, value, outer))
    if not documents:
        raise InputError("is empty", file=source.name)
    return Documents(tuple(documents), is_list)


# --- JSON -----------------------------------------------------------------------------------------------------------


def _parse_json(source: Source) -> list[Value] | None:
    """None when it is no JSON but may be YAML, whose flow style looks like it."""
    try:
        value: Value = json.loads(
            source.text,
            parse_float=_decimal,
            parse_int=_decimal,
            parse_constant=str,
            object_pairs_hook=_object,
        )
    except json.JSONDecodeError as error:
        if _is_yaml(source.text):
            return None
        raise InputError(f"no valid JSON: {error.msg}", file=source.name, line=error.lineno) from error
    except ValueError as error:
        raise InputError(str(error), file=source.name) from error
    return [value]


def _decimal(text: str) -> Value:
    """A number beyond what Decimal can hold stays text (as NaN does) and is refused where a number is wanted."""
    try:
        return Decimal(text)
    except ArithmeticError:
        return text


def _object(pairs: list[tuple[str, Value]]) -> dict[str, Value]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        message = f"`{twice}` is given twice"
        raise ValueError(message)
    return found


def _is_yaml(text: str) -> bool:
    try:
        list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except yaml.YAMLError:
        return False
    return True


# --- YAML -----------------------------------------------------------------------------------------------------------


def _parse_yaml(source: Source) -> list[Value]:
    try:
        parts = list(yaml.compose_all(source.text, Loader=yaml.SafeLoader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise InputError(
            f"no valid YAML: {error.problem or error.context}",
            file=source.name,
            line=None if mark is None else mark.line + 1,
        ) from error
    except yaml.YAMLError as error:
        raise InputError(f"no valid YAML: {error}", file=source.name) from error
    return [_yaml_value(source, part) for part in parts]


def _yaml_value(source: Source, part: yaml.Node) -> Value:
    if isinstance(part, yaml.ScalarNode):
        return _yaml_scalar(part)
    if isinstance(part, yaml.SequenceNode):
        return [_yaml_value(source, member) for member in part.value]
    found: dict[str, Value] = {}
    for key, value in part.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise InputError("a key must be a plain name", file=source.name, line=line)
        if key.value in found:
            raise InputError(f"`{key.value}` is given twice", file=source.name, line=line)
        found[key.value] = _yaml_value(source, value)
    return found


def _yaml_scalar(part: yaml.ScalarNode) -> Value:
    text: str = part.value
    if part.style is None and _NUMBER.fullmatch(text):
        return _decimal(text.replace("_", ""))
    if part.tag.endswith(":null"):
        return None
    if part.tag.endswith(":bool"):
        return text.lower() in ("true", "yes", "on")
    return text


# --- places ---------------------------------------------------------------------------------------------------------


def line_of(text: str, path: Path_) -> int | None:
    """The line of a path; of the innermost part that exists. A raw tab cannot be inside a JSON string, so it may go."""
    if text.lstrip()[:1] in ("{", "["):
        text = text.replace("\t", " ")
    try:
        parts = list(yaml.compose_all(text, Loader=yaml.SafeLoader))
    except (yaml.YAMLError, RecursionError):
        return None
    children: Sequence[yaml.Node] = parts
    line: int | None = None
    for step in path:
        found = _child(children, step) if isinstance(step, int) else None
        if isinstance(step, str):
            pairs = children[0].value if children and isinstance(children[0], yaml.MappingNode) else []
            pair = next(((key, value) for key, value in pairs if key.value == step), None)
            if pair is not None:
                line = pair[0].start_mark.line + 1
                children = _inside(pair[1])
            continue
        if found is not None:
            line = found.start_mark.line + 1
            children = _inside(found)
    return line


def _child(children: Sequence[yaml.Node], index: int) -> yaml.Node | None:
    return children[index] if index < len(children) else None


def _inside(part: yaml.Node) -> Sequence[yaml.Node]:
    """A sequence's members; a mapping stands for itself, so that a name can be looked up in it."""
    return part.value if isinstance(part, yaml.SequenceNode) else [part]


# --- fields ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Fields:
    """Takes a mapping apart by name and refuses what it does not know. One owner, used up once."""

    document: Document
    left: dict[str, Value] = field(init=False)
    asked: list[str] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        if not isinstance(self.document.value, dict):
            self.document.refuse("expected names and values, such as `kind: lmi`")
        self.left = dict(self.document.value)

    def has(self, name: str) -> bool:
        return name in self.left

    def number(
        self,
        name: str,
        *,
        default: Decimal | None = None,
        minimum: Decimal | int = 0,
        maximum: Decimal | int = MAX_NUMBER,
        above_minimum: bool = False,
    ) -> Decimal:
        """Between `minimum` and `maximum`; required when there is no default."""
        self.asked.append(name)
        if name not in self.left:
            if default is None:
                self.document.refuse(f"`{name}` is missing")
            return default
        value = self.left.pop(name)
        if not isinstance(value, Decimal):
            self.document.refuse(f"`{name}` must be a number, not {shown(value)}", name)
        if len(value.as_tuple().digits) > MAX_DIGITS or value.copy_abs() > MAX_NUMBER:
            self.document.refuse(f"`{name}` is {value:.6g}: no such number can be meant here", name)
        if value < minimum or value > maximum or (above_minimum and value == minimum):
            self.document.refuse(f"`{name}` is {value}; {_bounds(minimum, maximum, above_minimum)}", name)
        return value

    def choice(self, name: str, choices: Sequence[str], *, default: str | None = None) -> str:
        self.asked.append(name)
        if name not in self.left and default is not None:
            return default
        if name not in self.left:
            self.document.refuse(f"`{name}` is missing: {_or(choices)}")
        value = self.left.pop(name)
        if not isinstance(value, str) or value not in choices:
            self.document.refuse(f"`{name}` is {shown(value)}; it must be {_or(choices)}", name)
        return value

    def flag(self, name: str, *, default: bool = False) -> bool:
        self.asked.append(name)
        value = self.left.pop(name, default)
        if not isinstance(value, bool):
            self.document.refuse(f"`{name}` must be true or false, not {shown(value)}", name)
        return value

    def finish(self) -> None:
        """Nothing may be left over: a misspelt name would silently change the answer."""
        for name in self.left:
            near = difflib.get_close_matches(name, self.asked, n=1, cutoff=0.5)
            hint = f"; did you mean `{near[0]}`?" if near else f"; known are {', '.join(self.asked)}"
            self.document.refuse(f"`{name}` means nothing here{hint}", name)


def shown(value: Value) -> str:
    """A value as an error shows it: short, and never a page of it."""
    text = f'"{value}"' if isinstance(value, str) else str(value)
    if isinstance(value, Mapping | list):
        text = "a list" if isinstance(value, list) else "a mapping"
    if isinstance(value, bool) or value is None:
        text = {True: "true", False: "false", None: "nothing"}[value]
    return text if len(text) <= 40 else f"{text[:37]}..."


def _bounds(minimum: Decimal | int, maximum: Decimal | int, above_minimum: bool) -> str:
    least = f"above {minimum}" if above_minimum else f"at least {minimum}"
    return f"it must be {least}" if maximum >= MAX_NUMBER else f"it must be {least} and at most {maximum}"


def _or(choices: Sequence[str]) -> str:
    return " or ".join(choices) if len(choices) < 3 else f"{', '.join(choices[:-1])} or {choices[-1]}"
