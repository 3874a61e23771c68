"""The connections to the Runtime API of one environment: its runtime's and its extensions'. Bounded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from paddock.agent.runtime_api import RuntimeConnection


class Connections:
    """At most `most` at once. When there are so many, one that nothing was ever asked on gives way to the next: an
    extension that leaks them does not keep the runtime out.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: dict[RuntimeConnection, None] = {}

    def __iter__(self) -> Iterator[RuntimeConnection]:
        return iter(self._open)

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: RuntimeConnection) -> bool:
        """False when it has to go."""
        if len(self._open) >= self._most:
            silent = next((known for known in self._open if known.silent), None)
            if silent is None:
                return False
            del self._open[silent]
            silent.close()
        self._open[connection] = None
        return True

    def discard(self, connection: RuntimeConnection) -> None:
        self._open.pop(connection, None)
