"""What was set as a goal beside what a sitting found. Pure; says so too where a goal was missed or not measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from bench.table import LIMIT, Row

OURS, ONE_PROCESS = "paddock", "one process"
BARE = "Python without AWS_EXECUTION_ENV"
AT_ONCE = "answers at once"
"""Behind a runtime that takes next to nothing: the platform's own cost, as the goals of 60 and 90 µs were measured."""
OVER_LIMIT, OVER_LIMIT_IN_ONE = 3.0, 2.0
"""The goals of 90 and 60 µs were set on a machine where the limit took 25 to 34 µs: as multiples of the limit's they
mean the same on any machine.
"""
OVERLOADED = ("2 x capacity", "5 x capacity", "20 x capacity")


class Goal(NamedTuple):
    """`least`: the goal is at least so much; otherwise at most."""

    name: str
    wanted: float
    least: bool
    found: Callable[[Mapping[str, Sequence[Row]]], float | None]
    unit: str = ""


def _at(
    section: str, setup: str, in_flight: int, figure: str, subject: str = OURS
) -> Callable[[Mapping[str, Sequence[Row]]], float | None]:
    def found(rows: Mapping[str, Sequence[Row]]) -> float | None:
        for row in rows.get(section, ()):
            if (row.setup, row.in_flight, row.subject) == (setup, in_flight, subject):
                value: float | None = getattr(row, figure)
                return value
        return None

    return found


def _over_limit(setup: str, subject: str) -> Callable[[Mapping[str, Sequence[Row]]], float | None]:
    """CPU of the platform at 16 in flight over that of the limit, which is all platform too."""

    def found(rows: Mapping[str, Sequence[Row]]) -> float | None:
        at_16 = {
            row.subject: row.platform_us for row in rows.get("core", ()) if (row.setup, row.in_flight) == (setup, 16)
        }
        ours, limit = at_16.get(subject), at_16.get(LIMIT)
        return None if ours is None or not limit else ours / limit

    return found


def _errors(rows: Mapping[str, Sequence[Row]]) -> float | None:
    ours = [row.errors for each in rows.values() for row in each if row.subject == OURS]
    return float(sum(ours)) if ours else None


GOALS = (
    Goal("of the limit at 16, Python", 0.75, True, _at("core", "Python", 16, "of_limit")),
    Goal(
        "of the limit at 16, Python without AWS_EXECUTION_ENV",
        0.75,
        True,
        _at("core", BARE, 16, "of_limit"),
    ),
    Goal("of the limit by CPU at 16, Python", 0.75, True, _at("core", "Python", 16, "by_cpu")),
    Goal("of the limit by CPU at 16, Python without AWS_EXECUTION_ENV", 0.75, True, _at("core", BARE, 16, "by_cpu")),
    Goal("of the limit at 16, Node.js", 0.7, True, _at("runtimes", "Node.js 22", 16, "of_limit")),
    Goal("p50 added at 1, Python", 0.4, False, _at("core", "Python", 1, "added_p50_ms"), " ms"),
    Goal("p99 added at 8, Python", 3.0, False, _at("core", "Python", 8, "added_p99_ms"), " ms"),
    Goal(
        "platform CPU in one process at 64, a runtime that answers at once",
        60.0,
        False,
        _at("core", AT_ONCE, 64, "platform_us", ONE_PROCESS),
        " µs",
    ),
    Goal(
        "platform CPU with the agent hop at 64, a runtime that answers at once",
        90.0,
        False,
        _at("core", AT_ONCE, 64, "platform_us"),
        " µs",
    ),
    Goal("platform CPU with the agent hop at 16, Python", 90.0, False, _at("core", "Python", 16, "platform_us"), " µs"),
    Goal(
        "the same, without AWS_EXECUTION_ENV",
        90.0,
        False,
        _at("core", BARE, 16, "platform_us"),
        " µs",
    ),
    Goal("platform CPU over the limit's at 16, Python", OVER_LIMIT, False, _over_limit("Python", OURS)),
    Goal("the same, without AWS_EXECUTION_ENV", OVER_LIMIT, False, _over_limit(BARE, OURS)),
    Goal(
        "platform CPU in one process at 16, without AWS_EXECUTION_ENV",
        60.0,
        False,
        _at("core", BARE, 16, "platform_us", ONE_PROCESS),
        " µs",
    ),
    Goal("the same over the limit's", OVER_LIMIT_IN_ONE, False, _over_limit(BARE, ONE_PROCESS)),
    Goal("errors below capacity, all setups", 0.0, False, _errors),
)
HEADINGS = ("goal", "wanted", "found", "held")
Tables = Mapping[str, Sequence[Sequence[str]]]
DAY_MINUTES = 0.5
"""Of one core: a fraction of a minute."""
PLANS_A_SECOND = 1.0
"""Agents report once a second, and each second's reports may make a plan."""


def cells(rows: Mapping[str, Sequence[Row]], tables: Tables) -> list[tuple[str, ...]]:
    """`rows` and `tables` by section. Headings first."""
    lines: list[tuple[str, ...]] = [HEADINGS]
    for goal in GOALS:
        lines.append(_line(goal.name, goal.wanted, goal.found(rows), goal.unit, least=goal.least))
    shares = [float(line[3]) for line in tables.get("overload", ()) if line[0] in OVERLOADED]
    lines.append(
        _line("of its peak goodput at 2, 5 and 20 times capacity", 0.9, min(shares, default=None), "", least=True)
    )
    lines.append(
        _line("a day at 10,000 requests/s, simulated", DAY_MINUTES, _day_minutes(tables), " min of CPU", least=False)
    )
    plans = tables.get("planning", ())[1:]
    if not plans:
        lines.append(_line("plans by the size of the fleet", PLANS_A_SECOND, None, " a second", least=True))
    for instances, environments, _, what, _, a_second, _ in plans:
        name = f"plans of {instances} instances, {environments} environments, {what}"
        lines.append(_line(name, PLANS_A_SECOND, float(a_second), " a second", least=True))
    return lines


def _day_minutes(tables: Tables) -> float | None:
    for line in tables.get("simulation", ())[1:]:
        if (line[1], line[2]) == ("10,000", "24"):
            return float(line[8]) / 60
    return None


def _line(name: str, wanted: float, found: float | None, unit: str, *, least: bool) -> tuple[str, ...]:
    said = f"{'at least' if least else 'at most'} {wanted:g}{unit}"
    if found is None:
        return (name, said, "not measured", "")
    held = found >= wanted if least else found <= wanted
    return (name, said, f"{found:.2f}{unit}", "yes" if held else "no")
