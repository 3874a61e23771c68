"""Whole fleets by seed: every promise is kept, and a seed is the same run every time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import pytest

from paddock.core.on_demand import Concurrency
from paddock.simulator import __main__ as command
from paddock.simulator.__main__ import main
from paddock.simulator.decisions import Decision
from paddock.simulator.happenings import Happenings
from paddock.simulator.invariants import Promise
from paddock.simulator.report import CRASH, Report, spoken
from paddock.simulator.scenario import simulate
from paddock.simulator.seeds import FLEETS, KINDS, ON_DEMAND, Kind, simulate_seeds, told
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
        pytest.fail(told(FLEETS, report))
    return True


@pytest.mark.parametrize("seed", REMEMBERED)
def test_what_once_broke_a_promise_keeps_it_now(seed: int) -> None:
    assert kept(simulate(seed))


def test_in_fifty_fleets_each_kind_of_fault_has_befallen_some() -> None:
    faults: Counter[str] = Counter()
    for report in simulate_seeds(FLEETS, range(50)):
        assert kept(report)
        assert report.checks[Promise.SLOTS] >= report.events, "slots are looked at after every event"
        faults += report.faults

    assert set(faults) == {spoken(each) for each in Happenings.FAULTS}


@pytest.mark.slow
def test_two_thousand_fleets_keep_every_promise_whatever_befalls_them() -> None:
    total = Report(0)
    for report in simulate_seeds(FLEETS, range(2000)):
        assert kept(report)
        total.add(report)

    assert total.outcomes[Outcome.ANSWERED] > 100_000
    assert total.outcomes[Outcome.LOST], "faults that lose nothing are no faults"
    assert total.outcomes[Outcome.THROTTLED]
    assert set(total.faults) == {spoken(each) for each in Happenings.FAULTS}
    assert set(total.requests) == {*(spoken(each) for each in Happenings.REQUESTS), "change traffic"}
    assert set(total.decisions) == set(Decision)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_an_exception_that_nobody_expected_names_its_seed_and_how_to_see_it_again(kind: Kind) -> None:
    def breaks(seed: int) -> Report:
        raise ZeroDivisionError(f"in {seed}")

    (report,) = simulate_seeds(replace(kind, simulate=breaks), [41], processes=1)

    assert report.broken is not None
    assert report.broken.invariant == CRASH
    assert "ZeroDivisionError: in 41" in told(kind, report)
    assert " ".join(f"again: python -m paddock.simulator {kind.option} --seed 41".split()) in told(kind, report)


def test_several_processes_tell_the_same_in_the_same_order() -> None:
    seeds = range(30, 42)

    alone = [report.digest for report in simulate_seeds(ON_DEMAND, seeds, processes=1)]

    assert [report.digest for report in simulate_seeds(ON_DEMAND, seeds, processes=2)] == alone


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
    assert "1 seeds of fleets, 0 broken" in out

    assert main(["--seed", "10", "--seeds", "3", "--processes", "1"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("3 seeds of fleets, 0 broken")
    assert "faults injected: " in out
    assert "decisions: " in out


@pytest.mark.parametrize("option", ["--on-demand", "--whole"])
def test_other_simulations_are_asked_for_by_option(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([option, "--seed", "3"]) == 0

    assert "every promise kept" in capsys.readouterr().out


def test_a_program_reads_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--on-demand", "--seed", "5", "--seeds", "2", "--processes", "1", "--output", "json"]) == 0

    document = json.loads(capsys.readouterr().out)
    assert (document["simulated"], document["first_seed"], document["seeds"]) == ("default Lambda", 5, 2)
    assert document["broken"] == []
    assert document["outcomes"]["answered"] > 0
    assert document["faults"]
    assert document["decisions"]


def test_a_broken_promise_fails_the_command_and_stands_in_the_document(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Concurrency, "reserve", lambda *_: None)

    assert main(["--on-demand", "--seeds", "9", "--processes", "1", "--output", "json"]) == 1

    first = json.loads(capsys.readouterr().out)["broken"][0]
    assert first["invariant"] in {"reserved", "account limit"}
    assert first["again"] == f"python -m paddock.simulator --on-demand --seed {first['seed']}"
    assert first["story"]


def test_ctrl_c_says_how_far_it_came(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object, **__: object) -> Iterator[Report]:
        yield simulate(3)
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "simulate_seeds", stopped)

    assert main(["--seeds", "9"]) == 130
    assert "stopped after 1 of 9 seeds, 0 broken" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["--seeds", "0"], ["--processes", "0"], ["--seed", "x"], ["--seed", "-1"], ["--whole", "--on-demand"]]
)
def test_arguments_out_of_range_are_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main(arguments)

    assert refused.value.code == 2
