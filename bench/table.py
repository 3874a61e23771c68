"""Rounds of measurements to one table: medians, spread, and ratios to the limit within the same round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Measured:
    """One subject at one concurrency in one round. Times in microseconds; `foreign` is the machine's use by others."""

    per_second: float
    p50_us: float
    p99_us: float
    platform_us: float
    runtime_us: float
    errors: int
    foreign: float


Key = tuple[str, int]
"""Subject and invocations in flight."""

_HEADINGS = (
    "subject",
    "in flight",
    "/s",
    "± %",
    "of limit",
    "p50 ms",
    "+p50 ms",
    "p99 ms",
    "platform µs",
    "runtime µs",
)


def rows(rounds: Sequence[Mapping[Key, Measured]], reference: str) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for key in rounds[0]:
        subject, in_flight = key
        of = [one[key] for one in rounds]
        limits = [one.get((reference, in_flight)) for one in rounds]
        rates = [one.per_second for one in of]
        ratios = [one.per_second / limit.per_second for one, limit in zip(of, limits, strict=True) if limit]
        added = [one.p50_us - limit.p50_us for one, limit in zip(of, limits, strict=True) if limit]
        middle = median(rates)
        errors = sum(one.errors for one in of)
        found.append(
            (
                subject + (f" ({errors} errors)" if errors else ""),
                str(in_flight),
                f"{middle:,.0f}",
                f"{100 * (max(rates) - min(rates)) / 2 / middle:.0f}" if middle else "-",
                f"{median(ratios):.2f}" if ratios else "-",
                f"{median(one.p50_us for one in of) / 1000:.2f}",
                f"{median(added) / 1000:+.2f}" if ratios else "-",
                f"{median(one.p99_us for one in of) / 1000:.2f}",
                f"{median(one.platform_us for one in of):.0f}",
                f"{median(one.runtime_us for one in of):.0f}",
            )
        )
    return found


def text(found: Sequence[tuple[str, ...]]) -> str:
    lines = [_HEADINGS, *found]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADINGS))]
    return "\n".join(
        "  ".join(cell.ljust(width) if column == 0 else cell.rjust(width) for column, (cell, width) in pairs)
        for pairs in (list(enumerate(zip(line, widths, strict=True))) for line in lines)
    )
