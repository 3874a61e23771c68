"""Form-encoded parameters (`Filter.1.Value.2=x`) to nested parameters, for the `query` and `ec2` protocols.

The two differ in how names are derived from the model; each gives its own `Naming`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, cast
from urllib.parse import unquote_plus

from botocore.model import ListShape, MapShape, Shape, StructureShape

from paddock.awsapi import scalars
from paddock.model.errors import ApiError

Tree = dict[str, "Tree | str"]

MOST_FIELDS = 10_000
"""Of one form. The largest real requests have some thousands (a thousand ids, a thousand data points)."""


MOST_DIGITS = 10
"""Of a list's index."""


class Naming(NamedTuple):
    """`member` gives a member's name in the form; `items` the part of a list's tree in which its numbers are."""

    member: Callable[[Shape, str], str]
    items: Callable[[ListShape, Tree], Tree]


def query_member(shape: Shape, name: str) -> str:
    """A flattened list goes by the name of its elements, if they have one."""
    if isinstance(shape, ListShape) and shape.serialization.get("flattened") and "name" in shape.member.serialization:
        return str(shape.member.serialization["name"])
    return str(shape.serialization.get("name", name))


def query_items(shape: ListShape, tree: Tree) -> Tree:
    if shape.serialization.get("flattened"):
        return tree
    inner = tree.get(shape.member.serialization.get("name", "member"), {})
    return inner if isinstance(inner, dict) else {}


def ec2_member(shape: Shape, name: str) -> str:
    if "queryName" in shape.serialization:
        return str(shape.serialization["queryName"])
    wire = str(shape.serialization.get("name", name))
    return wire[:1].upper() + wire[1:]


def ec2_items(_shape: ListShape, tree: Tree) -> Tree:
    return tree


QUERY = Naming(query_member, query_items)
EC2 = Naming(ec2_member, ec2_items)


def fields_of(text: str) -> dict[str, str]:
    parts = text.split("&", MOST_FIELDS)
    if len(parts) > MOST_FIELDS:
        raise ApiError("MalformedInput", f"More than {MOST_FIELDS} fields", status=400)
    pairs = (part.partition("=") for part in parts if part)
    return {unquote_plus(name): unquote_plus(value) for name, _, value in pairs}


def parse(shape: StructureShape, fields: dict[str, str], naming: Naming) -> dict[str, Any]:
    return _structure(shape, _tree(fields), naming)


def _tree(fields: dict[str, str]) -> Tree:
    root: Tree = {}
    for name, value in fields.items():
        *path, last = name.split(".")
        branch = root
        for step in path:
            below = branch.setdefault(step, {})
            if not isinstance(below, dict):
                below = branch[step] = {}
            branch = below
        branch.setdefault(last, value)
    return root


def _value(shape: Shape, tree: Tree | str, naming: Naming) -> Any:
    if isinstance(shape, StructureShape):
        return _structure(shape, tree if isinstance(tree, dict) else {}, naming)
    if isinstance(shape, ListShape):
        items = naming.items(shape, tree) if isinstance(tree, dict) else {}
        return [_value(shape.member, item, naming) for _, item in _numbered(items)]
    if isinstance(shape, MapShape):
        return _map(shape, tree if isinstance(tree, dict) else {}, naming)
    if isinstance(tree, dict):
        raise ApiError("MalformedInput", "Start of structure or map found where not expected.", status=400)
    return scalars.from_text(shape, tree)


def _structure(shape: StructureShape, tree: Tree, naming: Naming) -> dict[str, Any]:
    found = ((name, member, tree.get(naming.member(member, name))) for name, member in shape.members.items())
    return {name: _value(member, inner, naming) for name, member, inner in found if inner is not None}


def _map(shape: MapShape, tree: Tree, naming: Naming) -> dict[str, Any]:
    entries = tree if shape.serialization.get("flattened") else tree.get("entry", {})
    key_name = shape.key.serialization.get("name", "key")
    value_name = shape.value.serialization.get("name", "value")
    found = {}
    for _, entry in _numbered(entries if isinstance(entries, dict) else {}):
        if isinstance(entry, dict) and key_name in entry:
            key = cast("str", _value(shape.key, entry[key_name], naming))
            found[key] = _value(shape.value, entry.get(value_name, ""), naming)
    return found


def _numbered(items: Tree) -> list[tuple[int, Tree | str]]:
    """In the order of their numbers, which need not begin at 1 nor be without gaps."""
    return sorted(
        (int(key), item) for key, item in items.items() if len(key) < MOST_DIGITS and key.isascii() and key.isdigit()
    )
