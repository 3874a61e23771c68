"""A function URL: an HTTP address of a function or of one of its aliases, and how requests to it are taken.

Knows neither ports nor the server that listens.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType

from paddock.model.ids import Region

FunctionUrlId = NewType("FunctionUrlId", str)
"""32 lower-case letters and digits: the first label of the URL's name."""

URL_LABEL = ".lambda-url."
"""What stands behind the id in every function URL's name, and in no other name that is ours."""


class FunctionUrlAuthType(StrEnum):
    NONE = "NONE"
    AWS_IAM = "AWS_IAM"


class InvokeMode(StrEnum):
    BUFFERED = "BUFFERED"
    RESPONSE_STREAM = "RESPONSE_STREAM"


@dataclass(frozen=True, slots=True)
class Cors:
    """Which pages of other origins may use the URL; None where nothing was said."""

    allow_credentials: bool | None = None
    allow_headers: tuple[str, ...] | None = None
    allow_methods: tuple[str, ...] | None = None
    allow_origins: tuple[str, ...] | None = None
    expose_headers: tuple[str, ...] | None = None
    max_age_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class FunctionUrl:
    """Kept with the function, or with the alias, that it is of."""

    url_id: FunctionUrlId
    auth_type: FunctionUrlAuthType
    created_at: datetime
    last_modified: datetime
    invoke_mode: InvokeMode = InvokeMode.BUFFERED
    cors: Cors | None = None


def url_name(url_id: FunctionUrlId, region: Region, domain: str) -> str:
    return f"{url_id}{URL_LABEL}{region}.{domain}"


def url_id_of(host: str) -> FunctionUrlId | None:
    """Whose name a `Host` header is; None when it is no function URL's. Region, domain and port do not matter."""
    url_id, label, _ = host.partition(URL_LABEL)
    return FunctionUrlId(url_id.lower()) if label and url_id else None
