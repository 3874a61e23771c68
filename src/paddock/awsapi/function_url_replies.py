"""What the platform itself says at a function URL, where no AWS operation is asked and no function has answered."""

from __future__ import annotations

from http import HTTPStatus

import msgspec

from paddock.awsapi.messages import Request
from paddock.awsapi.replies import REQUEST_ID_HEADER, Reply
from paddock.model.function_url import URL_LABEL

FORWARDED_SOURCE = b"x-paddock-source-ip"
"""By which another of our routers says who its caller is. Believed on a unix socket only, and never passed on."""

REASON_HEADER = "X-Paddock-Reason"
"""Ours: AWS says nothing. Why an answer is a 502 although no function failed."""

FORBIDDEN = "Forbidden"
INTERNAL = "Internal Server Error"
_LABEL = URL_LABEL.encode()
_JSON = ("Content-Type", "application/json")


def is_for_function_url(request: Request) -> bool:
    return _LABEL in request.headers.get(b"host", b"").lower()


def refusal(status: int, request_id: str, text: str = "", code: str = "") -> Reply:
    """A 4xx; without a text it is the status's own phrase."""
    headers = [_JSON, (REQUEST_ID_HEADER, request_id)]
    if code:
        headers.append(("x-amzn-ErrorType", code))
    return Reply(status, headers, msgspec.json.encode({"Message": text or HTTPStatus(status).phrase}))


def forbidden(request_id: str) -> Reply:
    """To whom nothing is said: the URL may not even exist."""
    return refusal(403, request_id, FORBIDDEN, "AccessDeniedException")


def bad_signature(request_id: str, text: str, code: str) -> Reply:
    """Here the member's name begins with a small letter."""
    headers = [_JSON, (REQUEST_ID_HEADER, request_id), ("x-amzn-ErrorType", code)]
    return Reply(403, headers, msgspec.json.encode({"message": text}))


def bad_gateway(request_id: str, reason: str = "") -> Reply:
    """The function failed, or what it answered is no answer."""
    headers = [_JSON, (REQUEST_ID_HEADER, request_id)]
    if reason:
        headers.append((REASON_HEADER, " ".join(reason.split()).encode("ascii", "replace").decode()))
    return Reply(502, headers, INTERNAL.encode())
