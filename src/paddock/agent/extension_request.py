"""A request of an extension as it came in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

_MAX_VALUE_BYTES = 1024
"""Of a header that is looked at: what is longer is neither a name nor an identifier."""


class ExtensionRequest(NamedTuple):
    """`headers` by their names in lower case, those that somebody looks at; `body` is within its limit."""

    method: bytes
    path: bytes
    headers: Mapping[bytes, bytes]
    body: bytes

    def header(self, name: bytes) -> str:
        return self.headers.get(name, b"")[:_MAX_VALUE_BYTES].decode("latin-1")
