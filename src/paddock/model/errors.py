"""Errors, sorted by whose fault they are: the client's (their request), the customer's (their code), the platform's
(us).

An `ApiError` names an error shape of AWS's service model; `awsapi` renders it for the protocol of the request. What a
shape's HTTP status is, the service model says; `status` is only for errors that no model lists.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Owner(StrEnum):
    """Whose fault an error is; decides the log level and whether a retry can help."""

    CLIENT = "client"
    CUSTOMER = "customer"
    PLATFORM = "platform"


class ApiError(Exception):
    """An error that an AWS caller sees: `code` is the error shape's name, e.g. `ResourceNotFoundException`.

    `members` are further members of the shape (`Reason`, `retryAfterSeconds`), `status` overrides the model's HTTP
    status.
    """

    owner = Owner.CLIENT

    def __init__(
        self,
        code: str,
        message: str,
        *,
        status: int | None = None,
        members: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.members: Mapping[str, str] = members or {}


class PlatformError(ApiError):
    """Our own fault; AWS calls it `ServiceException` (500)."""

    owner = Owner.PLATFORM

    def __init__(self, message: str) -> None:
        super().__init__("ServiceException", message, status=500)


def invalid_parameter(message: str) -> ApiError:
    return ApiError("InvalidParameterValueException", message, members={"Type": "User"})


def validation_failed(constraint: str) -> ApiError:
    """The error of the API's own input check, e.g. `Value null at 'x' failed to satisfy constraint: Member must not be
    null`.
    """
    return ApiError("ValidationException", f"1 validation error detected: {constraint}", status=400)


def not_found(message: str) -> ApiError:
    return ApiError("ResourceNotFoundException", message, members={"Type": "User"})


def conflict(message: str) -> ApiError:
    return ApiError("ResourceConflictException", message, members={"Type": "User"})


def stale_revision(calls: str) -> ApiError:
    """`calls` tell the latest revision of what was to be changed."""
    return ApiError(
        "PreconditionFailedException",
        "The Revision Id provided does not match the latest Revision Id. "
        f"Call the {calls} API to retrieve the latest Revision Id",
        members={"Type": "User"},
    )


def access_denied(message: str) -> ApiError:
    return ApiError("AccessDeniedException", message, status=403)


class SettingsError(Exception):
    """The operator's settings cannot be used; the message is one line that says what to do."""


class StartError(Exception):
    """A process cannot start (busy port, full disk, another server on the data directory); one line that says what to
    do.
    """
