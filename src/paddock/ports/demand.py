"""How a router asks for what default Lambda starts on demand: it says how many invocations wait, never what to do."""

from __future__ import annotations

from typing import Protocol

from paddock.model.ids import FunctionVersionKey


class EnvironmentDemand(Protocol):
    def want(self, key: FunctionVersionKey, waiting: int) -> None:
        """So many invocations of the version have no environment now. Said whenever the number changes."""
        ...


class NoDemand:
    """For a router without default Lambda."""

    def want(self, key: FunctionVersionKey, waiting: int) -> None:
        """Nobody starts anything."""
