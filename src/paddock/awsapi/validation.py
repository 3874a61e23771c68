"""Does a request satisfy the constraints of the service model? Answers in AWS's words, all violations at once.

Types are right already: parsing saw to that. What depends on more than one value is the handlers' business.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from botocore.model import ListShape, MapShape, OperationModel, Shape, StructureShape

from paddock.awsapi.constraints import NOT_NULL, Constraint, constraints_of
from paddock.awsapi.scalars import FLOATS
from paddock.model.errors import ApiError

MOST_VIOLATIONS = 20
"""A request of thousands of bad elements is told of the first ones."""

_CODES = {
    "logs": "InvalidParameterException",
    "cloudwatch": "ValidationError",
    "sts": "ValidationError",
    "ec2": "InvalidParameterValue",
}
"""What services other than Lambda call it."""

_NESTED = frozenset({"structure", "list", "map"})


def validate(operation: OperationModel, parameters: Mapping[str, Any]) -> None:
    """Raises `ApiError` as AWS's input check would."""
    shape = operation.input_shape
    if shape is None:
        return
    if operation.service_model.service_name == "ec2":
        _check_given(shape, parameters)
    violations = []
    for violation in _in_structure(shape, parameters, ""):
        violations.append(violation)
        if len(violations) == MOST_VIOLATIONS:
            break
    if violations:
        count = "1 validation error" if len(violations) == 1 else f"{len(violations)} validation errors"
        code = _CODES.get(operation.service_model.service_name, "ValidationException")
        raise ApiError(code, f"{count} detected: {'; '.join(violations)}", status=400)


def _check_given(shape: StructureShape, parameters: Mapping[str, Any]) -> None:
    """EC2 has an error of its own for what is missing, and names it as it is sent."""
    for name in shape.required_members:
        if parameters.get(name) is None:
            sent = shape.members[name].serialization
            named = sent.get("queryName") or sent.get("name") or name
            text = f"The request must contain the parameter {named[0].upper()}{named[1:]}"
            raise ApiError("MissingParameter", text, status=400)


def _in_structure(shape: StructureShape, value: Mapping[str, Any], path: str) -> Iterator[str]:
    required = frozenset(shape.required_members)
    for name, member in shape.members.items():
        inner = value.get(name)
        if inner is not None:
            yield from _in_value(member, inner, _joined(path, name))
        elif name in required:
            yield _said("Value null", _joined(path, name), NOT_NULL)


def _in_value(shape: Shape, value: Any, path: str) -> Iterator[str]:
    if shape.name == "Runtime":
        _check_runtime(shape, value, path)
    for constraint in constraints_of(shape):
        if not constraint.holds(value):
            yield _said(_shown(shape, value), path, constraint.text)
    if isinstance(shape, StructureShape):
        yield from _in_structure(shape, value, path)
    elif isinstance(shape, ListShape):
        yield from _in_list(shape, value, path)
    elif isinstance(shape, MapShape):
        yield from _in_map(shape, value, path)


def _in_list(shape: ListShape, items: list[Any], path: str) -> Iterator[str]:
    """Single values are reported once for the whole list, structures one by one."""
    member = shape.member
    if member.type_name in _NESTED:
        for number, item in enumerate(items, 1):
            here = f"{path}.{number}.member"
            yield from _in_value(member, item, here) if item is not None else [_said("Value null", here, NOT_NULL)]
    elif _any_fails(constraints_of(member), items):
        yield _said(_shown(shape, items), path, f"Member must satisfy constraint: [{_listed(member)}]")


def _in_map(shape: MapShape, entries: Mapping[str, Any], path: str) -> Iterator[str]:
    if _any_fails(constraints_of(shape.key), entries.keys()):
        yield _said(_shown(shape, entries), path, f"Map keys must satisfy constraint: [{_listed(shape.key)}]")
    inner = shape.value
    if inner.type_name in _NESTED:
        for key, item in entries.items():
            yield from _in_value(inner, item, f"{path}.{key}.member") if item is not None else ()
    elif _any_fails(constraints_of(inner), entries.values()):
        yield _said(_shown(shape, entries), path, f"Map value must satisfy constraint: [{_listed(inner)}]")


def _any_fails(constraints: tuple[Constraint, ...], values: Any) -> bool:
    return any(value is None or not all(one.holds(value) for one in constraints) for value in values)


def _listed(shape: Shape) -> str:
    return ", ".join([*(constraint.text for constraint in constraints_of(shape)), NOT_NULL])


def _said(value: str, path: str, demand: str) -> str:
    return f"{value} at '{path}' failed to satisfy constraint: {demand}"


def _joined(path: str, name: str) -> str:
    own = name[0].lower() + name[1:]
    return f"{path}.{own}" if path else own


def _shown(shape: Shape, value: Any) -> str:
    """What is marked sensitive, and what is binary, is not repeated to anyone."""
    return "Value" if _is_sensitive(shape) else f"Value '{_java(shape, value)}'"


def _is_sensitive(shape: Shape) -> bool:
    if shape.metadata.get("sensitive") or shape.type_name == "blob":
        return True
    if isinstance(shape, ListShape):
        return _is_sensitive(shape.member)
    if isinstance(shape, MapShape):
        return _is_sensitive(shape.key) or _is_sensitive(shape.value)
    return False


def _java(shape: Shape, value: Any) -> str:
    """As Java prints it: `[a, b]`, `{k=v}`, `true`."""
    if isinstance(value, list):
        member = cast("ListShape", shape).member
        return f"[{', '.join(_java(member, item) for item in value)}]"
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{key}={_plain(item)}" for key, item in value.items())
        return f"{{{pairs}}}"
    return repr(float(value)) if shape.type_name in FLOATS else _plain(value)


def _plain(value: Any) -> str:
    if isinstance(value, bool | None):
        return {True: "true", False: "false", None: "null"}[value]
    return str(value)


def _check_runtime(shape: Shape, value: str, path: str) -> None:
    """Lambda itself, not the general check, judges runtimes, in other words and with another code."""
    (constraint,) = constraints_of(shape)
    if not constraint.holds(value):
        text = f"Value {value} at '{path}' failed to satisfy constraint: {constraint.text} or be a valid ARN"
        raise ApiError("InvalidParameterValueException", text, members={"Type": "User"})
