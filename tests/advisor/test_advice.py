"""The whole answer, on drawn traffic whose answer is plain, and its properties."""

import json
from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from paddock.advisor.advice import Advice, Verdict, advise
from paddock.advisor.candidates import Requirements
from paddock.advisor.commitment import cost_per_hour, covered, hourly_use
from paddock.advisor.default_lambda import cold_starts
from paddock.advisor.documents import InputError
from paddock.advisor.sizing import Minutes
from paddock.advisor.traces.shapes import Shape, ShapeKind, draw
from paddock.advisor.traces.trace import Trace
from paddock.advisor.workload import Stated, Workload, settle
from paddock.catalogue import load
from paddock.cli.advise import advise as command
from paddock.model.capacity_provider import Architecture
from paddock.model.ids import Region

VIRGINIA = Region("us-east-1")
STATED = Stated(duration_ms=200, cpu_ms=20, memory_mb=100, default_memory_mb=1024, runtime="nodejs22.x")

app = typer.Typer()
app.command()(command)


@app.callback()
def callback() -> None:
    """Make `advise` a command with a name, as it is in the product."""


def advised(per_second: float, requirements: Requirements | None = None, stated: Stated = STATED) -> Advice:
    trace = draw(Shape(ShapeKind.STEADY, per_second, days=1))
    return advise(trace, settle(stated, trace), load(), VIRGINIA, requirements or Requirements())


def test_little_traffic_belongs_on_default_lambda_because_of_the_floor() -> None:
    found = advised(1)

    assert found.verdict is Verdict.DEFAULT
    assert "floor of 3 instances" in found.reasons[2]


def test_much_steady_traffic_belongs_on_managed_instances() -> None:
    found = advised(1000)

    assert found.verdict is Verdict.MANAGED_INSTANCES
    assert found.managed_instances.high < found.default.low
    assert "less" in found.reasons[0]


def test_at_break_even_it_is_too_close_to_call() -> None:
    even = advised(20).break_even_per_second

    assert even is not None
    assert advised(even).verdict is Verdict.TOO_CLOSE


def test_managed_instances_pay_off_where_the_published_table_says() -> None:
    """3 × m7g.xlarge evens out with 1 GB and 200 ms on arm64 at 154 M requests a month, 58.6 a second."""
    only = Requirements(architectures=(Architecture.ARM64,), allowed_instance_types=("m7g.xlarge",))

    even = advised(20, only).break_even_per_second

    assert even == pytest.approx(58.6, rel=0.01)


def test_every_reason_has_a_number_and_every_price_a_source() -> None:
    found = advised(100)

    assert all(any(character.isdigit() for character in reason) for reason in found.reasons)
    assert all(source.title and source.as_of for source in found.sources)
    assert found.assumptions


def test_max_vcpu_count_holds_the_peak_a_spare_and_a_republish() -> None:
    found = advised(500)
    cap = found.cap

    assert cap.max_vcpu_count == cap.vcpu_of_instance * (cap.peak + cap.spare + cap.republish)
    assert cap.peak == found.best.peak_instances
    assert str(cap).endswith(str(cap.max_vcpu_count))


def test_only_allowed_types_are_considered_and_nothing_that_fits_is_refused_with_the_reason() -> None:
    found = advised(100, Requirements(allowed_instance_types=("m8g.*",)))

    assert {candidate.instance_type.family for candidate in found.candidates} == {"m8g"}
    with pytest.raises(InputError, match="not among AllowedInstanceTypes"):
        advised(100, Requirements(allowed_instance_types=("t4g.*",)))


def test_a_type_without_a_price_is_never_free() -> None:
    trace = draw(Shape(ShapeKind.STEADY, 10, days=1))
    workload = settle(STATED, trace)

    with pytest.raises(InputError, match="prices refresh"):
        advise(trace, workload, load(), Region("eu-west-1"), Requirements(allowed_instance_types=("m9g.*",)))


def test_an_unknown_region_is_refused() -> None:
    trace = draw(Shape(ShapeKind.STEADY, 10, days=1))

    with pytest.raises(InputError, match="no region"):
        advise(trace, settle(STATED, trace), load(), Region("moon-1"), Requirements())


@pytest.mark.parametrize("per_second", [5.0, 50.0, 400.0])
def test_more_traffic_never_costs_less(per_second: float) -> None:
    less, more = advised(per_second), advised(per_second * 1.5)

    assert less.managed_instances.middle <= more.managed_instances.middle
    assert less.default.middle <= more.default.middle


def test_low_middle_and_high_are_in_order() -> None:
    found = advised(300)

    assert found.managed_instances.low <= found.managed_instances.middle <= found.managed_instances.high
    assert found.default.low <= found.default.middle <= found.default.high


def test_a_spike_that_no_headroom_covers_is_a_reason() -> None:
    trace = draw(Shape(ShapeKind.SPIKE, 20, 400, days=1))

    found = advise(trace, settle(STATED, trace), load(), VIRGINIA, Requirements())

    assert found.throttled_share > 0.001
    assert "would be throttled" in found.reasons[2]


# --- commitments ----------------------------------------------------------------------------------------------------


def test_the_level_to_promise_is_the_cheapest_of_all() -> None:
    hourly = np.random.default_rng(1).gamma(2.0, 3.0, size=2000)
    for discount in (0.17, 0.28, 0.5, 0.65):
        best = covered(hourly, discount)
        costs = [cost_per_hour(hourly, level, discount) for level in np.linspace(0, hourly.max(), 400)]
        assert cost_per_hour(hourly, best, discount) <= min(costs) + 1e-3


