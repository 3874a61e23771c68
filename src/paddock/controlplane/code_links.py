"""Download links for deployment packages: whoever has one may fetch the package until it expires.

The signature is an HMAC under a secret of this data directory, made at first start and kept in the store.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import AsyncGenerator, Callable
from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlencode

from paddock.model.errors import ApiError
from paddock.model.ids import CodeSha256
from paddock.ports.clock import IdSource
from paddock.ports.code import CodeStore
from paddock.ports.store import Store, StoredValue, Transaction

PATH = "/_paddock/code/"
LIFETIME = timedelta(minutes=10)
"""As long as AWS's presigned links live."""
_SECRET = "code-link-secret"  # noqa: S105  # its name in the store
_SECRET_DIGITS = 64


class SignedCodeLinks:
    """`endpoint` is the URL that this server is reached by; asked each time, because port 0 is decided late."""

    def __init__(self, secret: str, endpoint: Callable[[], str], code: CodeStore) -> None:
        self._secret = secret.encode()
        self._endpoint = endpoint
        self._code = code

    def link(self, sha256: str, now: datetime) -> str:
        digest = base64.b64decode(sha256).hex()
        expires = int((now + LIFETIME).timestamp())
        query = urlencode({"expires": expires, "signature": self._signature(digest, expires)})
        return f"{self._endpoint()}{PATH}{digest}?{query}"

    def fetch(self, path: str, query: str, now: datetime) -> AsyncGenerator[bytes, None]:
        """The package behind a link, in pieces. Raises `ApiError` (403) unless the link is ours and has not expired."""
        digest = path.removeprefix(PATH)
        given = {name: values[0] for name, values in parse_qs(query).items()}
        try:
            expires = int(given["expires"])
            genuine = hmac.compare_digest(given["signature"].encode(), self._signature(digest, expires).encode())
        except (KeyError, ValueError):
            genuine, expires = False, 0
        if not genuine:
            raise ApiError("AccessDenied", "The download link is not valid. Ask for a new one.", status=403)
        if expires < now.timestamp():
            raise ApiError("AccessDenied", "The download link has expired. Ask for a new one.", status=403)
        return self._code.chunks(CodeSha256(base64.b64encode(bytes.fromhex(digest)).decode()))

    def _signature(self, digest: str, expires: int) -> str:
        return hmac.new(self._secret, f"{digest}/{expires}".encode(), hashlib.sha256).hexdigest()


async def link_secret(store: Store, ids: IdSource) -> str:
    """The secret of this data directory; made when there is none."""

    def get_or_make(tx: Transaction) -> str:
        found = tx.values.get(_SECRET)
        if found is None:
            found = StoredValue(_SECRET, ids.hex(_SECRET_DIGITS))
            tx.values.put(found)
        return found.value

    return await store.write(get_or_make)
