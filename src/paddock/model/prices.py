"""Prices as values that say where they come from. A price nobody knows is `Unknown`, never zero."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum


class Confidence(StrEnum):
    """HIGH: printed by AWS or confirmed by a second table; MEDIUM: one table that agrees with itself; LOW: a hint."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class Source:
    title: str
    as_of: date
    confidence: Confidence


@dataclass(frozen=True, slots=True)
class Price:
    """`unit` completes the sentence "USD per ...", e.g. `instance-hour`, `GB-second`, `million requests`."""

    usd: Decimal
    unit: str
    source: Source


@dataclass(frozen=True, slots=True)
class Unknown:
    """No figure, and why. Anything computed from it is unknown too."""

    what: str
    why: str

    def __str__(self) -> str:
        return f"{self.what}: unknown ({self.why})"
