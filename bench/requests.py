"""The bytes of one Invoke request, as boto3 would send and sign it."""

from __future__ import annotations

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

ACCESS_KEY_ID = "AKIAIOSFODNN7EXAMPLE"
SECRET_ACCESS_KEY = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"  # noqa: S105 - AWS's own example, known to everybody
REGION = "us-east-1"


def payload(size: int) -> bytes:
    """A JSON event of so many bytes."""
    return b'{"event":"' + b"x" * max(size - 12, 0) + b'"}'


def invoke(port: int, function: str, body: bytes, *, key: tuple[str, str] | None) -> bytes:
    """Signed with `key` (id and secret) if one is given. A signature holds for five minutes."""
    url = f"http://127.0.0.1:{port}/2015-03-31/functions/{function}/invocations"
    headers = {"Host": f"127.0.0.1:{port}", "Content-Length": str(len(body)), "User-Agent": "Boto3/1.44.5 bench"}
    request = AWSRequest(method="POST", url=url, data=body, headers=headers)
    if key is not None:
        SigV4Auth(Credentials(*key), "lambda", REGION).add_auth(request)
    lines = [f"{name}: {value}" for name, value in request.headers.items()]
    path = url.split(f":{port}", 1)[1]
    return "\r\n".join([f"POST {path} HTTP/1.1", *lines, "", ""]).encode("latin-1") + body
