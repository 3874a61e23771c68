"""Line charts as SVG text: axes a person can read, at most one point a pixel, colours that survive a printer.

Series differ in dash as well as in colour. Long series are thinned by the highest value of each stretch: a peak must
never be lost to the plot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, isfinite, log10

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 720, 240
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 12, 34
POINTS = 480
_COLOURS = ("#1f5fa8", "#c2571a", "#2f7d4f", "#7a4fa3")
_DASHES = ("", "7 3", "2 3", "9 3 2 3")


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """`stepped` holds its value until the next; `filled` down to zero."""

    name: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    stepped: bool = False
    filled: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """A vertical line with a word beside it."""

    x: float
    name: str


def line_chart(
    title: str,
    series: Sequence[Series],
    *,
    x_name: str,
    y_name: str,
    marks: Sequence[Mark] = (),
    logarithmic_x: bool = False,
) -> str:
    """One chart. Values that are not finite are left out."""
    thinned = [thin(each) for each in series]
    x_low, x_high = _extent([each.x for each in thinned])
    y_high = nice_ceiling(max((float(np.nanmax(each.y, initial=0)) for each in thinned), default=1.0))
    scale = _Scale(x_low, x_high, y_high, logarithmic=logarithmic_x)
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">',
        _grid(scale, x_name, y_name),
        *(_line(each, number, scale) for number, each in enumerate(thinned)),
        *(_mark(mark, scale, row) for row, mark in enumerate(marks) if scale.holds(mark.x)),
        "</svg>",
    ]
    return f"<figure><figcaption>{escape(title)}</figcaption>{''.join(parts)}{_legend(series)}</figure>"


def thin(series: Series, points: int = POINTS) -> Series:
    """The highest of each stretch, at the stretch's beginning; short series as they are."""
    count = len(series.y)
    if count <= points:
        return series
    starts = np.linspace(0, count, points, endpoint=False).astype(int)
    highest = np.maximum.reduceat(series.y, starts)
    return Series(series.name, series.x[starts], highest, series.stepped, series.filled)


class _Scale:
    def __init__(self, x_low: float, x_high: float, y_high: float, *, logarithmic: bool) -> None:
        self.logarithmic = logarithmic and x_low > 0
        self.x_low, self.x_high, self.y_high = x_low, x_high, y_high

    def holds(self, x: float) -> bool:
        return self.x_low <= x <= self.x_high

    def x(self, value: float) -> float:
        if self.logarithmic:
            low, high, at = log10(self.x_low), log10(self.x_high), log10(value)
        else:
            low, high, at = self.x_low, self.x_high, value
        share = (at - low) / (high - low) if high > low else 0.5
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - value / self.y_high * (HEIGHT - TOP - BOTTOM)

    def x_ticks(self) -> list[float]:
        if self.logarithmic:
            powers = range(floor(log10(self.x_low)), ceil(log10(self.x_high)) + 1)
            return [step * 10.0**power for power in powers for step in (1, 2, 5) if self.holds(step * 10.0**power)]
        return ticks(self.x_low, self.x_high, 7)


def _extent(values: list[NDArray[np.float64]]) -> tuple[float, float]:
    held = [each for each in values if len(each)]
    if not held:
        return 0.0, 1.0
    return min(float(each.min()) for each in held), max(float(each.max()) for each in held)


def nice_ceiling(value: float) -> float:
    """1, 2, 2.5, 5 or 10 times a power of ten, not below `value`."""
    if not isfinite(value) or value <= 0:
        return 1.0
    power = 10.0 ** floor(log10(value))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= value * 0.9999)


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers between low and high, at most so many."""
    if high <= low:
        return [low]
    step = nice_ceiling((high - low) / most)
    first = ceil(low / step - 1e-9)
    return [number * step for number in range(first, floor(high / step + 1e-9) + 1)]


def _grid(scale: _Scale, x_name: str, y_name: str) -> str:
    parts = []
    for value in ticks(0, scale.y_high, 5):
        y = scale.y(value)
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{short(value)}</text>')
    for value in scale.x_ticks():
        x = scale.x(value)
        parts.append(f'<path class="grid" d="M{x:.1f} {HEIGHT - BOTTOM}v4"/>')
        parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{short(value)}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 3}" text-anchor="middle">{escape(x_name)}</text>')
    height = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(
        f'<text class="y-name" x="12" y="{height}" text-anchor="middle" transform="rotate(-90 12 {height})">'
        f"{escape(y_name)}</text>"
    )
    return "".join(parts)


def _line(series: Series, number: int, scale: _Scale) -> str:
    points = [
        (scale.x(float(x)), scale.y(float(y))) for x, y in zip(series.x, series.y, strict=True) if isfinite(float(y))
    ]
    if not points:
        return ""
    path = [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
    for x, y in points[1:]:
        path.append(f"H{x:.1f}V{y:.1f}" if series.stepped else f"L{x:.1f} {y:.1f}")
    line = "".join(path)
    colour = _COLOURS[number % len(_COLOURS)]
    area = ""
    if series.filled:
        base = scale.y(0)
        area = f'<path d="{line}V{base:.1f}H{points[0][0]:.1f}Z" fill="{colour}" opacity="0.15"/>'
    dash = _DASHES[number % len(_DASHES)]
    dashed = f' stroke-dasharray="{dash}"' if dash else ""
    return f'{area}<path d="{line}" fill="none" stroke="{colour}" stroke-width="1.6"{dashed}/>'


def _mark(mark: Mark, scale: _Scale, row: int) -> str:
    """Each in a row of its own, so that two near one another can be read."""
    x = scale.x(mark.x)
    beside, anchor = (x - 5, "end") if x > WIDTH / 2 else (x + 5, "start")
    return (
        f'<path class="mark" d="M{x:.1f} {TOP}V{HEIGHT - BOTTOM}"/>'
        f'<text x="{beside:.1f}" y="{TOP + 10 + 22 * row}" text-anchor="{anchor}">{escape(mark.name)}</text>'
    )


def _legend(series: Sequence[Series]) -> str:
    items = []
    for number, each in enumerate(series):
        dash = _DASHES[number % len(_DASHES)]
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        line = f'<path d="M0 6H28" stroke="{_COLOURS[number % len(_COLOURS)]}" stroke-width="2"{dashed}/>'
        items.append(f'<li><svg viewBox="0 0 28 12" aria-hidden="true">{line}</svg>{escape(each.name)}</li>')
    return f'<ul class="legend">{"".join(items)}</ul>'


def short(value: float) -> str:
    """1500 is 1.5k; no axis needs more."""
    size = abs(value)
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if size >= limit:
            return f"{value / limit:.3g}{unit}"
    return f"{value:.3g}"
