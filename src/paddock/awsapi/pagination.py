"""Pages of a list, and the opaque marks between them.

A mark names the last item given, not a position: what is created or deleted between two pages moves nothing. It
carries a checksum, so that one made up or cut short is refused instead of starting somewhere.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from paddock.model.errors import ApiError

T = TypeVar("T")
Key = str | int

_CHECK_BYTES = 6


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    items: tuple[T, ...]
    next_marker: str | None


def paginate(
    items: Iterable[T], marker: str | None, max_items: int | None, default: int, key: Callable[[T], Key]
) -> Page[T]:
    """At most `max_items` (or `default`) of the items after `marker`, in the order of `key`, which tells them apart.

    Raises `ApiError` (InvalidParameterValueException) for a marker that this function has not given.
    """
    ordered = sorted(items, key=key)
    if marker:
        last = _opened(marker)
        if ordered and type(key(ordered[0])) is not type(last):
            raise _invalid()
        ordered = [item for item in ordered if key(item) > last]  # type: ignore[operator]  # one type, as just checked
    size = max_items or default
    page = tuple(ordered[:size])
    more = len(ordered) > size
    return Page(page, _sealed(key(page[-1])) if more else None)


def _sealed(key: Key) -> str:
    text = json.dumps(key, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_check(text) + text).decode("ascii")


def _opened(marker: str) -> Key:
    try:
        raw = base64.b64decode(marker.encode("ascii"), altchars=b"-_", validate=True)
        check, text = raw[:_CHECK_BYTES], raw[_CHECK_BYTES:]
        key = json.loads(text) if check == _check(text) else None
    except (binascii.Error, ValueError):
        key = None
    if isinstance(key, bool) or not isinstance(key, str | int):
        raise _invalid()
    return key


def _check(text: bytes) -> bytes:
    return hashlib.sha256(b"paddock-marker" + text).digest()[:_CHECK_BYTES]


def _invalid() -> ApiError:
    return ApiError("InvalidParameterValueException", "Invalid pagination token", members={"Type": "User"})
