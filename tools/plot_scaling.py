"""Draws docs/explanation/plots: how the scaler answers four shapes of traffic, replayed through the real planner.

`--check` writes nothing and fails when a plot is stale. Nothing in a replay is random, so neither are the plots.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from paddock.advisor.report.svg import HEIGHT, LEFT, WIDTH, Series, line_chart
from paddock.model.capacity_provider import Architecture
from paddock.model.fleet import EnvironmentShape
from paddock.model.instance_types import InstanceType
from paddock.simulator.trace_replay import Replay, ReplayedWorkload, ReplaySettings, replay

PLOTS = Path(__file__).parent.parent / "docs" / "explanation" / "plots"
WORKLOAD = ReplayedWorkload(duration_seconds=0.5, cpu_seconds=0.02)
SHAPE = EnvironmentShape(memory_mb=2048, vcpu=1.0, max_concurrency=16)
XLARGE = InstanceType("c7i.xlarge", 4, 8, Architecture.X86_64)
DAY_MINUTES = 24 * 60
TICK_SECONDS = 5
STYLE = (
    "<style>svg{background:#fff}text{font:12px sans-serif;fill:#333}.title{font-weight:bold}"
    ".grid{stroke:#ddd;fill:none}.mark{stroke:#888;stroke-dasharray:2 2}</style>"
)
HEADROOM = 40
"""Above the chart, for the title and what the lines are."""

Shape = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Minutes to invocations a second."""


def steady(minutes: NDArray[np.float64]) -> NDArray[np.float64]:
    """A tenth of noise, always the same."""
    dice = np.random.default_rng(1)
    return 100 * (1 + 0.1 * dice.uniform(-1, 1, len(minutes)))


def doubling(minutes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Twice as much at once, every five minutes, three times; then back."""
    steps = np.clip((minutes - 15) // 5, 0, 3)
    return np.where(minutes >= 45, 50.0, 50.0 * 2**steps)


def fivefold(minutes: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where((minutes >= 20) & (minutes < 40), 500.0, 100.0)


def diurnal(minutes: NDArray[np.float64]) -> NDArray[np.float64]:
    return 200 + 180 * np.sin((minutes / DAY_MINUTES - 0.3) * 2 * np.pi)


PAGES: dict[str, tuple[str, Shape, int]] = {
    "steady": ("Steady load with a tenth of noise", steady, 60),
    "doubling": ("Doubling at once, every five minutes, then back", doubling, 80),
    "fivefold": ("Five times as much at once, and back", fivefold, 80),
    "diurnal": ("A day", diurnal, DAY_MINUTES),
}


def replayed(shape: Shape, minutes: int) -> Replay:
    per_minute = shape(np.arange(minutes, dtype=np.float64)) * 60
    settings = ReplaySettings(tick_seconds=TICK_SECONDS if minutes < DAY_MINUTES else 10)
    return replay(per_minute, WORKLOAD, SHAPE, XLARGE, settings)


def drawn(title: str, found: Replay) -> str:
    times = np.arange(len(found.in_flight)) * found.tick_seconds / 60
    x_name = "minutes"
    if len(times) * found.tick_seconds >= DAY_MINUTES * 60:
        times, x_name = times / 60, "hours"
    slots = found.ready.astype(np.float64) * SHAPE.max_concurrency
    series = [
        Series("in flight", times, found.in_flight, filled=True),
        Series("slots ready", times, slots, stepped=True),
    ]
    chart = line_chart(title, series, x_name=x_name, y_name="invocations")
    inner = re.search(r"<svg[^>]*>(.*?)</svg>", chart, re.DOTALL)
    assert inner is not None
    said = (
        f"{found.throttled_share:.3%} refused; {found.ready.min()} to {found.ready.max()} environments "
        f"on {found.instances.min()} to {found.instances.max()} instances; solid: in flight, dashed: slots ready"
    )
    head = f'<text class="title" x="{LEFT}" y="16">{escape(title)}</text><text x="{LEFT}" y="33">{escape(said)}</text>'
    size = f'viewBox="0 0 {WIDTH} {HEIGHT + HEADROOM}"'
    body = f'<g transform="translate(0 {HEADROOM})">{inner.group(1)}</g>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{STYLE}{head}{body}</svg>\n'


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a plot is stale")
    check = parser.parse_args().check
    stale = []
    PLOTS.mkdir(exist_ok=True)
    for name, (title, shape, minutes) in PAGES.items():
        path = PLOTS / f"{name}.svg"
        text = drawn(title, replayed(shape, minutes))
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        stale.append(path.name)
        if not check:
            path.write_text(text, encoding="utf-8")
    if check and stale:
        print(f"stale: {', '.join(stale)}; run python tools/plot_scaling.py")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
