"""Where deployment packages are kept: named by their content, encrypted at rest."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Protocol

from paddock.model.ids import CodeSha256


class CodeMissingError(Exception):
    """No package of that content is kept (or it can no longer be read); the message says which."""


class CodeStore(Protocol):
    def name_of(self, package: bytes) -> CodeSha256:
        """The name it has or would have here."""
        ...

    async def put(self, package: bytes) -> CodeSha256:
        """Done when it is on disk. The same content twice is kept once."""
        ...

    def chunks(self, sha256: CodeSha256) -> AsyncGenerator[bytes, None]:
        """The package in pieces of at most 1 MiB, verified. Raises `CodeMissingError`, also midway."""
        ...

    async def delete(self, sha256: CodeSha256) -> None: ...

    async def list(self) -> tuple[CodeSha256, ...]: ...
