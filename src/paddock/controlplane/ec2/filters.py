"""EC2's filters over answers: names AND one another, the values of one OR; `*` and `?` are wildcards. Pure.

A filter is a path into what is shown (`Placement.AvailabilityZone`), so that what is filtered is what is seen.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any

from paddock.awsapi.timestamps import to_iso
from paddock.controlplane.ec2.errors import ec2_error

Shown = Mapping[str, Any]

MOST_VALUES = 200
"""EC2's limit of one call."""


@dataclass(frozen=True, slots=True)
class FilterTable:
    """`paths` are the filters and what they look at. `never_set` are beginnings of AWS's other filters: known, and
    about things that nothing here has.
    """

    paths: Mapping[str, str]
    never_set: tuple[str, ...] = ()
    tags: str = field(default="Tags")


def chosen(items: Iterable[Shown], filters: Sequence[Mapping[str, Any]], table: FilterTable) -> list[Shown]:
    """Those that pass all filters. Raises `ApiError` for a filter that EC2 does not have either."""
    if sum(len(each.get("Values", ())) for each in filters) > MOST_VALUES:
        text = f"The maximum number of filter values specified on a single call is {MOST_VALUES}"
        raise ec2_error("FilterLimitExceeded", text)
    tests = [_test(each.get("Name", ""), each.get("Values", ()), table) for each in filters]
    return [item for item in items if all(test(item) for test in tests)]


def _test(name: str, wanted: Sequence[str], table: FilterTable) -> Callable[[Shown], bool]:
    patterns = [_pattern(value) for value in wanted]
    values = _reader(name, table)

    def test(item: Shown) -> bool:
        return any(pattern.fullmatch(value) for value in values(item) for pattern in patterns)

    return test


def _reader(name: str, table: FilterTable) -> Callable[[Shown], Iterable[str]]:
    if name in table.paths:
        path = table.paths[name].split(".")
        return lambda item: _values(item, path)
    if name.startswith("tag:"):
        return lambda item: _tag_values(item, table.tags, name[len("tag:") :])
    if name in ("tag-key", "tag-value"):
        path = [table.tags, "Key" if name == "tag-key" else "Value"]
        return lambda item: _values(item, path)
    if name and name.startswith(table.never_set):
        return lambda item: ()
    raise ec2_error("InvalidParameterValue", f"The filter '{name}' is invalid")


def _tag_values(item: Shown, tags: str, key: str) -> Iterator[str]:
    return (str(tag["Value"]) for tag in item.get(tags, ()) if tag["Key"] == key)


def _values(value: Any, path: Sequence[str]) -> Iterator[str]:
    if isinstance(value, list | tuple):
        for each in value:
            yield from _values(each, path)
    elif path:
        if isinstance(value, Mapping) and value.get(path[0]) is not None:
            yield from _values(value[path[0]], path[1:])
    else:
        yield _text(value)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return to_iso(value) if isinstance(value, datetime) else str(value)


@lru_cache(maxsize=256)
def _pattern(text: str) -> re.Pattern[str]:
    r"""`\*` and `\?` are the characters themselves."""
    parts = re.findall(r"\\.|[*?]|[^\\*?]+|\\", text, re.DOTALL)
    wild = {"*": ".*", "?": "."}
    return re.compile(
        "".join(wild.get(part) or re.escape(part.removeprefix("\\") or part) for part in parts), re.DOTALL
    )
