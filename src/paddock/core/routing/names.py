"""Which function and qualifier a caller of Invoke means, or the error AWS gives for naming it so.

The patterns are those of the public API model.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from paddock.model.arns import FunctionReference, Place, parse_function
from paddock.model.errors import ApiError, invalid_parameter, not_found, validation_failed
from paddock.model.ids import FunctionName

FUNCTION_NAME_PATTERN = (
    r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?"
    r"([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
)
QUALIFIER_PATTERN = r"\$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+"
_QUALIFIER = re.compile(QUALIFIER_PATTERN, re.ASCII)
_NAME_LIMIT = 64
_FUNCTION_LIMIT = 256
_QUALIFIER_LIMIT = 128


class Named(NamedTuple):
    """`qualifier` None means unqualified."""

    name: FunctionName
    qualifier: str | None


def named(function: str, qualifier: str | None, place: Place) -> Named:
    """Raises `ApiError`. `qualifier` is the separate parameter: it may repeat what `function` says."""
    reference = parse_function(function)
    if reference is None or len(function) > _FUNCTION_LIMIT:
        raise _bad_name(function, matched=reference is not None)
    if qualifier is not None and (len(qualifier) > _QUALIFIER_LIMIT or _QUALIFIER.fullmatch(qualifier) is None):
        raise validation_failed(
            f"Value '{qualifier}' at 'qualifier' failed to satisfy constraint: "
            f"Member must satisfy regular expression pattern: {QUALIFIER_PATTERN}"
        )
    _check_place(reference, function, place)
    if len(reference.name) > _NAME_LIMIT:
        raise validation_failed(
            f"Value '{function}' at 'functionName' failed to satisfy constraint: "
            f"Member must have length less than or equal to {_NAME_LIMIT}"
        )
    if reference.qualifier is None:
        return Named(reference.name, qualifier)
    if qualifier is not None and qualifier != reference.qualifier:
        raise invalid_parameter("The derived qualifier from the function name does not match the specified qualifier.")
    return Named(reference.name, reference.qualifier)


def _bad_name(function: str, *, matched: bool) -> ApiError:
    wanted = (
        f"Member must have length less than or equal to {_FUNCTION_LIMIT}"
        if matched
        else f"Member must satisfy regular expression pattern: {FUNCTION_NAME_PATTERN}"
    )
    return validation_failed(f"Value '{function}' at 'functionName' failed to satisfy constraint: {wanted}")


def _check_place(reference: FunctionReference, function: str, place: Place) -> None:
    if reference.region is not None and reference.region != place.region:
        raise not_found(f"Functions from '{reference.region}' are not reachable in this region ('{place.region}')")
    if reference.account_id is not None and reference.account_id != place.account_id:
        raise not_found(f"Function not found: {function}")
