"""The event of an HTTP request, in payload format 2.0, as AWS's function URLs give it to functions.

Source: AWS, "Invoking Lambda function URLs", and events captured from function URLs. What has no value is left out, as
there: `body`, `cookies` and `queryStringParameters` of a request without them.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

ROUTE_KEY = "$default"
STAGE = "$default"
ANONYMOUS = "anonymous"
"""The account of a caller whom nobody asked who they are."""

_TEXT = re.compile(r"text/|application/(?:[\w.-]+\+)?(?:json|xml)\b|application/(?:x-)?javascript\b")
_PER_HOP = frozenset({"connection", "expect", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"})


@dataclass(frozen=True, slots=True)
class UrlRequest:
    """A request as it arrived. `path` and `query` are as sent, `parameters` are the query's, decoded, in order.

    Header names are lower-case, the values of one that came several times joined by commas.
    """

    method: str
    path: str
    query: str
    parameters: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes
    protocol: str
    source_ip: str


@dataclass(frozen=True, slots=True)
class IamCaller:
    """Who signed the request."""

    access_key_id: str
    account_id: str
    user_id: str
    user_arn: str


@dataclass(frozen=True, slots=True)
class Reception:
    """What the platform knows of a request. `caller` is None where nobody has to sign."""

    url_id: str
    request_id: str
    trace_header: str
    at: datetime
    caller: IamCaller | None = None


def event_of(request: UrlRequest, reception: Reception) -> dict[str, object]:
    """JSON values only."""
    event: dict[str, object] = {
        "version": "2.0",
        "routeKey": ROUTE_KEY,
        "rawPath": request.path,
        "rawQueryString": request.query,
    }
    cookies = request.headers.get("cookie")
    if cookies:
        event["cookies"] = [cookie.strip() for cookie in cookies.split(";") if cookie.strip()]
    event["headers"] = _headers(request, reception)
    if request.parameters:
        event["queryStringParameters"] = _joined(request.parameters)
    event["requestContext"] = _context(request, reception)
    is_binary = False
    if request.body:
        is_binary = not _is_text(request)
        event["body"] = base64.b64encode(request.body).decode() if is_binary else request.body.decode()
    event["isBase64Encoded"] = is_binary
    return event


def _headers(request: UrlRequest, reception: Reception) -> dict[str, str]:
    """The caller's, and those by which AWS's own front says whom it stands before."""
    headers = {name: value for name, value in request.headers.items() if name not in _PER_HOP}
    before = headers.get("x-forwarded-for")
    headers["x-forwarded-for"] = f"{before}, {request.source_ip}" if before else request.source_ip
    headers["x-forwarded-proto"] = "http"
    headers["x-forwarded-port"] = _split_name(headers.get("host", ""))[1] or "80"
    headers["x-amzn-trace-id"] = reception.trace_header
    return headers


def _context(request: UrlRequest, reception: Reception) -> dict[str, object]:
    caller = reception.caller
    context: dict[str, object] = {
        "accountId": ANONYMOUS if caller is None else caller.account_id,
        "apiId": reception.url_id,
    }
    if caller is not None:
        context["authentication"] = None
        context["authorizer"] = {"iam": _iam(caller)}
    return context | {
        "domainName": _split_name(request.headers.get("host", ""))[0],
        "domainPrefix": reception.url_id,
        "http": {
            "method": request.method,
            "path": request.path,
            "protocol": request.protocol,
            "sourceIp": request.source_ip,
            "userAgent": request.headers.get("user-agent", ""),
        },
        "requestId": reception.request_id,
        "routeKey": ROUTE_KEY,
        "stage": STAGE,
        "time": f"{reception.at:%d/%b/%Y:%H:%M:%S} +0000",
        "timeEpoch": int(reception.at.timestamp() * 1000),
    }


def _iam(caller: IamCaller) -> dict[str, object]:
    return {
        "accessKey": caller.access_key_id,
        "accountId": caller.account_id,
        "callerId": caller.user_id,
        "cognitoIdentity": None,
        "principalOrgId": None,
        "userArn": caller.user_arn,
        "userId": caller.user_id,
    }


def _joined(parameters: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """The values of a name that comes several times are joined by commas."""
    found: dict[str, list[str]] = {}
    for name, value in parameters:
        found.setdefault(name, []).append(value)
    return {name: ",".join(values) for name, values in found.items()}


def _is_text(request: UrlRequest) -> bool:
    """A body is passed as text when its type says so and it is text indeed; all else travels as base64."""
    if "content-encoding" in request.headers or _TEXT.match(request.headers.get("content-type", "").lower()) is None:
        return False
    try:
        request.body.decode()
    except UnicodeDecodeError:
        return False
    return True


def _split_name(host: str) -> tuple[str, str]:
    """Name and port of a `Host` header; the port is empty where none is named."""
    name, _, port = host.rpartition(":")
    return (name, port) if name and port.isdecimal() else (host, "")
