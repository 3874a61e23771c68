"""Single values between the wire's text (labels, query strings, headers, XML) and what their shapes say they are."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Any

from botocore.model import Shape

from paddock.awsapi import timestamps
from paddock.model.errors import ApiError

INTEGERS = frozenset({"integer", "long"})
FLOATS = frozenset({"float", "double"})
INTEGER_RANGES = {"integer": (-(1 << 31), (1 << 31) - 1), "long": (-(1 << 63), (1 << 63) - 1)}
_BOOLEANS = {"true": True, "false": False}
_TYPE_NAMES = {
    "integer": "an Integer",
    "long": "a Long",
    "float": "a Float",
    "double": "a Double",
    "boolean": "a Boolean",
}


def serialization_error(text: str) -> ApiError:
    return ApiError("SerializationException", text, status=400)


def type_name(shape: Shape) -> str:
    return _TYPE_NAMES.get(shape.type_name, f"a {shape.type_name.capitalize()}")


def from_text(shape: Shape, text: str) -> Any:
    """A value of `shape` from its text. Raises `ApiError` when it is no such value."""
    try:
        return _converted(shape, text)
    except (ValueError, OverflowError):
        raise serialization_error(f"'{text}' can not be converted to {type_name(shape)}") from None


def _converted(shape: Shape, text: str) -> Any:
    kind = shape.type_name
    if kind == "string":
        return text
    if kind in INTEGERS | FLOATS and (text != text.strip() or "_" in text):
        return _no(text)  # what Python reads as a number and nobody else does
    if kind in INTEGERS:
        return in_range(shape, int(text))
    if kind in FLOATS:
        return float(text)
    if kind == "boolean":
        return _BOOLEANS[text.lower()] if text.lower() in _BOOLEANS else _no(text)
    if kind == "timestamp":
        return timestamps.from_wire(text)
    if kind == "blob":
        return from_base64(text)
    return _no(text)


def to_text(shape: Shape, value: Any, timestamp_format: str) -> str:
    """`timestamp_format` is what the place (header, query, XML) uses unless the shape says otherwise."""
    kind = shape.type_name
    if kind == "boolean":
        return "true" if value else "false"
    if isinstance(value, datetime):
        if kind == "string":
            return timestamps.to_lambda_string(value)
        wanted = shape.serialization.get("timestampFormat", timestamp_format).lower()
        return timestamps.WRITERS[wanted](value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if kind in FLOATS:
        return repr(float(value))
    return str(value)


def from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(text) from error


def in_range(shape: Shape, number: int) -> int:
    low, high = INTEGER_RANGES[shape.type_name]
    if not low <= number <= high:
        raise ValueError(number)
    return number


def _no(text: str) -> Any:
    raise ValueError(text)
