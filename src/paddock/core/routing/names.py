"""What a caller may write where AWS wants a function: a name or an ARN, whole or in part, with or without a qualifier.

Pattern and errors are those of the public API model and of AWS's answers.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from paddock.model.errors import ApiError, invalid_parameter, not_found, validation_failed
from paddock.model.ids import AccountId, FunctionName, Region

FUNCTION_NAME_PATTERN = (
    r"(arn:(aws[a-zA-Z-]*)?:lambda:)?((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:)?(\d{12}:)?(function:)?"
    r"([a-zA-Z0-9-_\.]+)(:(\$LATEST(\.PUBLISHED)?|[a-zA-Z0-9-_]+))?"
)
QUALIFIER_PATTERN = r"\$(LATEST(\.PUBLISHED)?)|[a-zA-Z0-9-_$]+"
_REGION, _ACCOUNT, _NAME, _QUALIFIER = 3, 9, 11, 13
_FUNCTION_NAME = re.compile(FUNCTION_NAME_PATTERN, re.ASCII)
_QUALIFIER_NAME = re.compile(QUALIFIER_PATTERN, re.ASCII)
_NAME_LIMIT = 64
_FUNCTION_LIMIT = 256
_QUALIFIER_LIMIT = 128


class Home(NamedTuple):
    """Whose functions these are."""

    partition: str
    region: Region
    account_id: AccountId

    def function_arn(self, name: str, qualifier: str | None = None) -> str:
        arn = f"arn:{self.partition}:lambda:{self.region}:{self.account_id}:function:{name}"
        return arn if qualifier is None else f"{arn}:{qualifier}"


class FunctionReference(NamedTuple):
    """`qualifier` None means unqualified."""

    name: FunctionName
    qualifier: str | None


def parse_function_reference(function: str, qualifier: str | None, home: Home) -> FunctionReference:
    """Raises `ApiError` as AWS words it. `qualifier` is the separate parameter; both forms may agree, not differ."""
    matched = _FUNCTION_NAME.fullmatch(function)
    if matched is None or len(function) > _FUNCTION_LIMIT:
        raise _bad_name(function, matched=matched is not None)
    if qualifier is not None:
        _check_qualifier(qualifier)
    _check_home(matched[_REGION], matched[_ACCOUNT], function, home)
    name, written = matched[_NAME], matched[_QUALIFIER]
    if len(name) > _NAME_LIMIT:
        raise validation_failed(
            f"Value '{function}' at 'functionName' failed to satisfy constraint: "
            f"Member must have length less than or equal to {_NAME_LIMIT}"
        )
    if written is not None and qualifier is not None and written != qualifier:
        raise invalid_parameter("The derived qualifier from the function name does not match the specified qualifier.")
    return FunctionReference(FunctionName(name), qualifier if written is None else written)


def _bad_name(function: str, *, matched: bool) -> ApiError:
    wanted = (
        f"Member must have length less than or equal to {_FUNCTION_LIMIT}"
        if matched
        else f"Member must satisfy regular expression pattern: {FUNCTION_NAME_PATTERN}"
    )
    return validation_failed(f"Value '{function}' at 'functionName' failed to satisfy constraint: {wanted}")


def _check_qualifier(qualifier: str) -> None:
    if _QUALIFIER_NAME.fullmatch(qualifier) and len(qualifier) <= _QUALIFIER_LIMIT:
        return
    raise validation_failed(
        f"Value '{qualifier}' at 'qualifier' failed to satisfy constraint: "
        f"Member must satisfy regular expression pattern: {QUALIFIER_PATTERN}"
    )


def _check_home(region: str | None, account: str | None, function: str, home: Home) -> None:
    if region is not None and region[:-1] != home.region:
        raise not_found(f"Functions from '{region[:-1]}' are not reachable in this region ('{home.region}')")
    if account is not None and account[:-1] != home.account_id:
        raise not_found(f"Function not found: {function}")
