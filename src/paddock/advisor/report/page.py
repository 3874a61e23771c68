"""The page: the answer first, then what it rests on, then what to do. All of it comes from the advice and a replay."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from html import escape

import numpy as np

from paddock.advisor.advice import Advice, MonthlyCost, Verdict
from paddock.advisor.candidates import Candidate
from paddock.advisor.report.diagram import network_diagram
from paddock.advisor.report.rollout import rollout
from paddock.advisor.report.style import STYLE
from paddock.advisor.report.svg import Mark, Series, line_chart
from paddock.advisor.report.timeline import Timeline
from paddock.core.pricing.commitments import CommitmentPlan
from paddock.core.pricing.rates import HOURS_PER_MONTH

_VERDICTS = {
    Verdict.MANAGED_INSTANCES: "Lambda Managed Instances",
    Verdict.DEFAULT: "Default Lambda",
    Verdict.TOO_CLOSE: "Too close to call",
}

_PLANS = {
    CommitmentPlan.COMPUTE_SAVINGS_PLAN: "Compute Savings Plan",
    CommitmentPlan.EC2_INSTANCE_SAVINGS_PLAN: "EC2 Instance Savings Plan",
    CommitmentPlan.RESERVED_INSTANCES: "Reserved Instances",
}


def render(advice: Advice, timeline: Timeline | None, today: date) -> str:
    sections = [
        _answer(advice, today),
        _costs(advice),
        _break_even_plot(advice),
        _candidates(advice),
        _replayed(advice, timeline) if timeline is not None else "",
        _commitments(advice),
        _sensitivity(advice),
        f"<section><h2>Network</h2>{network_diagram(advice.best.instance_type.name)}</section>",
        _checklist(advice),
        _basis(advice),
    ]
    title = f"{_VERDICTS[advice.verdict]}: advice of {today.isoformat()}"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>{''.join(sections)}</main></body></html>\n"
    )


def _answer(advice: Advice, today: date) -> str:
    function = f", function {advice.trace.function}" if advice.trace.function else ""
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in advice.reasons)
    trace = advice.trace
    return (
        f'<header class="{advice.verdict.value}"><p class="kicker">Lambda Managed Instances or default Lambda?</p>'
        f"<h1>{_VERDICTS[advice.verdict]}</h1><ol>{reasons}</ol>"
        f"<p>{escape(trace.source + function)}: {trace.invocations:,.0f} invocations in {trace.days:.3g} days, "
        f"{trace.mean_per_second:.3g} a second on average, {trace.peak_per_second():.3g} in the busiest minute. "
        f"{escape(advice.region)}, {today.isoformat()}.</p></header>"
    )


def _costs(advice: Advice) -> str:
    rows = [
        (name, *(f"{value:,.0f}" for value in (cost.low, cost.middle, cost.high)))
        for name, cost in (("Managed instances", advice.managed_instances), ("Default Lambda", advice.default))
    ]
    return (
        f"<section><h2>USD a month</h2>{_table(('', 'low', 'middle', 'high'), rows)}{_bars(advice)}"
        "<p>Low and high vary duration and CPU time by what is uncertain of them. On-Demand; requests are included on "
        "both sides.</p></section>"
    )


def _bars(advice: Advice) -> str:
    """Two ranges on one scale: do they overlap?"""
    most = max(advice.managed_instances.high, advice.default.high, 0.01) * 1.05
    rows = [("managed instances", advice.managed_instances, 22), ("default Lambda", advice.default, 58)]
    return (
        '<svg class="bars" viewBox="0 0 720 80" role="img" aria-label="Cost ranges">'
        + "".join(_bar(name, cost, y, most) for name, cost, y in rows)
        + "</svg>"
    )


def _bar(name: str, cost: MonthlyCost, y: int, most: float) -> str:
    def x(value: float) -> float:
        return 170 + value / most * 530

    return (
        f'<text x="0" y="{y + 4}">{name}</text><path class="grid" d="M170 {y}H700"/>'
        f'<rect x="{x(cost.low):.1f}" y="{y - 9}" width="{max(2.0, x(cost.high) - x(cost.low)):.1f}" height="18" '
        f'rx="3" fill="#1f5fa8" opacity="0.35"/>'
        f'<path d="M{x(cost.middle):.1f} {y - 12}v24" stroke="#1f5fa8" stroke-width="3"/>'
    )


def _break_even_plot(advice: Advice) -> str:
    if not advice.curve:
        return ""
    rates = np.array([point.requests_per_second for point in advice.curve])
    series = [
        Series("managed instances", rates, np.array([point.managed_usd for point in advice.curve])),
        Series("default Lambda", rates, np.array([point.default_usd for point in advice.curve])),
    ]
    marks = [Mark(advice.trace.mean_per_second, "today")]
    if advice.break_even_per_second is not None:
        marks.append(Mark(advice.break_even_per_second, f"even {advice.break_even_per_second:.3g}/s"))
    chart = line_chart(
        "Cost by traffic of this shape",
        series,
        x_name="requests a second on average",
        y_name="USD a month",
        marks=marks,
        logarithmic_x=True,
    )
    return f"<section><h2>Break-even</h2>{chart}</section>"


def _candidates(advice: Advice) -> str:
    headings = ("type", "GB", "GiB/vCPU", "slots", "envs", "instances", "peak", "room", "CPU", "p99 ms", "USD")
    rows = [_candidate(each) for each in advice.candidates]
    best = advice.best
    settings = [
        ("AllowedInstanceTypes", ", ".join(advice.allowed_instance_types)),
        ("MaxVCpuCount", str(advice.cap)),
        ("MemorySize", f"{best.shape.memory_mb} MB"),
        ("ExecutionEnvironmentMemoryGiBPerVCpu", str(best.memory_gib_per_vcpu)),
        ("PerExecutionEnvironmentMaxConcurrency", str(best.shape.max_concurrency)),
        ("MinExecutionEnvironments", str(advice.minimum_environments)),
    ]
    if advice.daily is not None:
        daily = advice.daily
        text = f"{daily.busy_minimum} from {daily.busy_from:02}:00, {daily.quiet_minimum} from {daily.quiet_from:02}:00"
        settings.append(("scheduled MinExecutionEnvironments", text))
    return (
        f"<section><h2>Machines</h2><p>The best of {advice.considered:,} candidates, one of each family. "
        "Environments: GB, GiB per vCPU, concurrency (slots), how many at the peak. Instances: mean and peak. "
        "Room: how many times the traffic fits at the worst minute. CPU at the peak; USD a month without requests.</p>"
        f"{_table(headings, rows)}<h3>Settings</h3>{_table(('', 'value'), settings)}</section>"
    )


def _candidate(each: Candidate) -> tuple[str, ...]:
    return (
        each.instance_type.name,
        f"{each.shape.memory_mb // 1024}",
        f"{each.memory_gib_per_vcpu}",
        f"{each.shape.max_concurrency}",
        f"{each.sizing.peak}",
        f"{each.mean_instances:.1f}",
        f"{each.peak_instances}",
        f"×{each.sizing.headroom:.1f}",
        f"{each.sizing.utilisation_at_peak:.0%}",
        f"{each.sizing.p99_ms:,.0f}",
        f"{each.low_usd:,.0f}-{each.high_usd:,.0f}",
    )


def _replayed(advice: Advice, timeline: Timeline) -> str:
    hours = timeline.hours
    per_second = timeline.arrivals / timeline.tick_seconds
    slots = timeline.ready * advice.best.shape.max_concurrency
    charts = [
        line_chart(
            "Traffic",
            [Series("requests a second", hours, per_second, filled=True)],
            x_name="hours",
            y_name="requests/s",
        ),
        line_chart(
            "Capacity: slots that stand ready, and what is in flight",
            [
                Series("slots ready", hours, slots.astype(np.float64), stepped=True),
                Series("in flight", hours, timeline.in_flight, filled=True),
            ],
            x_name="hours",
            y_name="invocations",
        ),
        line_chart(
            "Fleet",
            [
                Series("environments", hours, timeline.ready.astype(np.float64), stepped=True),
                Series("instances", hours, timeline.instances.astype(np.float64), stepped=True),
            ],
            x_name="hours",
            y_name="count",
        ),
        line_chart(
            "CPU of the environments",
            [Series("utilisation, %", hours, timeline.cpu_utilization * 100)],
            x_name="hours",
            y_name="%",
        ),
        _throttle_chart(timeline),
        _cost_chart(advice, timeline),
    ]
    changes = "".join(f"<li>{escape(change)}</li>" for change in timeline.changes)
    return (
        "<section><h2>Simulated</h2><p>This traffic through Paddock's own planner: "
        f"{timeline.mean_instances:.2f} instances on average ({advice.best.mean_instances:.2f} by the quick estimate), "
        f"{timeline.throttled:,.0f} of {timeline.arrivals.sum():,.0f} invocations throttled "
        f"({timeline.throttled_share:.4%}). Default Lambda would start cold about "
        f"{advice.default_forecast.cold_starts:,.0f} times a month.</p>{''.join(charts)}"
        f"<details><summary>Changes of the fleet, with reasons</summary><ul>{changes}</ul></details></section>"
    )


def _throttle_chart(timeline: Timeline) -> str:
    if timeline.throttled < 0.5:
        return "<p><strong>Throttles:</strong> none.</p>"
    per_minute = 60 / timeline.tick_seconds
    series = [
        Series(name, timeline.hours, values * per_minute, filled=True)
        for name, values in timeline.throttles.items()
        if values.sum() >= 0.5
    ]
    return line_chart("Throttles a minute, by cause", series, x_name="hours", y_name="throttles/min")


def _cost_chart(advice: Advice, timeline: Timeline) -> str:
    """Both bills as they add up over the trace."""
    months = len(timeline.arrivals) * timeline.tick_seconds / 3600 / float(HOURS_PER_MONTH)
    mean = max(timeline.mean_instances, 1e-9)
    hourly = (advice.managed_instances.middle - advice.requests_usd) / float(HOURS_PER_MONTH)
    fleet = np.cumsum(timeline.instances / mean) * hourly * timeline.tick_seconds / 3600
    share = np.cumsum(timeline.arrivals) / max(float(timeline.arrivals.sum()), 1e-9)
    series = [
        Series("managed instances", timeline.hours, fleet + share * advice.requests_usd * months),
        Series("default Lambda", timeline.hours, share * advice.default.middle * months),
    ]
    return line_chart("Cost as it adds up over the trace", series, x_name="hours", y_name="USD")


def _commitments(advice: Advice) -> str:
    rows = [
        (
            _PLANS[each.offer.plan],
            f"{each.offer.years} y, {each.offer.payment.value.replace('_', ' ')}",
            f"{float(each.offer.discount.low):.0%}-{float(each.offer.discount.high):.0%}",
            f"{each.promised_usd_per_hour:.3f}",
            f"{each.covered_usd_per_hour:.3f}",
            f"{each.saving_low_usd:,.0f}-{each.saving_high_usd:,.0f}",
        )
        for each in advice.commitments
    ]
    held = dict.fromkeys(f"{_PLANS[each.offer.plan]} {each.condition}." for each in advice.commitments)
    headings = ("plan", "term", "discount", "promise USD/h", "covers USD/h", "saves USD a month")
    return (
        "<section><h2>Commitments</h2><p>The level to promise is the discount's quantile of the hourly use, at the low "
        "end of the range. The management fee is never discounted.</p>"
        f"{_table(headings, rows)}{_list(held)}</section>"
    )


def _sensitivity(advice: Advice) -> str:
    rows = [
        (
            flip.input_name,
            f"{flip.value:,.4g} {flip.unit}",
            "never, within 32 times" if flip.flips_at is None else f"{flip.flips_at:,.4g} {flip.unit}",
        )
        for flip in advice.flips
    ]
    return f"<section><h2>What would change the answer</h2>{_table(('input', 'now', 'flips at'), rows)}</section>"


def _checklist(advice: Advice) -> str:
    boxes = "".join(f"<li><span class='box'></span>{escape(step)}</li>" for step in rollout(advice))
    return f'<section><h2>Roll-out</h2><ul class="checklist">{boxes}</ul></section>'


def _basis(advice: Advice) -> str:
    blocks: list[tuple[str, Iterable[str]]] = [
        ("Assumed", advice.assumptions),
        ("Of the trace", advice.trace.notes),
        ("Mind", advice.warnings),
        ("Rules of thumb others use", advice.rules),
        ("Prices", [f"{each.title}, {each.as_of} ({each.confidence.value})" for each in advice.sources]),
    ]
    parts = "".join(f"<h3>{heading}</h3>{_list(lines)}" for heading, lines in blocks if list(lines))
    return f"<section><h2>What this rests on</h2>{parts}</section>"


def _list(lines: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns of figures stand to the right, words to the left, as the first row has them."""
    figures = [_is_figure(cell) for cell in rows[0]] if rows else []
    classes = [' class="n"' if figure else "" for figure in figures]
    head = "".join(f"<th{kind}>{escape(heading)}</th>" for heading, kind in zip(headings, classes, strict=True))
    lines = []
    for row in rows:
        cells = "".join(f"<td{kind}>{escape(cell)}</td>" for cell, kind in zip(row, classes, strict=True))
        lines.append(f"<tr>{cells}</tr>")
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'


def _is_figure(cell: str) -> bool:
    return len(cell) < 16 and cell[:1] in set("0123456789×-$")
