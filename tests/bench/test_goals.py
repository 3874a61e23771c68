"""Goals beside what was found."""

from __future__ import annotations

from bench import goals
from bench.table import Key, Measured, Row, rows


def core(per_second: float, errors: int = 0) -> list[Row]:
    limit = Measured(4000.0, 300.0, 900.0, 100.0, 400.0, 25.0, 0, 0.0)
    ours = Measured(per_second, 500.0, 1000.0, 250.0, 420.0, 25.0, errors, 0.0)
    return rows("Python", [{Key("limit", 16, 100): limit, Key("paddock", 16, 100): ours}])


def line(name: str, found: list[tuple[str, ...]]) -> tuple[str, ...]:
    return next(each for each in found if each[0] == name)


def test_a_goal_is_held_missed_or_not_measured() -> None:
    held = goals.cells({"core": core(3100.0)}, {})
    missed = goals.cells({"core": core(2900.0)}, {})

    assert line("of the limit at 16, Python", held)[2:] == ("0.78", "yes")
    assert line("of the limit at 16, Python", missed)[2:] == ("0.72", "no")
    assert line("of the limit at 16, Node.js", held)[2:] == ("not measured", "")


def test_cpu_is_set_against_the_limits_too() -> None:
    found = goals.cells({"core": core(3100.0)}, {})

    assert line("platform CPU over the limit's at 16, Python", found)[1:] == ("at most 3", "2.50", "yes")
    assert line("of the limit by CPU at 16, Python", found)[1:] == ("at least 0.75", "0.76", "yes")
    assert line("platform CPU in one process at 16, without AWS_EXECUTION_ENV", found)[2] == "not measured"


def test_any_error_misses_the_goal_of_none() -> None:
    assert line("errors below capacity, all setups", goals.cells({"core": core(3100.0, errors=1)}, {}))[3] == "no"
    assert line("errors below capacity, all setups", goals.cells({"core": core(3100.0)}, {}))[3] == "yes"


def test_the_worst_overload_counts() -> None:
    name = "of its peak goodput at 2, 5 and 20 times capacity"
    overload = [("1 x capacity", "", "", "0.5"), ("2 x capacity", "", "", "0.99"), ("20 x capacity", "", "", "0.85")]

    assert line(name, goals.cells({}, {"overload": overload}))[2:] == ("0.85", "no")


def test_the_day_and_the_plans_have_their_lines() -> None:
    day = ("the day", "10,000", "24", "m7g.xlarge", "", "132", "", "", "5.7", "1.0", "", "")
    hours = ("hours", "10,000", "6", "m7g.xlarge", "", "114", "", "", "2.1", "1.0", "", "")
    plans = [("1,000", "15,000", "100", what, "", second, "") for what, second in (("at rest", "8"), ("bursts", "0.4"))]
    heading = ("",) * 12

    found = goals.cells({}, {"simulation": [heading, hours, day], "planning": [heading[:7], *plans]})

    assert line("a day at 10,000 requests/s, simulated", found)[2:] == ("0.10 min of CPU", "yes")
    assert line("plans of 1,000 instances, 15,000 environments, at rest", found)[3] == "yes"
    assert line("plans of 1,000 instances, 15,000 environments, bursts", found)[3] == "no"


def test_a_day_that_was_not_simulated_is_not_measured() -> None:
    assert line("a day at 10,000 requests/s, simulated", goals.cells({}, {}))[2:] == ("not measured", "")
