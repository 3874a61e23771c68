"""The canonical forms that Signature Version 4 signs, for verifying and for presigning. Pure; knows no keys' owners.

Source: AWS, "Create a signed AWS API request". What repeats from request to request is remembered.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from functools import lru_cache
from posixpath import normpath
from urllib.parse import quote, unquote_to_bytes

ALGORITHM = "AWS4-HMAC-SHA256"
TERMINATOR = "aws4_request"
UNSIGNED_PAYLOAD = "UNSIGNED-PAYLOAD"
TIMESTAMP_FORMAT = "%Y%m%dT%H%M%SZ"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()

REMEMBERED_PATH_CHARACTERS = 512
"""Longer paths are canonised anew each time: nobody may fill the memory with them."""


@lru_cache(maxsize=256)
def signing_key(secret_access_key: str, date: str, region: str, service: str) -> hmac.HMAC:
    """A keyed HMAC to be copied, never updated. One per key, day, region and service is in use at a time."""
    key = f"AWS4{secret_access_key}".encode()
    for part in (date, region, service, TERMINATOR):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.new(key, digestmod="sha256")


def signature(key: hmac.HMAC, timestamp: str, scope: str, canonical_request: bytes) -> str:
    """`scope` is `date/region/service/aws4_request`."""
    request_hash = hashlib.sha256(canonical_request).hexdigest()
    keyed = key.copy()
    keyed.update(f"{ALGORITHM}\n{timestamp}\n{scope}\n{request_hash}".encode("latin-1"))
    return keyed.hexdigest()


def canonical_request(
    method: str, path: str, query: str, headers: Mapping[bytes, bytes], signed: Sequence[bytes], payload_hash: str
) -> bytes:
    """`path` and `query` are canonical already. A signed header that is not there counts as empty."""
    block = _header_block(headers, signed)
    if b"  " in block or b"\t" in block:
        block = _header_block({name: b" ".join(value.split()) for name, value in headers.items()}, signed)
    head = f"{method}\n{path}\n{query}\n".encode("latin-1")
    return b"%b%b\n%b\n%b" % (head, block, b";".join(signed), payload_hash.encode("latin-1"))


def _header_block(headers: Mapping[bytes, bytes], signed: Sequence[bytes]) -> bytes:
    return b"".join([b"%b:%b\n" % (name, headers.get(name, b"")) for name in signed])


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
