"""Where deployment packages are kept: named by their content, encrypted at rest."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator
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

    async def put_pieces(self, sha256: CodeSha256, size_bytes: int, pieces: Iterator[bytes]) -> None:
        """The same of what is too large to be held in memory, and of which name and size are known before. `pieces`
        blocks and is read in another thread; what it raises is raised here, and then nothing is kept. Raises
        `StoreError` when the content has another size. Whether it has that name, `pieces` must have checked.
        """
        ...

    async def has(self, sha256: CodeSha256) -> bool: ...

    def chunks(self, sha256: CodeSha256) -> AsyncGenerator[bytes, None]:
        """The package in pieces of at most 1 MiB, verified. Raises `CodeMissingError`, also midway."""
        ...

    async def delete(self, sha256: CodeSha256) -> None: ...

    async def list(self) -> tuple[CodeSha256, ...]: ...
