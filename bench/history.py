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

from bench.table import Key, Measured


def entry(rounds: Sequence[Mapping[Key, Measured]], reference: str, described: str) -> dict[str, object]:
    figures: dict[str, dict[str, float]] = {}
    for subject, in_flight in rounds[0]:
        of = [one[subject, in_flight] for one in rounds]
        limits = [one.get((reference, in_flight)) for one in rounds]
        ratios = [one.per_second / limit.per_second for one, limit in zip(of, limits, strict=True) if limit]
        figures[f"{subject}, {in_flight} in flight"] = {
            "of limit": round(median(ratios), 3) if ratios else 0.0,
            "platform us": round(median(one.platform_us for one in of), 1),
            "errors": sum(one.errors for one in of),
        }
    return {"at": datetime.now(UTC).isoformat(timespec="seconds"), "sitting": described, "figures": figures}


def append(path: Path, line: Mapping[str, object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def compared(path: Path, line: Mapping[str, object]) -> list[str]:
    """How each ratio stands to the median of those kept before; empty before there are any."""
    if not path.exists():
        return []
    before: dict[str, list[float]] = {}
    for text in path.read_text(encoding="utf-8").splitlines():
        for name, kept in json.loads(text)["figures"].items():
            before.setdefault(name, []).append(kept["of limit"])
    figures = line["figures"]
    assert isinstance(figures, dict)
    return [
        f"{name}: {now['of limit']:.2f} of the limit, {median(before[name]):.2f} before"
        for name, now in figures.items()
        if now["of limit"] and name in before
    ]
