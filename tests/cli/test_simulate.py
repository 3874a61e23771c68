"""`paddock simulate`: traffic through the planner, and what bad input says."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from paddock.cli.main import app

DRAWN = ("simulate", "--shape", "step", "--rps", "50", "--output", "json")


def test_a_step_within_the_headroom_is_never_throttled_and_each_decision_says_why() -> None:
    done = CliRunner().invoke(app, [*DRAWN, "--peak-rps", "120"])

    document = json.loads(done.stdout)
    assert document["throttles"] == 0
    assert max(document["ticks"]["ready"]) == 4
    assert document["decisions"]
    assert all(decision["reasons"] for decision in document["decisions"])


def test_a_ceiling_shows_as_its_own_cause_of_throttles() -> None:
    done = CliRunner().invoke(app, [*DRAWN, "--peak-rps", "2000", "--max-vcpu", "12"])

    document = json.loads(done.stdout)
    assert document["throttled_share"] > 0.1
    assert sum(document["ticks"]["cap_throttles"]) > 0


def test_a_seed_simulates_a_whole_fleet() -> None:
    done = CliRunner().invoke(app, ["simulate", "--seed", "3"])

    assert done.exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give a trace file"),
        (("--shape", "steady"), "--rps"),
        (("--shape", "round", "--rps", "1"), "--shape"),
        (("nowhere.csv",), "nowhere.csv"),
        (("--shape", "steady", "--rps", "1", "--type", "t3.micro"), "no C, M or R type"),
        (("--shape", "steady", "--rps", "1", "--max-environments", "2"), "must not be below"),
    ],
)
def test_bad_input_is_one_line(arguments: tuple[str, ...], said: str) -> None:
    done = CliRunner().invoke(app, ["simulate", *arguments])

    assert done.exit_code == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
