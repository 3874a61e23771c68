"""Rounds of measurements to rows: medians, spread, and ratios to the limit and to the echo within the same round."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

LIMIT, ECHO = "limit", "echo"


@dataclass(frozen=True)
class Measured:
    """One subject at one point in one round. Times in microseconds; `foreign` is the machine's use by others."""

    per_second: float
    p50_us: float
    p99_us: float
    platform_us: float
    runtime_us: float
    load_us: float
    errors: int
    foreign: float

    @property
    def all_us(self) -> float:
        """CPU of everything that an invocation needs here, its caller too."""
        return self.platform_us + self.runtime_us + self.load_us


class Key(NamedTuple):
    subject: str
    in_flight: int
    payload: int


Round = Mapping[Key, Measured]


class Row(NamedTuple):
    """Medians over rounds; times in milliseconds where not said. None where there is nothing to compare with.

    `by_cpu` is the limit's CPU for an invocation over this one's: what `of_limit` would be with every core busy and no
    neighbours, who disturb it less.
    """

    setup: str
    payload: int
    in_flight: int
    subject: str
    per_second: float
    spread: float
    of_limit: float | None
    by_cpu: float | None
    of_echo: float | None
    p50_ms: float
    added_p50_ms: float | None
    p99_ms: float
    added_p99_ms: float | None
    platform_us: float
    runtime_us: float
    load_us: float
    foreign: float
    errors: int


def rows(setup: str, rounds: Sequence[Round]) -> list[Row]:
    """Those of one point stand together."""
    keys = sorted(rounds[0], key=lambda key: (key.payload, key.in_flight))
    return [_row(setup, key, rounds) for key in keys]


def _row(setup: str, key: Key, rounds: Sequence[Round]) -> Row:
    of = [one[key] for one in rounds]
    rates = [one.per_second for one in of]
    middle = median(rates)
    limits = _beside(key, LIMIT, rounds)
    echoes = _beside(key, ECHO, rounds)
    return Row(
        setup=setup,
        payload=key.payload,
        in_flight=key.in_flight,
        subject=key.subject,
        per_second=middle,
        spread=(max(rates) - min(rates)) / 2 / middle if middle else 0.0,
        of_limit=_median(one.per_second / max(limit.per_second, 1e-9) for one, limit in limits),
        by_cpu=_median(limit.all_us / max(one.all_us, 1e-9) for one, limit in limits),
        of_echo=_median(one.per_second / max(echo.per_second, 1e-9) for one, echo in echoes),
        p50_ms=median(one.p50_us for one in of) / 1000,
        added_p50_ms=_median((one.p50_us - limit.p50_us) / 1000 for one, limit in limits),
        p99_ms=median(one.p99_us for one in of) / 1000,
        added_p99_ms=_median((one.p99_us - limit.p99_us) / 1000 for one, limit in limits),
        platform_us=median(one.platform_us for one in of),
        runtime_us=median(one.runtime_us for one in of),
        load_us=median(one.load_us for one in of),
        foreign=median(one.foreign for one in of),
        errors=sum(one.errors for one in of),
    )


def _beside(key: Key, subject: str, rounds: Sequence[Round]) -> list[tuple[Measured, Measured]]:
    """Each measurement with that of `subject` at the same point of the same round; without those that have none."""
    other = key._replace(subject=subject)
    return [(one[key], one[other]) for one in rounds if other in one]


def _median(values: object) -> float | None:
    found = list(values)  # type: ignore[call-overload]
    return median(found) if found else None


_COLUMNS = (
    "setup", "bytes", "in flight", "subject", "/s", "± %", "of limit", "by CPU", "of echo", "p50 ms", "+p50", "p99 ms",
    "+p99", "platform µs", "runtime µs", "load µs", "others %",
)  # fmt: skip


def cells(found: Sequence[Row]) -> list[tuple[str, ...]]:
    """Headings first."""
    return [_COLUMNS, *map(_cells, found)]


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.setup,
        size_text(row.payload),
        str(row.in_flight),
        row.subject + (f" ({row.errors} errors)" if row.errors else ""),
        f"{row.per_second:,.0f}",
        f"{100 * row.spread:.0f}",
        _text(row.of_limit, ".2f"),
        _text(row.by_cpu, ".2f"),
        _text(row.of_echo, ".3f"),
        f"{row.p50_ms:.2f}",
        _text(row.added_p50_ms, "+.2f"),
        f"{row.p99_ms:.2f}",
        _text(row.added_p99_ms, "+.2f"),
        f"{row.platform_us:.0f}",
        f"{row.runtime_us:.0f}",
        f"{row.load_us:.0f}",
        f"{100 * row.foreign:.0f}",
    )


def size_text(payload: int) -> str:
    for unit, name in ((1_000_000, "MB"), (1000, "KB")):
        if payload >= unit:
            return f"{payload / unit:g} {name}"
    return f"{payload} B"


def _text(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def text(lines: Sequence[Sequence[str]]) -> str:
    """For a terminal. Words to the left, figures to the right."""
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    left = [not any(character.isdigit() for character in lines[-1][column][:1]) for column in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if is_left else cell.rjust(width)
            for cell, width, is_left in zip(line, widths, left, strict=True)
        ).rstrip()
        for line in lines
    )


def markdown(lines: Sequence[Sequence[str]]) -> str:
    head, *rest = lines
    return "\n".join(
        ["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *("| " + " | ".join(line) + " |" for line in rest)]
    )
