"""What the service model demands of one value, each demand as AWS words it.

A demand is a predicate and its text. They are worked out once per shape; the texts come in the order AWS prints them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any, NamedTuple

from botocore.model import Shape, StringShape

from paddock.awsapi.scalars import FLOATS, INTEGERS

NOT_NULL = "Member must not be null"
ENUM_AT_MOST = 300
"""Longer ones grow every week (EC2's instance types): their handlers answer, in words shorter than the list."""
_SIZED = frozenset({"string", "blob", "list", "map"})

_JAVA_CLASSES = {
    r"\p{L}": r"\w",  # wider by digits and the underscore, which every pattern that uses it allows as well
    r"\p{N}": r"\d",
    r"\p{Z}": "\u0020\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000",
}


class Constraint(NamedTuple):
    text: str
    holds: Callable[[Any], bool]


@cache
def constraints_of(shape: Shape) -> tuple[Constraint, ...]:
    """For a list or map these bound its length; what its elements must be is asked of their own shapes.

    Remembered for ever: there are as many shapes as the models have, and they are kept anyway.
    """
    return tuple(_constraints(shape))


def _constraints(shape: Shape) -> list[Constraint]:
    found = []
    bounds = shape.metadata
    sized = shape.type_name in _SIZED
    number = shape.type_name in INTEGERS | FLOATS
    if sized or number:
        what = "length" if sized else "value"
        if "max" in bounds:
            found.append(_at_most(what, bounds["max"], _bound(shape, bounds["max"])))
        if "min" in bounds:
            found.append(_at_least(what, bounds["min"], _bound(shape, bounds["min"])))
    if isinstance(shape, StringShape) and shape.enum and len(shape.enum) <= ENUM_AT_MOST:
        allowed = frozenset(shape.enum)
        text = f"Member must satisfy enum value set: [{', '.join(shape.enum)}]"
        found.append(Constraint(text, lambda value: value in allowed))
    pattern = compiled(bounds["pattern"]) if shape.type_name == "string" and "pattern" in bounds else None
    if pattern is not None:
        text = f"Member must satisfy regular expression pattern: {bounds['pattern']}"
        found.append(Constraint(text, lambda value: pattern.fullmatch(value) is not None))
    return found


def _at_most(what: str, bound: float, shown: str) -> Constraint:
    text = f"Member must have {what} less than or equal to {shown}"
    if what == "length":
        return Constraint(text, lambda value: len(value) <= bound)
    return Constraint(text, lambda value: value <= bound)


def _at_least(what: str, bound: float, shown: str) -> Constraint:
    text = f"Member must have {what} greater than or equal to {shown}"
    if what == "length":
        return Constraint(text, lambda value: len(value) >= bound)
    return Constraint(text, lambda value: value >= bound)


def _bound(shape: Shape, bound: float) -> str:
    return repr(float(bound)) if shape.type_name in FLOATS else str(int(bound))


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> re.Pattern[str] | None:
    """The models' patterns are Java's. The few that Python cannot read are not checked here."""
    for java, python in _JAVA_CLASSES.items():
        pattern = pattern.replace(java, python)
    try:
        return re.compile(pattern)
    except re.error:
        return None
