"""Values of any shape of a service model, as hypothesis strategies: what a client may send and a server may answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from botocore.model import ListShape, MapShape, Shape, StructureShape
from hypothesis import strategies as st

from paddock.awsapi.constraints import compiled

PRINTABLE = st.characters(min_codepoint=0x21, max_codepoint=0x7E)
ANY = st.characters(exclude_categories=["Cs", "Cc"])
DEEPEST = 4
LONGEST = 3
MOST = 10_000
ANYTHING = ".*"

Scalar = Callable[[Shape], st.SearchStrategy[Any]]

MOMENTS = st.datetimes(datetime(2015, 1, 1), datetime(2035, 1, 1)).map(  # noqa: DTZ001 - made aware at once
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000, tzinfo=UTC)
)


def inputs(shape: StructureShape | None) -> st.SearchStrategy[dict[str, Any]]:
    """Of the right types; whether they satisfy the model's constraints is left to chance."""
    return st.just({}) if shape is None else _structure(shape, 0, _scalar)


def valid_inputs(shape: StructureShape | None) -> st.SearchStrategy[dict[str, Any]]:
    """Those that satisfy the model's constraints."""
    return st.just({}) if shape is None else _structure(shape, 0, _valid_scalar)


outputs = inputs


def values(shape: Shape, depth: int, scalar: Scalar) -> st.SearchStrategy[Any]:
    least = max(_least(shape), int(shape.serialization.get("location") == "querystring"))
    most = max(least, min(LONGEST, int(shape.metadata.get("max", LONGEST))))
    if isinstance(shape, StructureShape):
        return _structure(shape, depth, scalar)
    if isinstance(shape, ListShape):
        return st.lists(values(shape.member, depth + 1, scalar), min_size=least, max_size=most)
    if isinstance(shape, MapShape):
        keys = scalar(shape.key).filter(bool)
        inner = values(shape.value, depth + 1, scalar)
        return st.dictionaries(keys, inner, min_size=least, max_size=most)
    return scalar(shape)


def _structure(shape: StructureShape, depth: int, scalar: Scalar) -> st.SearchStrategy[dict[str, Any]]:
    needed = set(shape.required_members)
    needed |= {name for name, member in shape.members.items() if _never_absent(member)}
    members = {
        name: values(member, depth + 1, scalar)
        for name, member in shape.members.items()
        if (name in needed or depth < DEEPEST) and not member.serialization.get("eventstream")
    }
    required = {name: strategy for name, strategy in members.items() if name in needed}
    optional = {name: strategy for name, strategy in members.items() if name not in needed}
    if shape.is_tagged_union:
        return st.one_of([strategy.map(_alone(name)) for name, strategy in members.items()])
    return st.fixed_dictionaries(required, optional=optional)


def _never_absent(member: Shape) -> bool:
    """Clients fill in idempotency tokens; an answer has a status and, where that is its form, a body of bytes."""
    if member.metadata.get("idempotencyToken") or member.serialization.get("location") == "statusCode":
        return True
    return member.name == "Blob" and "location" not in member.serialization


def _alone(name: str) -> Any:
    return lambda value: {name: value}


def _scalar(shape: Shape) -> st.SearchStrategy[Any]:
    kind = shape.type_name
    location = shape.serialization.get("location")
    least = _least(shape)
    if kind == "string" and location == "uri":
        return st.text(ANY, min_size=max(1, least), max_size=40).filter(lambda text: text.strip(".") != "")
    if kind == "string" and location == "header":
        return st.text(PRINTABLE, min_size=max(1, least), max_size=40)
    if kind == "string":
        return st.text(ANY, min_size=least, max_size=max(least, 20))
    if location == "statusCode":
        return st.sampled_from([200, 202])
    if kind in {"integer", "long"}:
        return st.integers(least, least + 1000)
    if kind in {"float", "double"}:
        return st.floats(least, least + 1000, allow_nan=False)
    return {"boolean": st.booleans(), "blob": st.binary(min_size=least, max_size=30), "timestamp": MOMENTS}[kind]


def _valid_scalar(shape: Shape) -> st.SearchStrategy[Any]:
    least, most = shape.metadata.get("min", 0), shape.metadata.get("max")
    location = shape.serialization.get("location")
    if shape.type_name == "string":
        enum = getattr(shape, "enum", [])
        if enum:
            return st.sampled_from(enum)
        alphabet = PRINTABLE if location == "header" else ANY
        pattern = compiled(shape.metadata.get("pattern", ANYTHING))
        if pattern is None or pattern.pattern == ANYTHING:
            bounded = st.text(alphabet, min_size=max(least, int(location is not None)), max_size=most or least + 20)
        else:
            texts = st.from_regex(pattern, fullmatch=True, alphabet=alphabet)
            bounded = texts.filter(lambda text: least <= len(text) <= (most or MOST))
        return bounded.filter(lambda text: text.strip(".") != "") if location == "uri" else bounded
    if shape.type_name in {"integer", "long"}:
        return st.integers(least, min(least + 1000, most if most is not None else MOST))
    if shape.type_name in {"float", "double"}:
        return st.floats(least, most if most is not None else least + 1000, allow_nan=False)
    return _scalar(shape)


def _least(shape: Shape) -> int:
    return int(shape.metadata.get("min", 0))


def as_received(shape: StructureShape | None, sent: Mapping[str, Any]) -> dict[str, Any]:
    """As the wire tells it: not an empty payload from none, not an empty list in a query from none."""
    if shape is None:
        return {}
    payload = shape.serialization.get("payload")
    kept = dict(sent)
    if payload is not None and shape.members[payload].type_name == "structure":
        kept.setdefault(payload, {})
    for name, value in sent.items():
        in_query = shape.members[name].serialization.get("location") == "querystring"
        if (name == payload and value == b"" and name not in shape.required_members) or (in_query and value == []):
            del kept[name]
    return kept


def in_a_form(value: Any, *, empty_lists: bool) -> Any:
    """What is left of it in form fields, which cannot say that something is empty; None if nothing is.

    The `query` protocol has a way to say so of a list; the `ec2` protocol has not.
    """
    if isinstance(value, dict):
        inner = {name: in_a_form(item, empty_lists=empty_lists) for name, item in value.items()}
        return {name: item for name, item in inner.items() if item is not None} or None
    if isinstance(value, list):
        if not value and empty_lists:
            return value
        items = [in_a_form(item, empty_lists=empty_lists) for item in value]
        return [item for item in items if item is not None] or None
    return value
