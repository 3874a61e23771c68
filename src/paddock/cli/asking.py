"""Asks a running server what AWS has no operation for: its status, a patch. Signed like any other request."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from paddock.cli.options import CONNECT_SECONDS
from paddock.model.errors import StartError

if TYPE_CHECKING:
    from paddock.server.data_dir import KeyPair, RunningServer


def ask(running: RunningServer, keys: KeyPair, method: str, path: str) -> dict[str, Any]:
    """`path` with its query. Raises `StartError` with what the server said, or that it said nothing."""
    import urllib.error
    import urllib.request

    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    url = f"{running.url}/_paddock/{path}"
    request = AWSRequest(method, url)
    SigV4Auth(Credentials(keys.access_key_id, keys.secret_access_key), "lambda", running.region).add_auth(request)
    signed = urllib.request.Request(url, headers=dict(request.headers), method=method)  # noqa: S310  # our own server
    try:
        with urllib.request.urlopen(signed, timeout=CONNECT_SECONDS) as response:  # noqa: S310
            document: dict[str, Any] = json.load(response)
    except urllib.error.HTTPError as error:
        raise StartError(_refusal(error.read())) from error
    except OSError as error:
        raise StartError(f"the server at {running.url} does not answer: {error}") from error
    return document


def _refusal(body: bytes) -> str:
    try:
        document = json.loads(body)
    except ValueError:
        return body.decode(errors="replace")
    return str(document.get("message") or document.get("Message") or document)
