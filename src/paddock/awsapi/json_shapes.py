"""JSON documents to parameters and results to JSON documents, as the shapes of the service model say.

Shared by all protocols with JSON bodies. Members that travel elsewhere (labels, headers, status) are left alone here.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable
from datetime import datetime
from typing import Any, cast

import msgspec
from botocore.model import ListShape, MapShape, Shape, StructureShape

from paddock.awsapi import timestamps
from paddock.awsapi.scalars import FLOATS, INTEGERS, from_base64, in_range, serialization_error, type_name


def parse_document(body: bytes) -> Any:
    """Raises `ValueError` with what is wrong with it; too deep a nesting is wrong too."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError(str(error)) from None


def decode(shape: Shape, value: Any) -> Any:
    """Raises `ApiError` (SerializationException) when a value is not of its shape's type."""
    return _DECODERS.get(shape.type_name, _decode_scalar)(shape, value)


def encode(shape: Shape, value: Any) -> Any:
    """A member that the shape does not have is our mistake and raises `KeyError`."""
    return _ENCODERS.get(shape.type_name, _encode_scalar)(shape, value)


def body_members(shape: StructureShape) -> list[tuple[str, str, Shape]]:
    """(name, name on the wire, shape) of the members that travel in a JSON body."""
    return [
        (name, member.serialization.get("name", name), member)
        for name, member in shape.members.items()
        if "location" not in member.serialization
    ]


# --- from the wire ---


def _decode_structure(shape: Shape, value: Any) -> Any:
    structure = cast("StructureShape", shape)
    if structure.is_document_type:
        return value
    if not isinstance(value, dict):
        raise _unexpected(shape, value)
    found = ((name, member, value.get(wire)) for name, wire, member in body_members(structure))
    return {name: decode(member, inner) for name, member, inner in found if inner is not None}


def _decode_list(shape: Shape, value: Any) -> Any:
    if not isinstance(value, list):
        raise _unexpected(shape, value)
    member = cast("ListShape", shape).member
    return [None if item is None else decode(member, item) for item in value]


def _decode_map(shape: Shape, value: Any) -> Any:
    if not isinstance(value, dict):
        raise _unexpected(shape, value)
    inner = cast("MapShape", shape).value
    return {key: None if item is None else decode(inner, item) for key, item in value.items()}


def _decode_scalar(shape: Shape, value: Any) -> Any:
    if isinstance(value, dict | list):
        raise _unexpected(shape, value)
    try:
        return _scalar(shape, value)
    except (ValueError, OverflowError):
        raise serialization_error(f"{_token(value)} can not be converted to {type_name(shape)}") from None


def _scalar(shape: Shape, value: Any) -> Any:
    kind = shape.type_name
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind == "string" and isinstance(value, str):
        return value
    if kind in INTEGERS and number and value == int(value):
        return in_range(shape, int(value))
    if kind in FLOATS and (number or value in {"NaN", "Infinity", "-Infinity"}):
        return float(value)
    if kind == "boolean" and isinstance(value, bool):
        return value
    if kind == "timestamp" and not isinstance(value, bool):
        return timestamps.from_wire(value)
    if kind == "blob" and isinstance(value, str):
        return from_base64(value)
    raise ValueError(value)


def _unexpected(shape: Shape, value: Any) -> Exception:
    if isinstance(value, list):
        return serialization_error("Start of list found where not expected")
    if isinstance(value, dict):
        return serialization_error("Start of structure or map found where not expected.")
    return serialization_error(f"{_token(value)} can not be converted to {type_name(shape)}")


def _token(value: Any) -> str:
    if isinstance(value, bool):
        return f"{value}_VALUE".upper()
    if isinstance(value, float):
        return "DECIMAL_VALUE"
    return "NUMBER_VALUE" if isinstance(value, int) else "STRING_VALUE"


# --- to the wire ---


def _encode_structure(shape: Shape, value: Any) -> Any:
    structure = cast("StructureShape", shape)
    if structure.is_document_type:
        return value
    members = structure.members
    document = {}
    for name, inner in value.items():
        member = members[name]
        if inner is not None and "location" not in member.serialization:
            document[member.serialization.get("name", name)] = encode(member, inner)
    return document


def _encode_list(shape: Shape, value: Any) -> Any:
    member = cast("ListShape", shape).member
    return [encode(member, item) for item in value]


def _encode_map(shape: Shape, value: Any) -> Any:
    inner = cast("MapShape", shape).value
    return {str(key): encode(inner, item) for key, item in value.items()}


def _encode_scalar(shape: Shape, value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, datetime):
        if shape.type_name == "string":
            return timestamps.to_lambda_string(value)
        wanted = shape.serialization.get("timestampFormat", "unixTimestamp").lower()
        return timestamps.to_epoch(value) if wanted == "unixtimestamp" else timestamps.WRITERS[wanted](value)
    if isinstance(value, float) and not math.isfinite(value):
        return {"inf": "Infinity", "-inf": "-Infinity"}.get(str(value), "NaN")
    return value


_DECODERS: dict[str, Callable[[Shape, Any], Any]] = {
    "structure": _decode_structure,
    "list": _decode_list,
    "map": _decode_map,
}
_ENCODERS: dict[str, Callable[[Shape, Any], Any]] = {
    "structure": _encode_structure,
    "list": _encode_list,
    "map": _encode_map,
}
