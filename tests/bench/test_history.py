"""Ratios over time: what is kept, what is said of a change, when a build fails for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import history
from bench.table import Key, Measured, rows


def sat(share_of_limit: float) -> dict[str, object]:
    """A sitting in which the product reached this share of the limit, with neither runtime nor caller to be counted."""
    limit = Measured(4000.0, 300.0, 900.0, 100.0, 0.0, 0.0, 0, 0.0)
    ours = Measured(4000.0, 500.0, 1000.0, 100.0 / share_of_limit, 0.0, 0.0, 0, 0.0)
    found = rows("Python", [{Key("limit", 16, 100): limit, Key("paddock", 16, 100): ours}])
    return history.entry(found, "a machine")


def of_paddock(path: Path, share_of_limit: float) -> history.Comparison:
    compared = history.compared(path, sat(share_of_limit))
    return next(each for each in compared if each.name == "paddock, 16 in flight")


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """Three sittings, at 0.7, 0.8 and 0.9."""
    path = tmp_path / "history.jsonl"
    for share in (0.7, 0.8, 0.9):
        history.append(path, sat(share))
    return path


def test_without_a_history_there_is_nothing_to_compare_with(tmp_path: Path) -> None:
    assert history.compared(tmp_path / "none.jsonl", sat(0.8)) == []


@pytest.mark.parametrize(("now", "collapsed"), [(0.8, False), (0.5, False), (0.41, False), (0.39, True)])
def test_only_a_ratio_below_half_of_the_median_counts_as_collapsed(kept: Path, now: float, collapsed: bool) -> None:
    comparison = of_paddock(kept, now)

    assert comparison.before == pytest.approx(0.8)
    assert comparison.collapsed is collapsed
    assert ("COLLAPSED" in str(comparison)) is collapsed


def test_two_sittings_make_no_median_that_a_build_fails_for(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    for share in (0.8, 0.8):
        history.append(path, sat(share))

    assert not of_paddock(path, 0.1).collapsed


def test_a_changed_ratio_is_said_in_percent(kept: Path) -> None:
    assert "0.60 of the limit by CPU, 0.80 in 3 sittings before (-25 %)" in str(of_paddock(kept, 0.6))
