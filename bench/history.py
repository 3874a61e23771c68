"""Ratios over time, a line of JSON for each sitting, so that a regression shows as a ratio that changed.

Only ratios and microseconds of CPU are kept: rates of different machines, or of one machine on different days, say
nothing beside one another.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.table import Row

COLLAPSED = 0.5
"""Of the median of what was kept: the noise of a shared machine stays above it. Compared are ratios of CPU, which
neighbours disturb less than those of rates.
"""
ENOUGH_KEPT = 3
"""So many sittings make a median that can be held against somebody."""


def entry(found: Sequence[Row], described: str) -> dict[str, object]:
    figures = {
        f"{row.subject}, {row.in_flight} in flight": {
            "of limit": round(row.of_limit or 0.0, 3),
            "by CPU": round(row.by_cpu or 0.0, 3),
            "platform us": round(row.platform_us, 1),
            "errors": row.errors,
        }
        for row in found
    }
    return {"at": datetime.now(UTC).isoformat(timespec="seconds"), "sitting": described, "figures": figures}


def append(path: Path, line: Mapping[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


class Comparison(NamedTuple):
    """The ratio of one subject now and as the median of `kept` sittings before."""

    name: str
    now: float
    before: float
    kept: int

    @property
    def collapsed(self) -> bool:
        return self.kept >= ENOUGH_KEPT and self.now < COLLAPSED * self.before

    def __str__(self) -> str:
        change = 100 * (self.now / self.before - 1) if self.before else 0.0
        verdict = "  COLLAPSED" if self.collapsed else ""
        return (
            f"{self.name}: {self.now:.2f} of the limit by CPU, {self.before:.2f} in {self.kept} sittings before "
            f"({change:+.0f} %){verdict}"
        )


def compared(path: Path, line: Mapping[str, object]) -> list[Comparison]:
    """How each ratio stands to the median of those kept before; empty before there are any."""
    if not path.exists():
        return []
    before: dict[str, list[float]] = {}
    for text in path.read_text(encoding="utf-8").splitlines():
        for name, kept in json.loads(text)["figures"].items():
            before.setdefault(name, []).append(kept["by CPU"])
    figures = line["figures"]
    assert isinstance(figures, dict)
    return [
        Comparison(name, now["by CPU"], median(before[name]), len(before[name]))
        for name, now in figures.items()
        if now["by CPU"] and name in before
    ]
