"""Results as XML, as the `query` and `ec2` protocols write them. Names come from the model; values are escaped here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

from botocore.model import ListShape, MapShape, Shape, StructureShape

from paddock.awsapi import scalars

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'

_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def element(name: str, content: str) -> str:
    return f"<{name}>{content}</{name}>"


def text_element(name: str, text: str) -> str:
    """Characters that XML 1.0 cannot carry become the replacement character."""
    return element(name, escape(_NOT_IN_XML.sub("\ufffd", text)))


def members(shape: StructureShape, value: Mapping[str, Any]) -> str:
    """The elements of a structure's members; one the shape does not have is our mistake and raises `KeyError`."""
    known = shape.members
    return "".join(_member(known[name], name, inner) for name, inner in value.items() if inner is not None)


def _member(shape: Shape, name: str, value: Any) -> str:
    wire = str(shape.serialization.get("name", name))
    if isinstance(shape, StructureShape):
        return element(wire, members(shape, value))
    if isinstance(shape, ListShape):
        return _list(shape, wire, value)
    if isinstance(shape, MapShape):
        return _map(shape, wire, value)
    return text_element(wire, scalars.to_text(shape, value, "iso8601"))


def _list(shape: ListShape, wire: str, value: Any) -> str:
    item_name = shape.member.serialization.get("name")
    if shape.serialization.get("flattened"):
        return "".join(_member_as(shape.member, str(item_name or wire), item) for item in value)
    return element(wire, "".join(_member_as(shape.member, str(item_name or "member"), item) for item in value))


def _map(shape: MapShape, wire: str, value: Any) -> str:
    key_name = str(shape.key.serialization.get("name", "key"))
    value_name = str(shape.value.serialization.get("name", "value"))
    entries = [
        text_element(key_name, str(key)) + _member_as(shape.value, value_name, item) for key, item in value.items()
    ]
    if shape.serialization.get("flattened"):
        return "".join(element(wire, entry) for entry in entries)
    return element(wire, "".join(element("entry", entry) for entry in entries))


def _member_as(shape: Shape, name: str, value: Any) -> str:
    """`name` is decided already: an element's own name in the model is for lists and maps that hold it."""
    if isinstance(shape, StructureShape):
        return element(name, members(shape, value))
    if isinstance(shape, ListShape):
        return _list(shape, name, value)
    if isinstance(shape, MapShape):
        return _map(shape, name, value)
    return text_element(name, scalars.to_text(shape, value, "iso8601"))
