"""Request heads: from what the parser has seen to a `Request` without its body, or the status that refuses it."""

from __future__ import annotations

from collections.abc import Mapping

import httptools

from paddock.awsapi.messages import Request

_METHODS = {name.encode(): name for name in ("GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH")}


class RefusedError(Exception):
    """Stops the parser: what is being received will be answered with this status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


def request_of(
    parser: httptools.HttpRequestParser, target: bytes, headers: Mapping[bytes, bytes], keep_alive: bool
) -> Request:
    """Raises `RefusedError` for a version or a target that is not spoken here, and for a request without a host."""
    method = parser.get_method()
    if not target.startswith(b"/"):
        target = _origin_form(target)
    path, _, query = target.decode("latin-1").partition("?")
    request = Request(_METHODS.get(method) or method.decode("latin-1"), target, path, query, headers)
    if not keep_alive or b"connection" in headers:  # else it is 1.1, which alone keeps a connection without a word
        version = parser.get_http_version()
        if version not in {"1.1", "1.0"}:
            raise RefusedError(505)
        request.http_10 = version == "1.0"
    if b"host" not in headers and not request.http_10:
        raise RefusedError(400)
    return request


def size_of_head(target: bytes, headers: Mapping[bytes, bytes]) -> int:
    return len(target) + sum(len(name) + len(value) for name, value in headers.items())


def _origin_form(target: bytes) -> bytes:
    """`http://example/path` as a proxy would send it; `*` and `host:port` have no path."""
    scheme, separator, rest = target.partition(b"://")
    if not separator or not scheme.isalpha():
        raise RefusedError(400)
    _, slash, path = rest.partition(b"/")
    return slash + path or b"/"
