"""`paddock simulate`: traffic through the planner, and what bad input says."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from paddock.cli.app import app

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


def test_a_seed_draws_the_arrivals_the_same_each_time() -> None:
    documents = [
        json.loads(CliRunner().invoke(app, [*DRAWN, "--peak-rps", "120", "--seed", seed]).stdout)
        for seed in ("3", "3", "4")
    ]

    assert documents[0] == documents[1]
    assert documents[0]["ticks"]["arrivals"] != documents[2]["ticks"]["arrivals"]
    assert sum(documents[0]["ticks"]["arrivals"]) == pytest.approx(85 * 86_400, rel=0.01)
    assert len(set(documents[0]["ticks"]["arrivals"])) > 100


def test_instances_that_die_cost_what_they_ran_and_are_replaced() -> None:
    drawn = [*DRAWN, "--peak-rps", "120", "--seed", "3", "--lost-instances", "20"]
    document = json.loads(CliRunner().invoke(app, drawn).stdout)

    assert document["lost_instances"] > 5
    assert document["failed"] > 0
    assert min(document["ticks"]["instances"]) >= 2
    assert document["ticks"]["ready"][-1] >= 3
    told = [reason for decision in document["decisions"] for reason in decision["reasons"] if " died with " in reason]
    assert len(told) == document["lost_instances"]


@pytest.mark.parametrize("how", ["argument", "option"])
def test_a_published_trace_is_simulated_with_its_own_durations(how: str, tmp_path: Path) -> None:
    """Single invocations with end and duration in seconds; half a second each, so ten a second are five in flight."""
    path = tmp_path / "trace.csv"
    rows = (f"app,greet,{number / 10 + 0.5},0.5" for number in range(18_000))
    path.write_text("\n".join(("app,func,end_timestamp,duration", *rows)) + "\n")
    where = [str(path)] if how == "argument" else ["--trace", str(path)]

    done = CliRunner().invoke(app, ["simulate", *where, "--cpu-ms", "5", "--output", "json"])

    document = json.loads(done.stdout)
    assert sum(document["ticks"]["arrivals"]) == pytest.approx(18_000)
    assert max(document["ticks"]["cpu_utilization"]) == pytest.approx(10 * 0.005 / 3, rel=0.05)
    assert max(document["ticks"]["in_flight"]) == pytest.approx(5, rel=0.05)


def test_what_a_program_reads_is_not_mixed_with_progress(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "paddock.cli.main", *DRAWN, "--peak-rps", "2000", "--max-vcpu", "4000"],
        capture_output=True,
        text=True,
        env={**os.environ, "FORCE_COLOR": "1", "TERM": "xterm"},
        timeout=120,
        check=True,
    )

    assert json.loads(done.stdout)["tick_seconds"] == 10
    assert "simulating" in done.stderr


def is_showing(process: subprocess.Popen[str]) -> bool:
    assert process.stderr is not None
    return "simulating" in process.stderr.read(200)


def children_leave_ctrl_c_to_their_parent(process: subprocess.Popen[str]) -> bool:
    """As Linux says of each: the second bit of what it has blocked is SIGINT's."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    blocked = [re.search(r"SigBlk:\s*(\w+)", Path(f"/proc/{child}/status").read_text()) for child in children]
    return bool(blocked) and all(each and int(each[1], 16) & 2 for each in blocked)


@pytest.mark.parametrize(
    ("arguments", "is_under_way"),
    [
        (
            ("--shape", "weekly", "--rps", "9000", "--peak-rps", "40000", "--days", "300", "--max-vcpu", "15000"),
            is_showing,
        ),
        (("--seed", "1", "--seeds", "20000"), children_leave_ctrl_c_to_their_parent),
    ],
)
def test_ctrl_c_ends_it_without_a_traceback(
    arguments: tuple[str, ...], is_under_way: Callable[[subprocess.Popen[str]], bool]
) -> None:
    command = [sys.executable, "-m", "paddock.cli.main", "simulate", *arguments]
    environ = {**os.environ, "FORCE_COLOR": "1", "TERM": "xterm"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ, start_new_session=True
    ) as process:
        ends_at = time.monotonic() + 60
        while not is_under_way(process) and time.monotonic() < ends_at:
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        try:
            _, said = process.communicate(timeout=120)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    assert process.returncode == 130
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("arguments", "simulated"),
    [(["--seed", "3"], "fleets"), (["--on-demand", "--seed", "3"], "default Lambda"), (["--whole"], "the whole")],
)
def test_without_traffic_a_seed_makes_it(arguments: list[str], simulated: str) -> None:
    text = CliRunner().invoke(app, ["simulate", *arguments])
    document = CliRunner().invoke(app, ["simulate", *arguments, "--output", "json"])

    assert (text.exit_code, document.exit_code) == (0, 0)
    assert f"1 seeds of {simulated}, 0 broken" in text.stdout
    assert json.loads(document.stdout)["simulated"] == simulated


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give a trace file"),
        (("--shape", "steady"), "--rps"),
        (("--shape", "round", "--rps", "1"), "--shape"),
        (("nowhere.csv",), "nowhere.csv"),
        (("one.csv", "--trace", "two.csv"), "once"),
        (("--shape", "steady", "--rps", "1", "--seed", "1", "--seeds", "5"), "--seeds is for whole fleets"),
        (("--shape", "steady", "--rps", "1", "--lost-instances", "5"), "needs --seed"),
        (("--shape", "steady", "--rps", "1", "--whole"), "leave it out"),
        (("--whole", "--on-demand"), "--whole or --on-demand"),
        (("--seed", "1", "--lost-instances", "5"), "needs traffic"),
        (("--shape", "steady", "--rps", "1", "--type", "t3.micro"), "no C, M or R type"),
        (("--shape", "steady", "--rps", "1", "--max-environments", "2"), "must not be below"),
        (("--shape", "steady", "--rps", "1", "--duration-ms", "100", "--cpu-ms", "200"), "utilisation cannot exceed 1"),
    ],
)
def test_bad_input_is_one_line(arguments: tuple[str, ...], said: str) -> None:
    done = CliRunner().invoke(app, ["simulate", *arguments])

    assert done.exit_code == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
