"""The canonical forms that Signature Version 4 signs, for verifying and for presigning. Pure; knows no keys' owners.

Source: AWS, "Create a signed AWS API request". What repeats from request to request is remembered.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from functools import lru_cache
from operator import itemgetter
from posixpath import normpath
from typing import Any
from urllib.parse import quote, unquote_to_bytes

ALGORITHM = "AWS4-HMAC-SHA256"
TERMINATOR = "aws4_request"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
TIMESTAMP_FORMAT = "%Y%m%dT%H%M%SZ"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()

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
        self._inner = hashlib.sha256(padded.translate(_INNER))
        self._outer = hashlib.sha256(padded.translate(_OUTER))

    def signature(self, message: bytes) -> str:
        inner = self._inner.copy()
        inner.update(message)
        outer = self._outer.copy()
        outer.update(inner.digest())
        return outer.hexdigest()


@lru_cache(maxsize=256)
def signing_key(secret_access_key: str, date: str, region: str, service: str) -> SigningKey:
    """One per key, day, region and service is in use at a time."""
    key = f"AWS4{secret_access_key}".encode()
    for part in (date, region, service, TERMINATOR):
        key = hmac.digest(key, part.encode(), "sha256")
    return SigningKey(key)


def signature(key: SigningKey, timestamp: str, scope: str, canonical_request: bytes) -> str:
    """`scope` is `date/region/service/aws4_request`."""
    request_hash = hashlib.sha256(canonical_request).hexdigest()
    return key.signature(f"{ALGORITHM}\n{timestamp}\n{scope}\n{request_hash}".encode("latin-1"))


def canonical_request(
    method: str, path: str, query: str, headers: Mapping[bytes, bytes], signed: tuple[bytes, ...], payload_hash: str
) -> bytes:
    """`path` and `query` are canonical already. A signed header that is not there counts as empty."""
    head = f"{method}\n{path}\n{query}\n".encode("latin-1")
    take, form = _header_block(signed)
    try:
        block: bytes = form % take(headers)
    except KeyError:
        block = form % (*(headers.get(name, b"") for name in signed),)
    if b"  " in block or b"\t" in block:
        block = form % (*(b" ".join(headers.get(name, b"").split()) for name in signed),)
    return head + block + payload_hash.encode("latin-1")


@lru_cache(maxsize=256)
def _header_block(signed: tuple[bytes, ...]) -> tuple[Callable[[Mapping[bytes, bytes]], Any], bytes]:
    """How to take the values of these headers, and a form for them: clients sign the same ones again and again."""
    names = [name.replace(b"%", b"%%") for name in signed]
    return itemgetter(*signed), b"%b\n%b\n" % (b"".join([name + b":%b\n" for name in names]), b";".join(names))


def canonical_path(path: str, service: str) -> str:
    """Normalised, then encoded once more than it was sent; S3 alone signs the path as it is."""
    if service == "s3":
        return path
    return _encoded_again(path) if len(path) <= REMEMBERED_PATH_CHARACTERS else _encoded_again.__wrapped__(path)


@lru_cache(maxsize=1024)
def _encoded_again(path: str) -> str:
    normal = "/" + normpath(path).lstrip("/")
    if normal != "/" and path.endswith("/"):
        normal += "/"
    return quote(normal.encode("latin-1"), safe="/~")


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
