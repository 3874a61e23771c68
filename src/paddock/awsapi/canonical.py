"""The canonical forms that Signature Version 4 signs. Pure; knows no keys' owners.

Source: AWS, "Create a signed AWS API request". What repeats from request to request is remembered.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from functools import lru_cache
from hashlib import sha256
from operator import itemgetter
from posixpath import normpath
from typing import Any
from urllib.parse import quote, unquote_to_bytes

ALGORITHM = "AWS4-HMAC-SHA256"
TERMINATOR = "aws4_request"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
TIMESTAMP_FORMAT = "%Y%m%dT%H%M%SZ"

_BLOCK_BYTES = 64
_INNER = bytes(number ^ 0x36 for number in range(256))
_OUTER = bytes(number ^ 0x5C for number in range(256))

REMEMBERED_PATH_CHARACTERS = 512
"""Longer paths are canonised anew each time: nobody may fill the memory with them."""


class SigningKey:
    """HMAC-SHA256 with one key for many messages: the two hashes of RFC 2104, fed with the key once and copied for each
    message. Half the time of `hmac`, which does the same behind objects of its own.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, key: bytes) -> None:
        padded = key.ljust(_BLOCK_BYTES, b"\0")
        self._inner = sha256(padded.translate(_INNER))
        self._outer = sha256(padded.translate(_OUTER))

    def signature(self, timestamp: str, scope: str, canonical_request: bytes) -> bytes:
        """In hexadecimal. `scope` is `date/region/service/aws4_request`."""
        request_hash = sha256(canonical_request).hexdigest()
        inner = self._inner.copy()
        inner.update(f"{ALGORITHM}\n{timestamp}\n{scope}\n{request_hash}".encode("latin-1"))
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.hexdigest().encode()


@lru_cache(maxsize=256)
def signing_key(secret_access_key: str, date: str, region: str, service: str) -> SigningKey:
    """One per key, day, region and service is in use at a time."""
    key = f"AWS4{secret_access_key}".encode()
    for part in (date, region, service, TERMINATOR):
        key = hmac.digest(key, part.encode(), "sha256")
    return SigningKey(key)


class HeaderBlock:
    """How to take the values of these headers, and a form for them: clients sign the same ones again and again."""

    __slots__ = ("_form", "_names", "_take")

    def __init__(self, signed: tuple[bytes, ...]) -> None:
        names = [name.replace(b"%", b"%%") for name in signed]
        self._names = signed
        self._take: Callable[[Mapping[bytes, bytes]], Any] = itemgetter(*signed)
        self._form = b"%b\n%b\n" % (b"".join([name + b":%b\n" for name in names]), b";".join(names))

    def of(self, headers: Mapping[bytes, bytes]) -> bytes:
        """A signed header that is not there counts as empty."""
        try:
            block: bytes = self._form % self._take(headers)
        except KeyError:
            block = self._form % (*(headers.get(name, b"") for name in self._names),)
        if b"  " in block or b"\t" in block:
            block = self._form % (*(b" ".join(headers.get(name, b"").split()) for name in self._names),)
        return block


def canonical_request(start: bytes, headers: Mapping[bytes, bytes], block: HeaderBlock, payload_hash: str) -> bytes:
    return start + block.of(headers) + payload_hash.encode("latin-1")


def canonical_start(method: str, path: str, query: str, service: str) -> bytes:
    """All before the headers. The path is normalised, then encoded once more than it was sent; S3 alone signs it as it
    is. `query` is canonical already.
    """
    if query or len(path) > REMEMBERED_PATH_CHARACTERS:
        return _start.__wrapped__(method, path, query, service)
    return _start(method, path, query, service)


@lru_cache(maxsize=1024)
def _start(method: str, path: str, query: str, service: str) -> bytes:
    if service != "s3":
        normal = "/" + normpath(path).lstrip("/")
        if normal != "/" and path.endswith("/"):
            normal += "/"
        path = quote(normal.encode("latin-1"), safe="/~")
    return f"{method}\n{path}\n{query}\n".encode("latin-1")


def canonical_query(query: str, *, without: str = "") -> str:
    """Names and values decoded and encoded in the one right way, sorted. The parameter `without` is left out."""
    if not query:
        return ""
    pairs = []
    for part in query.split("&"):
        name, _, value = part.partition("=")
        if part and name != without:
            pairs.append((_encoded_rightly(name), _encoded_rightly(value)))
    return "&".join([f"{name}={value}" for name, value in sorted(pairs)])


def _encoded_rightly(text: str) -> str:
    if text.isalnum() and text.isascii():
        return text
    return quote(unquote_to_bytes(text.encode("latin-1")), safe="-_.~")
