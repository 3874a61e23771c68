from __future__ import annotations

from collections.abc import Callable

import botocore.session
import pytest

from paddock.model.errors import (
    ApiError,
    Owner,
    PlatformError,
    access_denied,
    conflict,
    invalid_parameter,
    not_found,
    validation_failed,
)

LAMBDA = botocore.session.get_session().get_service_model("lambda")


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (invalid_parameter, "InvalidParameterValueException"),
        (not_found, "ResourceNotFoundException"),
        (conflict, "ResourceConflictException"),
        (PlatformError, "ServiceException"),
    ],
)
def test_errors_have_the_names_of_the_service_model(make: Callable[[str], ApiError], code: str) -> None:
    error = make("what went wrong")

    assert error.code == code
    assert code in LAMBDA.shape_names
    assert error.message == "what went wrong"
    assert str(error) == f"{code}: what went wrong"
    assert set(error.members) <= set(LAMBDA.shape_for(code).members)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("error", "status"), [(validation_failed("x"), 400), (access_denied("no"), 403)])
def test_errors_that_no_model_lists_carry_their_status(error: ApiError, status: int) -> None:
    assert error.code not in LAMBDA.shape_names
    assert error.status == status


def test_a_failed_input_check_reads_as_aws_writes_it() -> None:
    error = validation_failed("Value null at 'x' failed to satisfy constraint: Member must not be null")

    assert error.message.startswith("1 validation error detected: Value null at 'x'")


def test_an_error_says_whose_fault_it_is() -> None:
    assert not_found("x").owner is Owner.CLIENT
    assert PlatformError("x").owner is Owner.PLATFORM
    assert PlatformError("x").status == 500


def test_members_and_status_can_be_given() -> None:
    error = ApiError("TooManyRequestsException", "slow down", status=429, members={"Reason": "CallerRateLimitExceeded"})

    assert (error.status, error.members) == (429, {"Reason": "CallerRateLimitExceeded"})
    assert ApiError("X", "y").members == {}
