"""Where deployment packages may be fetched from instead of coming with the request: objects in buckets."""

from __future__ import annotations

from typing import Protocol

HOT_RELOAD_BUCKET = "hot-reload"
"""No bucket: its keys are directories of the server's machine, absolute. The name is what LocalStack's users know."""


class ObjectUnavailable(Exception):
    """`code` and `message` as the store words them; `denied` when it is there, or may be, and is not for us."""

    def __init__(self, code: str, message: str, *, denied: bool = False) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.denied = denied


class ObjectTooLarge(Exception):
    """It holds more than was allowed; nothing of it is kept."""


class SourceDirectories(Protocol):
    async def fingerprint(self, directory: str) -> str:
        """Another one when anything in it has changed. Raises `ObjectUnavailable`."""
        ...


class ObjectSource(Protocol):
    async def fetch(self, bucket: str, key: str, version: str | None, max_bytes: int) -> bytes:
        """Raises `ObjectUnavailable` or `ObjectTooLarge`."""
        ...
