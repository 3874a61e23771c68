"""An image in a registry (OCI distribution specification, Docker Registry HTTP API v2): reads, never writes."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Generator, Iterator
from contextlib import closing
from urllib.parse import urlencode, urlsplit

from paddock.images.credentials import CredentialSource
from paddock.images.documents import ACCEPTED, Descriptor
from paddock.images.errors import ImageAccessDenied, ImageError, ImageInvalid, ImageNotFound, ImageUnavailable
from paddock.images.http import HttpClient, HttpRefused
from paddock.images.limits import MAX_MANIFEST_BYTES, MAX_TOKEN_BYTES, REQUEST_SECONDS, SLOWEST_BYTES_PER_SECOND
from paddock.images.reference import RegistryReference, is_loopback

_challenge = re.compile(r"([a-zA-Z_]+)=\"([^\"]*)\"")
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND = 401, 403, 404


class RegistrySource:
    """`ImageSource`, for one repository. A token is asked for when the registry wants one, and used as long as it
    takes it.
    """

    def __init__(self, reference: RegistryReference, credentials: CredentialSource) -> None:
        self._reference = reference
        self._credentials = credentials
        self._client = HttpClient()
        self._authorization: str | None = None

    def manifest(self, name: str) -> bytes:
        pieces = self._get(f"manifests/{name}", ", ".join(ACCEPTED), REQUEST_SECONDS)
        content = b""
        with closing(pieces):
            for piece in pieces:
                content += piece
                if len(content) > MAX_MANIFEST_BYTES:
                    raise ImageInvalid(f"The manifest is larger than {MAX_MANIFEST_BYTES} bytes.")
        return content

    def blob(self, wanted: Descriptor) -> Iterator[bytes]:
        seconds = REQUEST_SECONDS + wanted.size_bytes / SLOWEST_BYTES_PER_SECOND
        return self._get(f"blobs/{wanted.digest}", "*/*", seconds)

    def _get(self, path: str, accept: str, seconds: float) -> Generator[bytes, None, None]:
        url = f"{self._reference.api}/v2/{self._reference.repository}/{path}"
        try:
            yield from self._pieces(url, accept, seconds)
        except HttpRefused as refused:
            if refused.status != _UNAUTHORIZED:
                raise _said(refused.status, path) from refused
            self._authorization = self._authorized(refused)
            try:
                yield from self._pieces(url, accept, seconds)
            except HttpRefused as again:
                raise _said(again.status, path) from again

    def _pieces(self, url: str, accept: str, seconds: float) -> Iterator[bytes]:
        with self._client.get(url, {"Accept": accept}, self._authorization, seconds) as answer:
            yield from answer.pieces()

    def _authorized(self, refused: HttpRefused) -> str:
        """The header that the registry asks for."""
        headers = {name.lower(): value for name, value in refused.headers.items()}
        kind, _, rest = headers.get("www-authenticate", "").partition(" ")
        basic = self._basic()
        if kind.lower() == "basic" and basic is not None:
            return basic
        if kind.lower() == "bearer":
            return f"Bearer {self._token(dict(_challenge.findall(rest)), basic)}"
        raise ImageAccessDenied("The registry wants credentials, and there are none for it.")

    def _basic(self) -> str | None:
        try:
            found = self._credentials(urlsplit(self._reference.api).netloc)
        except OSError:
            found = None
        return None if found is None else f"Basic {base64.b64encode(':'.join(found).encode()).decode()}"

    def _token(self, challenge: dict[str, str], basic: str | None) -> str:
        realm = challenge.get("realm", "")
        parts = urlsplit(realm)
        if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.netloc)):
            raise ImageUnavailable("The registry names a place for tokens whose connections are not encrypted.")
        scope = challenge.get("scope") or f"repository:{self._reference.repository}:pull"
        query = {"scope": scope} | ({"service": challenge["service"]} if "service" in challenge else {})
        url = f"{realm}{'&' if parts.query else '?'}{urlencode(query)}"
        try:
            with self._client.get(url, {"Accept": "application/json"}, basic, REQUEST_SECONDS) as answer:
                document = json.loads(answer.whole(MAX_TOKEN_BYTES))
            token = document.get("token") or document.get("access_token")
        except HttpRefused as refused:
            raise ImageAccessDenied("The registry gives no token for this repository.") from refused
        except (ValueError, AttributeError) as error:
            raise ImageUnavailable("The registry's token cannot be read.") from error
        if not isinstance(token, str) or not token.isprintable():
            raise ImageAccessDenied("The registry gives no token for this repository.")
        return token


def _said(status: int, path: str) -> ImageError:
    if status == _NOT_FOUND:
        return ImageNotFound(f"The registry has no {path}.")
    if status in (_UNAUTHORIZED, _FORBIDDEN):
        return ImageAccessDenied("The registry does not let us read this repository.")
    return ImageUnavailable(f"The registry answers with status {status}.")
