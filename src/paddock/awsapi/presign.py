"""Makes presigned URLs, for links that we hand out and later verify ourselves (a function's code, for one)."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from paddock.awsapi import canonical


class Signer(NamedTuple):
    """Whose key signs, and for which region and service."""

    access_key_id: str
    secret_access_key: str
    region: str
    service: str


def presign(url: str, signer: Signer, now: datetime, *, method: str = "GET", lifetime_seconds: int = 600) -> str:
    """`url` with the signature in its query. Its host is signed; its path and query must be percent-encoded already."""
    parts = urlsplit(url)
    timestamp = now.strftime(canonical.TIMESTAMP_FORMAT)
    scope = f"{timestamp[:8]}/{signer.region}/{signer.service}/{canonical.TERMINATOR}"
    parameters = {
        "X-Amz-Algorithm": canonical.ALGORITHM,
        "X-Amz-Credential": f"{signer.access_key_id}/{scope}",
        "X-Amz-Date": timestamp,
        "X-Amz-Expires": str(lifetime_seconds),
        "X-Amz-SignedHeaders": "host",
    }
    added = "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters.items())
    query = f"{parts.query}&{added}" if parts.query else added
    sent = canonical.canonical_request(
        canonical.canonical_start(method, parts.path, canonical.canonical_query(query), signer.service),
        {b"host": parts.netloc.encode("ascii")},
        canonical.HeaderBlock((b"host",)),
        canonical.UNSIGNED_PAYLOAD if signer.service == "s3" else canonical.EMPTY_SHA256,
    )
    key = canonical.signing_key(signer.secret_access_key, timestamp[:8], signer.region, signer.service)
    signature = key.signature(timestamp, scope, sent).decode()
    return f"{parts.scheme}://{parts.netloc}{parts.path}?{query}&X-Amz-Signature={signature}"