def test_a_level_fleet_is_covered_entirely() -> None:
    hourly = hourly_use(np.full(600, 3), 0.1632)

    assert covered(hourly, 0.173) == pytest.approx(3 * 0.1632)


def test_a_last_hour_that_is_cut_off_counts_by_its_minutes() -> None:
    assert list(hourly_use(np.array([2] * 60 + [4] * 30), 1.0)) == [2.0, 4.0]


# --- cold starts ----------------------------------------------------------------------------------------------------


def plain(trace: Trace) -> Workload:
    return settle(STATED, trace)


def test_steady_traffic_starts_cold_once_for_each_environment() -> None:
    trace = draw(Shape(ShapeKind.STEADY, 100, days=1))

    minutes = Minutes.of(trace.counts, plain(trace))
    starts, most = cold_starts(minutes)

    assert starts == most == np.ceil(20 + minutes.z * 20**0.5)


def test_rare_traffic_starts_cold_every_time() -> None:
    counts = np.zeros(1440)
    counts[::30] = 1

    starts, _ = cold_starts(Minutes.of(counts, plain(Trace(counts=counts, source=""))))

    assert starts == 48


# --- the command ----------------------------------------------------------------------------------------------------

ASKED = ["--shape", "steady", "--rps", "100", "--days", "1", "--duration-ms", "200", "--cpu-ms", "20"]


def test_the_command_answers_in_json_with_everything_the_answer_rests_on(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["advise", *ASKED, "--output", "json", "--data-dir", str(tmp_path)])

    answer = json.loads(result.stdout)
    assert result.exit_code == 0
    assert answer["decision"] in set(Verdict)
    assert len(answer["reasons"]) == 3
    assert answer["recommended"]["max_vcpu_count"] % 2 == 0
    assert answer["price_sources"][0]["as_of"]
    assert answer["workload"]["origins"]["memory_mb"] == "assumed"


def test_the_command_answers_in_words(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["advise", *ASKED, "--data-dir", str(tmp_path)])

    assert result.exit_code == 0
    for heading in ("USD a month", "candidates", "MaxVCpuCount", "What would change the answer", "Assumed", "Prices"):
        assert heading in result.stdout


def test_awss_method_answers_its_own_default_case(tmp_path: Path) -> None:
    """1 M requests of 60 s a month; it is asked for a concurrency of 100 although rate × duration is 22.8."""
    rate = str(1_000_000 / 730 / 3600)
    asked = ["--shape", "steady", "--rps", rate, "--duration-ms", "60000", "--default-memory-mb", "512"]
    common = [*asked, "--method", "aws-calculator", "--architecture", "arm64", "--data-dir", str(tmp_path)]

    refused = CliRunner().invoke(app, ["advise", *common, "--concurrency", "100"])
    answered = CliRunner().invoke(app, ["advise", *common, "--output", "json"])

    assert refused.exit_code == 2
    assert "Little's law" in refused.stderr
    assert json.loads(answered.stdout)["default"]["total_usd"] == pytest.approx(408.2, abs=0.01)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "give a trace file"),
        (["--shape", "round"], "--rps"),
        (["--shape", "round", "--rps", "1"], "must be one of"),
        (["nothing.csv"], "No such file"),
        (["nothing.csv", "--shape", "steady", "--rps", "1"], "not both"),
        ([*ASKED, "--architecture", "mips"], "arm64, x86_64 or any"),
        ([*ASKED, "--region", "moon-1"], "no region"),
        ([*ASKED, "--allowed-types", "m7g.*", "--excluded-types", "c7g.*"], "not both"),
        (["--shape", "steady", "--rps", "1", "--measure", "x"], "path/to/file.py:function"),
    ],
)
def test_a_wrong_question_ends_with_2_and_one_line(tmp_path: Path, arguments: list[str], says: str) -> None:
    result = CliRunner().invoke(app, ["advise", *arguments, "--data-dir", str(tmp_path)])

    assert result.exit_code == 2
    assert says in result.stderr
    assert result.stderr.count("\n") == 1


# --- measuring ------------------------------------------------------------------------------------------------------


def test_a_function_is_measured_here(tmp_path: Path) -> None:
    code = tmp_path / "app.py"
    code.write_text(
        "import time\n\ndef handler(event, context):\n    time.sleep(0.005)\n    return sum(range(event['n']))\n"
    )
    event = tmp_path / "event.json"
    event.write_text('{"n": 1000}')
    asked = ["--shape", "steady", "--rps", "100", "--days", "1", "--measure", f"{code}:handler", "--event", str(event)]

    result = CliRunner().invoke(app, ["advise", *asked, "--output", "json", "--data-dir", str(tmp_path)])

    found = json.loads(result.stdout)["workload"]
    assert found["origins"]["duration_ms"] == found["origins"]["cpu_ms"] == "measured here"
    assert found["duration_ms"] >= 5
    assert found["cpu_ms"] < found["duration_ms"]
    assert found["memory_mb"] > 1


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("def handler(event, context):\n    raise ValueError('no order')\n", "ValueError: no order"),
        ("import nothing_of_that_name\n", "ModuleNotFoundError"),
        ("import os\ndef handler(event, context):\n    os._exit(3)\n", "ended with 3"),
        ("def other(event, context): ...\n", "AttributeError"),
    ],
)
def test_a_function_that_cannot_be_measured_is_said_so(tmp_path: Path, code: str, says: str) -> None:
    file = tmp_path / "app.py"
    file.write_text(code)
    asked = ["--shape", "steady", "--rps", "1", "--measure", f"{file}:handler"]

    result = CliRunner().invoke(app, ["advise", *asked, "--data-dir", str(tmp_path)])

    assert result.exit_code == 2
    assert says in result.stderr
