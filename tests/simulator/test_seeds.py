"""Whole fleets by seed: every promise is kept, and a seed is the same run every time."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter

import pytest

from paddock.simulator.__main__ import main
from paddock.simulator.scenario import Report, simulate
from paddock.simulator.seeds import simulate_seeds, told
from paddock.simulator.words import Outcome

# Those that once found something, and what it was.
REMEMBERED = {
    9: "planning ran in circles between two instances to be emptied",
    36: "a report made half way through a configuration ended what was to be started",
    422: "one version's headroom held the ceiling while another was below its minimum",
    1003: "an answer to a server that had died was taken by the next one",
    1568: "an instance waited for ever to be emptied under a lowered ceiling",
}


def kept(report: Report) -> bool:
    if report.broken is not None:
        pytest.fail(told(report))
    return True


@pytest.mark.parametrize("seed", REMEMBERED)
def test_what_once_broke_a_promise_keeps_it_now(seed: int) -> None:
    assert kept(simulate(seed))


@pytest.mark.slow
def test_two_thousand_fleets_keep_every_promise() -> None:
    reports = list(simulate_seeds(range(2000)))

    assert all(kept(report) for report in reports)
    outcomes: Counter[Outcome] = sum((report.outcomes for report in reports), start=Counter())
    assert outcomes[Outcome.ANSWERED] > 100_000
    assert outcomes[Outcome.LOST], "faults that lose nothing are no faults"
    assert outcomes[Outcome.THROTTLED]


def test_a_seed_is_the_same_run_every_time() -> None:
    assert simulate(4).digest == simulate(4).digest
    assert simulate(4).digest != simulate(5).digest


def test_a_seed_is_the_same_run_in_another_process() -> None:
    """String hashes differ from process to process; nothing may hang on the order of a set."""
    program = "from paddock.simulator.scenario import simulate; print(simulate(4).digest)"
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }

    assert len(digests) == 1


def test_the_command_tells_how_a_seed_went(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--seed", "3"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("seed 3: ")
    assert "every promise kept" in out
    assert "1 seeds, 0 broken" in out

    assert main(["--seed", "10", "--seeds", "3", "--processes", "1"]) == 0
    assert capsys.readouterr().out.startswith("3 seeds, 0 broken")


@pytest.mark.parametrize("arguments", [["--seeds", "0"], ["--processes", "0"], ["--seed", "x"]])
def test_arguments_out_of_range_are_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main(arguments)

    assert refused.value.code == 2
