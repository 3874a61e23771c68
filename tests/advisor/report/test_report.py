"""The page: self-contained, well-formed, true to the numbers, and safe whatever a trace is called."""

import re
from dataclasses import replace
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from paddock.advisor.advice import Advice, advise, with_simulated_throttles
from paddock.advisor.candidates import Requirements
from paddock.advisor.report.page import render
from paddock.advisor.report.style import STYLE
from paddock.advisor.report.svg import POINTS, Mark, Series, line_chart, nice_ceiling, short, thin, ticks
from paddock.advisor.report.timeline import Timeline
from paddock.advisor.traces.shapes import Shape, ShapeKind, draw
from paddock.advisor.workload import Stated, settle
from paddock.catalogue import load
from paddock.cli.advise import advise as command
from paddock.model.ids import Region

TODAY = date(2026, 11, 23)
STATED = Stated(duration_ms=200, cpu_ms=20, memory_mb=100, default_memory_mb=1024, runtime="nodejs22.x")

app = typer.Typer()
app.command()(command)


@app.callback()
def callback() -> None:
    """Make `advise` a command with a name, as it is in the product."""


@pytest.fixture(scope="module")
def advice() -> Advice:
    trace = draw(Shape(ShapeKind.DIURNAL, 20, 200, days=3))
    return advise(trace, settle(STATED, trace), load(), Region("us-east-1"), Requirements())


@pytest.fixture(scope="module")
def timeline(advice: Advice) -> Timeline:
    count = advice.trace.minutes
    return Timeline(
        tick_seconds=60,
        arrivals=advice.trace.counts,
        in_flight=advice.trace.counts / 300,
        ready=np.full(count, 12),
        instances=np.full(count, 4),
        cpu_utilization=np.full(count, 0.3),
        throttles={"slots": np.zeros(count), "CPU": np.full(count, 2.0), "MaxVCpuCount": np.zeros(count)},
        changes=("10 min: 4 environments on 2 instances: why not",),
    )


class Tags(HTMLParser):
    """Every tag with its attributes; whether all that open close."""

    VOID = frozenset({"meta"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def parsed(page: str) -> Tags:
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    return tags


def test_the_page_is_well_formed_and_fetches_nothing(advice: Advice, timeline: Timeline) -> None:
    page = render(advice, timeline, TODAY)
    tags = parsed(page)

    assert not {"script", "link", "img", "iframe", "object"} & {tag for tag, _ in tags.seen}
    assert not [attributes for _, attributes in tags.seen if {"src", "href", "onload"} & attributes.keys()]
    assert "http" not in re.sub(r"<style>.*?</style>", "", page)
    assert "@import" not in page
    assert "url(" not in page.replace("url(#arrow)", "")


def test_every_colour_of_a_drawing_has_another_one_in_the_dark(advice: Advice, timeline: Timeline) -> None:
    tags = parsed(render(advice, timeline, TODAY))
    colours = {
        (name, value) for _, attributes in tags.seen for name, value in attributes.items() if name in {"fill", "stroke"}
    } - {("fill", "none")}

    assert len(colours) >= 6
    for name, value in colours:
        assert f'[{name}="{value}"]{{{name}:' in STYLE


def test_every_chart_is_well_formed_and_has_a_name(advice: Advice, timeline: Timeline) -> None:
    charts = re.findall(r"<svg viewBox.*?</svg>", render(advice, timeline, TODAY), flags=re.DOTALL)

    assert len(charts) >= 8
    for chart in charts:
        root = ET.fromstring(chart)
        assert root.get("aria-label") or root.get("aria-hidden")
        assert "nan" not in chart


def test_the_page_says_what_the_advice_says(advice: Advice, timeline: Timeline) -> None:
    text = re.sub(r"<[^>]+>", " ", render(advice, timeline, TODAY))

    for heading in ("USD a month", "Break-even", "Machines", "Simulated", "Commitments", "Network", "Roll-out"):
        assert heading in text
    assert advice.best.instance_type.name in text
    assert str(advice.cap) in text
    assert f"{advice.managed_instances.middle:,.0f}" in text
    assert "Throttles a minute, by cause" in text
    assert "why not" in text
    for assumption in advice.assumptions:
        assert assumption.replace("'", "&#x27;") in text


def test_without_a_replay_its_section_is_left_out(advice: Advice) -> None:
    page = render(advice, None, TODAY)

    parsed(page)
    assert "Simulated" not in page


def test_a_hostile_name_stays_text(advice: Advice, timeline: Timeline) -> None:
    evil = '</style><script>alert("1")</script>'
    trace = replace(advice.trace, source=evil, function=evil, notes=(evil,))

    page = render(replace(advice, trace=trace), timeline, TODAY)

    parsed(page)
    assert "<script" not in page


def test_simulated_throttles_take_the_place_of_the_estimate(advice: Advice) -> None:
    revised = with_simulated_throttles(advice, 0.0123, 3)

    assert revised.throttled_share == 0.0123
    assert "1.23%" in revised.reasons[2]


def test_the_command_writes_the_page(tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    asked = ["--shape", "spike", "--rps", "20", "--peak-rps", "400", "--days", "1", "--duration-ms", "200"]

    result = CliRunner().invoke(app, ["advise", *asked, "--data-dir", str(tmp_path), "--html", str(target)])

    assert result.exit_code == 0
    page = target.read_text()
    parsed(page)
    assert "Throttles a minute" in page
    assert "would be throttled" in result.stdout.replace("\n", " ").replace("│", "").replace("  ", " ")


def test_a_page_that_cannot_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    asked = ["--shape", "steady", "--rps", "20", "--days", "1", "--duration-ms", "200", "--no-simulate"]

    result = CliRunner().invoke(app, ["advise", *asked, "--data-dir", str(tmp_path), "--html", str(tmp_path)])

    assert result.exit_code == 1
    assert "cannot be written" in result.stderr


# --- charts ---------------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=5000))
def test_thinning_never_loses_the_peak(values: list[float]) -> None:
    series = Series("x", np.arange(len(values), dtype=float), np.array(values))

    thinned = thin(series)

    assert len(thinned.y) <= POINTS
    assert thinned.y.max() == max(values)


@given(st.floats(1e-9, 1e12))
def test_an_axis_ends_on_a_round_number_just_above(value: float) -> None:
    top = nice_ceiling(value)

    assert value * 0.999 <= top <= value * 2.51


def test_ticks_are_round_and_within() -> None:
    assert ticks(0, 24, 7) == [0, 5, 10, 15, 20]
    assert ticks(3, 3, 7) == [3]
    assert short(1500) == "1.5k"
    assert short(0.05) == "0.05"


@pytest.mark.parametrize("values", [[], [0.0], [0.0, 0.0], [float("nan"), 1.0]])
def test_a_chart_of_little_or_nothing_is_still_a_chart(values: list[float]) -> None:
    series = Series("x", np.arange(len(values), dtype=float), np.array(values), filled=True)

    chart = line_chart("little", [series], x_name="x", y_name="y", marks=[Mark(0.0, "here"), Mark(9e9, "far")])

    assert "nan" not in chart
    assert "far" not in chart
