"""Every way AWS lets a caller name a function, and the error for each wrong one."""

from __future__ import annotations

import botocore.session
import pytest

from paddock.core.routing.names import (
    FUNCTION_NAME_PATTERN,
    QUALIFIER_PATTERN,
    named,
)
from paddock.model.arns import Place
from paddock.model.errors import ApiError
from paddock.model.ids import AccountId, Region

PLACE = Place(Region("us-east-1"), AccountId("123456789012"))
ARN = "arn:aws:lambda:us-east-1:123456789012:function:f"


def test_the_patterns_are_those_of_the_public_api_model() -> None:
    shape = botocore.session.get_session().get_service_model("lambda").operation_model("Invoke").input_shape
    assert shape is not None
    members = shape.members

    assert members["FunctionName"].metadata["pattern"] == FUNCTION_NAME_PATTERN
    assert members["Qualifier"].metadata["pattern"] == QUALIFIER_PATTERN


@pytest.mark.parametrize(
    ("function", "qualifier", "meant"),
    [
        ("f", None, ("f", None)),
        ("f", "1", ("f", "1")),
        ("f:blue", None, ("f", "blue")),
        ("f:$LATEST", None, ("f", "$LATEST")),
        ("f:$LATEST.PUBLISHED", "$LATEST.PUBLISHED", ("f", "$LATEST.PUBLISHED")),
        ("123456789012:function:f", None, ("f", None)),
        ("function:f", None, ("f", None)),
        (ARN, None, ("f", None)),
        (f"{ARN}:7", None, ("f", "7")),
        (ARN, "7", ("f", "7")),
    ],
)
def test_a_function_can_be_named_in_every_form(
    function: str, qualifier: str | None, meant: tuple[str, str | None]
) -> None:
    assert named(function, qualifier, PLACE) == meant


@pytest.mark.parametrize(
    ("function", "qualifier", "code", "text"),
    [
        ("bad name!", None, "ValidationException", "Value 'bad name!' at 'functionName'"),
        ("f\n", None, "ValidationException", "regular expression pattern"),
        ("", None, "ValidationException", "at 'functionName'"),
        ("f" * 65, None, "ValidationException", "less than or equal to 64"),
        ("f" * 300, None, "ValidationException", "less than or equal to 256"),
        ("f", "no spaces", "ValidationException", "Value 'no spaces' at 'qualifier'"),
        ("f", "q" * 129, "ValidationException", "at 'qualifier'"),
        ("f:1", "2", "InvalidParameterValueException", "The derived qualifier from the function name does not match"),
        (ARN.replace("us-east-1", "eu-west-1"), None, "ResourceNotFoundException", "Functions from 'eu-west-1'"),
        (ARN.replace("123456789012", "999999999999"), None, "ResourceNotFoundException", "Function not found: arn:aws"),
    ],
)
def test_each_wrong_name_gets_its_error(function: str, qualifier: str | None, code: str, text: str) -> None:
    with pytest.raises(ApiError) as refused:
        named(function, qualifier, PLACE)

    assert refused.value.code == code
    assert text in refused.value.message
