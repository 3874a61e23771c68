"""Requests signed by botocore's own signers, at a moment the test chooses, as the server would receive them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from unittest import mock
from urllib.parse import urlsplit

import botocore.auth
from botocore.auth import S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from paddock.awsapi.messages import Request
from paddock.awsapi.sigv4 import Credential
from paddock.model.ids import AccountId

KEY_ID = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
ACCOUNT = AccountId("123456789012")
NOW = datetime(2026, 11, 23, 23, 59, 30, tzinfo=UTC)
CREDENTIALS = {KEY_ID: Credential(SECRET, ACCOUNT)}


def signed(
    url: str = "http://127.0.0.1:4600/2015-03-31/functions",
    *,
    method: str = "GET",
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    service: str = "lambda",
    key_id: str = KEY_ID,
    secret: str = SECRET,
    token: str | None = None,
    at: datetime = NOW,
) -> Request:
    request = AWSRequest(method, url, data=body, headers=dict(headers or {}))
    _sign(SigV4Auth(Credentials(key_id, secret, token), service, "us-east-1"), request, at)
    return received(request, body)


def presigned(
    url: str,
    *,
    method: str = "GET",
    service: str = "lambda",
    lifetime_seconds: int = 3600,
    token: str | None = None,
    at: datetime = NOW,
) -> Request:
    request = AWSRequest(method, url)
    signer = S3SigV4QueryAuth if service == "s3" else SigV4QueryAuth
    _sign(signer(Credentials(KEY_ID, SECRET, token), service, "us-east-1", lifetime_seconds), request, at)
    return received(request, b"")


def received(request: AWSRequest, body: bytes) -> Request:
    """As the HTTP server would hand it on: with a host, with what every client adds unsigned."""
    parts = urlsplit(str(request.url))
    headers = {name.lower().encode(): str(value).encode("latin-1") for name, value in request.headers.items()}
    headers.setdefault(b"host", parts.netloc.encode())
    headers[b"user-agent"] = b"test"
    headers[b"content-length"] = str(len(body)).encode()
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return Request(str(request.method), target.encode(), parts.path, parts.query, headers, body)


def _sign(signer: SigV4Auth, request: AWSRequest, at: datetime) -> None:
    with mock.patch.object(botocore.auth, "get_current_datetime", return_value=at.replace(tzinfo=None)):
        signer.add_auth(request)
