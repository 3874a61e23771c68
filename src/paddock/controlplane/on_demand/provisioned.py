"""How far a version's provisioned concurrency is, as a value."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Provisioned:
    """`allocated` environments exist, `available` of them are ready. `failure`: why the last one did not begin."""

    allocated: int = 0
    available: int = 0
    failure: str | None = None
